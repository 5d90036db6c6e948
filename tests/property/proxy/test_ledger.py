"""started = produced + dropped + on its way, whatever happens in whatever order, kill -9 included."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.events.counted import correction
from gateway.proxy.recorder import Policy, Recorder
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.support.events import exchange
from tests.support.manual_clock import ManualClock
from tests.unit.proxy.support import FailingLog

count = st.integers(min_value=0, max_value=2**40)


@given(started=count, produced=count, dropped=count, appended=count)
def test_after_a_correction_the_account_balances_and_agrees_with_the_log(
    started: int, produced: int, dropped: int, appended: int
) -> None:
    needed = correction(started=started, produced=produced, dropped=dropped, appended=appended)
    assert produced + needed.produced == appended
    assert started + needed.started == appended + dropped + needed.crash + needed.log_lost
    assert min(needed.started, needed.crash, needed.log_lost) >= 0
    assert not (needed.started and needed.crash), "what was lost is never made up for what was never started"


class Recording(RuleBasedStateMachine):
    """Starts, records, commits, fills and clears the disk, kills and restarts; the test counts for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.log = FailingLog()
        self.path = Path(self.folder.name) / "proxy-0.bin"
        self.open = 0
        self.begun = 0
        self.queued = 0
        self.lost = 0
        self.policy: Policy = "batched"
        self.file: CounterFile | None = None
        self.start()

    def start(self) -> None:
        """A new process on the old files, as after kill -9: nothing of the old one's memory is left."""
        self.file = CounterFile.open(self.path)
        self.recorder = Recorder(self.log, Meters(self.file), self.policy, 6 * 2100, ManualClock())
        self.recorder.reconcile()

    @rule()
    def begin(self) -> None:
        self.recorder.started()
        self.begun += 1
        self.open += 1

    @precondition(lambda self: self.open)
    @rule(size=st.sampled_from([0, 10, 5000]))
    def finish(self, size: int) -> None:
        self.recorder.record(exchange(self.begun, bytes(size)))
        self.open -= 1

    @rule()
    def commit(self) -> None:
        self.recorder.commit()

    @rule(room=st.sampled_from([0, 1, 3, 1000]))
    def disk(self, room: int) -> None:
        self.log.room = room

    @rule(broken=st.booleans())
    def engine(self, *, broken: bool) -> None:
        self.log.broken = broken

    @rule(policy=st.sampled_from(["batched", "strict"]))
    def kill_and_restart(self, policy: Policy) -> None:
        self.policy = policy
        self.start()
        self.open = 0
        assert self.recorder.ledger.on_its_way == 0

    @precondition(lambda self: self.log.room > 100 and not self.log.broken)
    @rule()
    def settle(self) -> None:
        """With a log that works, all that was finished is settled, and only what is open is on its way."""
        self.recorder.commit()
        self.recorder.commit()
        assert self.recorder.ledger.on_its_way == self.open
        assert self.recorder.accepts()

    @invariant()
    def balances(self) -> None:
        ledger = self.recorder.ledger
        waiting = len(self.recorder._queue) + len(self.recorder._held)
        assert ledger.started.value == self.begun
        assert ledger.produced.value == len(self.log.events)
        assert ledger.started.value == ledger.produced.value + ledger.total_dropped + waiting + self.open

    def teardown(self) -> None:
        self.folder.cleanup()


TestRecording = Recording.TestCase
TestRecording.settings = settings(stateful_step_count=40, deadline=None)
