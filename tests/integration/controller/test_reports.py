"""What users say as evidence: from the stream of feedback to a rollback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.controller.feedback import FeedbackReader
from gateway.controller.reports import Reporting
from gateway.events.schema import FeedbackV1, VerdictV1
from gateway.rollout.evidence import Evidence
from gateway.rollout.plan import parse
from gateway.tablefile import read_table
from tests.integration.controller.test_rollouts import Site
from tests.support.memory_log import MemoryEventLog, MemoryStore
from tests.support.rollouts import MODEL
from tests.unit.controller.conftest import shipped
from tests.unit.controller.support import entries

PLAN = parse(
    {
        "preset": "fast",
        "stages": [30],
        "dwell": 600,
        "period": 10,
        "minimum_units": 5,
        "guardrails": [{"metric": "errors", "promotes": True}, {"metric": "feedback:thumbs_down", "weight": 3}],
    }
)


class Said:
    """A site whose users speak: `disliked` is how often of an answer of the canary, of 10."""

    def __init__(self, root: Path) -> None:
        self.site = Site(root)
        parts = self.site.controller
        self._log = MemoryEventLog(MemoryStore(), "proxy-0", parts.clock)
        self._reader = FeedbackReader(self._log, parts.feedback, parts.index, parts.meters)
        self._reporting = Reporting(parts.rollouts, self._reader)
        self._number = 0

    def step(self, disliked: int) -> None:
        parts = self.site.controller
        table = read_table(parts.data.table)
        assert table is not None
        events = self.site.traffic.verdicts(table, 1.0, shipped().hash)
        parts.index.add(entries(events), {})
        for event in events:
            self._number += 1
            dislikes = event.assignment.assigned == "canary" and self._number % 10 < disliked
            said = FeedbackV1(f"f{self._number}", event.exchange_id, "thumbs_down", float(dislikes), 0)
            self._log.append(
                "feedback", [said, FeedbackV1(f"g{self._number}", event.exchange_id, "thumbs_down", 1.0, 0)]
            )
        parts.clock.advance(1.0)
        self._log.tick("feedback")
        self._reader.step()
        parts.rollouts.advance(self.site.traffic.now_us)
        while self._reporting.step():
            pass


def _word(identifier: str, event: VerdictV1, value: float) -> FeedbackV1:
    return FeedbackV1(identifier, event.exchange_id, "thumbs_down", value, 0)


@pytest.fixture
def said(tmp_path: Path) -> Iterator[Said]:
    made = Said(tmp_path)
    made.site.controller.clock.advance((made.site.traffic.now_us - made.site.controller.clock.now_us()) / 1e6)
    made.site.start(PLAN)
    yield made
    made.site.controller.close()


def test_a_canary_that_users_dislike_is_rolled_back(said: Said) -> None:
    for _ in range(60):
        said.step(disliked=4)
    assert said.site.status() == "rolled_back"
    last = said.site.decisions()[-1]
    assert last.evidence is not None
    assert last.evidence.rows[1].guardrail == "feedback:thumbs_down"
    assert last.evidence.rows[1].alarm > 0, "first complaints were enough: no period of the canary had closed"
    kept = said.site.rollouts.last(MODEL)
    assert kept is not None
    ended = Evidence.of(PLAN, kept.state.book)
    stable, canary = (ended.mean_of(1, canary=each).mean for each in (False, True))
    assert canary > stable == 0.0, "only the first word on an exchange counts"


def test_one_that_nobody_complains_of_is_not(said: Said) -> None:
    for _ in range(60):
        said.step(disliked=0)
    assert said.site.status() == "running"
    assert MODEL in {running.model for running in said.site.rollouts.all_running()}
