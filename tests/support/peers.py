"""Gateways before the same arms that share one PostgreSQL: whichever leads decides, the others stand by."""

from pathlib import Path
from typing import Any

import httpx

from tests.support.stack import Stack
from tests.support.wait import until

NAMES = ("north", "south")
FAIL_OVER_SECONDS = 60.0


class Peers:
    """`url`: of their database; `kafka`: the configuration's `events.kafka`, and then each gathers the other's."""

    def __init__(
        self, folder: Path, arms: dict[str, Any], url: str, kafka: dict[str, Any] | None = None, **model: object
    ) -> None:
        (folder / "key").write_text("5f" * 32)
        models = {"assistant": {"unit": ["header:x-user-id"], "arms": arms, **model}}
        self.gateways = {}
        for name in NAMES:
            (folder / name).mkdir()
            others = [each for each in NAMES if each != name]
            events = {"source": name, **({} if kafka is None else {"kafka": kafka, "gather": others})}
            self.gateways[name] = Stack(
                folder / name,
                models,
                unit_key_file=str(folder / "key"),
                expose_arm=True,
                scoring={"encoder": "none"},
                events=events,
                state={"url": url, "take_over_after": 0.5},
            )

    def leaders(self) -> list[str]:
        """Who says of itself that it leads."""
        return [name for name, each in self.gateways.items() if leads(each)]

    def leader(self, *, but: str = "") -> Stack:
        """The one that leads, once exactly one does, and it is another than that."""
        until(
            lambda: len(self.leaders()) == 1 and self.leaders() != [but],
            FAIL_OVER_SECONDS,
            "exactly one gateway leads",
        )
        return self.gateways[self.leaders()[0]]


def leads(stack: Stack) -> bool:
    """Whether it says that it leads; False too while its controller says nothing."""
    try:
        return stack.metric("tipstaff_leads") == 1
    except (httpx.TransportError, httpx.HTTPStatusError):
        return False
