"""`tipstaff demo`: two models, the real gateway before them, users who come back, and a rollout by evidence."""

import asyncio
import shutil
import signal
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console

from gateway.app.welcome import sample
from gateway.clock import SystemClock
from gateway.commands.adminclient import AdminClient, AdminError
from gateway.demo.acts import MODEL, Acts
from gateway.demo.behaviour import Schedule
from gateway.demo.fleet import TURNING, Fleet, FleetFailed, SimulatedFleet, VllmFleet
from gateway.demo.gateway_process import GatewayFailed, GatewayProcess
from gateway.demo.plan import SIMULATED, VLLM, Plan
from gateway.demo.teller import Teller
from gateway.demo.users import Users
from gateway.process import Exit
from gateway.tasks import Tasks

INTERRUPTED = 130
MODELS = ("simulated", "vllm")
_GOES_ON_SECONDS = 3600.0
"""After the story users come for so long, or until the most were sent."""


class Options(msgspec.Struct, frozen=True):
    """`exit_after`: end by itself after the story. `model`: one of MODELS. `seed`: of models and users."""

    exit_after: bool = False
    model: str = "simulated"
    seed: int = 7


def run(
    options: Options, console: Console | None = None, plan: Plan | None = None, canary: Schedule = TURNING
) -> int:
    """Tell it; `canary`: how the simulated one behaves, from the start of its rollout.

    The exit code: 0 when the story held and the ledger balanced, 130 after Ctrl-C amid the story.
    """
    console = console or Console(highlight=False)
    if options.model not in MODELS:
        console.print(f"--model {options.model}: give one of {', '.join(MODELS)}")
        return Exit.CONFIG
    folder = Path(tempfile.mkdtemp(prefix="tipstaff-demo-"))
    chosen = plan or (SIMULATED if options.model == "simulated" else VLLM)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(_until_stopped(_Demo(options, chosen, canary, console, folder)))
    if code == Exit.FAILED:
        console.print(f"data and logs are left in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return code


async def _until_stopped(demo: "_Demo") -> int:
    """Ctrl-C and SIGTERM end it in order, wherever it is."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tasks = Tasks()
    playing = tasks.spawn("demo", demo.play())
    stopping = tasks.spawn("stop", stop.wait())
    await asyncio.wait((playing, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not playing.done():
        demo.teller.say("ending ...")
        playing.cancel()
        await asyncio.wait((playing,))
    await tasks.close()
    return demo.interrupted() if playing.cancelled() else playing.result()


class _Demo:
    """Owns everything that runs, and ends it whatever happens."""

    def __init__(self, options: Options, plan: Plan, canary: Schedule, console: Console, folder: Path) -> None:
        self._options = options
        self._plan = plan
        self._canary = canary
        self._folder = folder
        self._clock = SystemClock()
        self._told: int | None = None
        self.teller = Teller(console, self._clock)

    def interrupted(self) -> int:
        """The exit code after Ctrl-C: the story's own once it was told."""
        return INTERRUPTED if self._told is None else self._told

    async def play(self) -> int:
        """Start, tell, and end everything."""
        try:
            async with AsyncExitStack() as stack:
                self._told, users = await self._run(stack)
                if not self._options.exit_after:
                    await users.arrive(_GOES_ON_SECONDS)
                    await asyncio.Event().wait()  # until Ctrl-C cancels it
        except (FleetFailed, GatewayFailed, AdminError) as error:
            self.teller.say(f"the demo cannot go on: {error}")
            return Exit.FAILED
        return self._told

    async def _run(self, stack: AsyncExitStack) -> tuple[int, Users]:
        """The exit code, and users who may come again."""
        fleet = self._fleet()
        stack.push_async_callback(fleet.stop)
        for line in fleet.about:
            self.teller.say(line)
        self.teller.say(f"starting them{fleet.takes} ...")
        await fleet.start()
        gateway = GatewayProcess(self._folder, {MODEL: {"unit": ["header:x-user-id"], "arms": fleet.arms()}})
        stack.push_async_callback(gateway.stop)
        self.teller.say("starting `tipstaff serve` in front of them ...")
        await gateway.start()
        users = Users(gateway.url, MODEL, self._plan.traffic, self._clock, self._options.seed)
        stack.push_async_callback(users.close)
        admin = AdminClient(gateway.admin_url)
        stack.callback(admin.close)
        acts = Acts(users, admin, self._plan, self._clock, self.teller, fleet.begin)
        self._addresses(gateway)
        problems = await acts.play()
        if self._options.exit_after:
            problems += await self._ended(gateway)
        return self._verdict(problems, gateway), users

    def _fleet(self) -> Fleet:
        if self._options.model == "vllm":
            return VllmFleet(self._folder)
        return SimulatedFleet(self._clock, self._options.seed, self._canary)

    def _addresses(self, gateway: GatewayProcess) -> None:
        self.teller.say(f"watch it in a browser: {gateway.admin_url}/dashboard/")
        self.teller.say(f"clients: {gateway.url}/v1   admin: {gateway.admin_url}/docs and /metrics")

    async def _ended(self, gateway: GatewayProcess) -> list[str]:
        code = await gateway.stop()
        return [] if code == Exit.OK else [f"tipstaff serve ended with {code} instead of 0 (log: {gateway.log})"]

    def _verdict(self, problems: list[str], gateway: GatewayProcess) -> int:
        for problem in problems:
            self.teller.say(f"DID NOT HOLD: {problem}")
        if not problems:
            self.teller.say("the story held, and the ledger balanced")
        if not self._options.exit_after:
            self._addresses(gateway)
            self.teller.say(f"try: {sample(MODEL, 'http', f'127.0.0.1:{gateway.data_port}')}")
            self.teller.say(f"or: {_program()} rollout status {MODEL} --admin 127.0.0.1:{gateway.admin_port}")
            self.teller.say("users go on for some minutes, and the models answer as they did: try your own rollout")
            self.teller.say("it goes on until Ctrl-C")
        return Exit.FAILED if problems else Exit.OK


def _program() -> str:
    """How this machine's person calls tipstaff: by its name where a shell finds it, else by where it lies."""
    called = Path(sys.argv[0])
    beside = called if called.name == "tipstaff" else Path(sys.executable).with_name("tipstaff")
    return str(beside) if shutil.which("tipstaff") is None and beside.exists() else "tipstaff"
