"""The supervisor over real children. Restarts and ends are in tests/e2e/test_serve.py."""

import asyncio
from pathlib import Path

from gateway.process import Exit
from gateway.supervisor import Spec, Supervisor
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import RESTARTS, Meters


async def _never() -> None:
    raise AssertionError("not all children were ready")


def test_a_child_that_can_never_start_ends_everything_with_its_exit_code(tmp_path: Path) -> None:
    meters = Meters(CounterFile.open(tmp_path / "supervisor.bin"))
    missing = str(tmp_path / "none.yaml")
    specs = [
        Spec("scorer-0", ("scorer", missing), (), grace=10, rank=1),
        Spec("proxy-0", ("proxy", missing), (), grace=10, rank=0),
    ]
    code = asyncio.run(asyncio.wait_for(Supervisor(specs, meters).run(_never), 60))
    assert code == Exit.CONFIG
    assert meters.counter(RESTARTS, "proxy-0").value == 0
    meters.file.close()
