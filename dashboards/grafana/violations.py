"""The dashboard of violations: what answers do against the constitution, and what requests provoke."""

from classifiers.verdict import Why
from dashboards.grafana.palette import ARMS, DASHED_ARM, SEVERITIES, SKY, VERMILLION, Look, kinds
from dashboards.grafana.panel import Board, Panel, Row
from dashboards.grafana.query import RANGE, Query, growth, highest, rate, rest, share
from gateway.telemetry import metrics
from gateway.telemetry.metrics import Metric

WHERE = ("model", "arm")


_READ = rest(rate(metrics.SCORED, by=WHERE), rate(metrics.NOT_EVALUATED, by=WHERE))
"""Answers of which something was evaluated, a second: one of which nothing was got a verdict too."""


def _of_read(metric: Metric, by: str, *, exemplar: bool = False) -> tuple[Query]:
    """A counter's share of the answers of its arm that were read, by one more label."""
    return (Query(share(rate(metric, by=(*WHERE, by)), _READ, WHERE), _legend(by), exemplar=exemplar),)


def _legend(by: str) -> str:
    return f"{{{{{by}}}}} {{{{model}}}} {{{{arm}}}}"


_SHARE = Panel(
    "Violations by principle and arm",
    "The share of the answers that were read which violated each principle. A point opens the trace of one of "
    "them, where the data source knows your traces' own (docs/grafana.md). Worry when the arm on trial, dashed, "
    "lies above the other for longer than a few minutes, or when a line leaves its usual level.",
    "percentunit",
    _of_read(metrics.VIOLATIONS, "principle", exemplar=True),
    looks=ARMS,
)
_RANKED = Panel(
    "Violations in the time that is shown",
    "The same share over the whole time that is shown, so that rare principles can be compared. Worry about "
    "what stands on top for one arm only.",
    "percentunit",
    (
        Query(
            share(
                growth(metrics.VIOLATIONS, by=(*WHERE, "principle"), window=RANGE),
                rest(
                    growth(metrics.SCORED, by=WHERE, window=RANGE),
                    growth(metrics.NOT_EVALUATED, by=WHERE, window=RANGE),
                ),
                WHERE,
            ),
            _legend("principle"),
            instant=True,
        ),
    ),
    form="bars",
    looks=(Look(r"\bstable\b", ARMS[0].colour), Look(r"\bcanary\b", ARMS[1].colour)),
)
_SEVERITY = Panel(
    "Violations by severity",
    "The share of the answers that were read with a violation of each severity: the graver, the thicker. Worry "
    "about any critical one: it is worth a look at the exchange itself.",
    "percentunit",
    _of_read(metrics.VIOLATIONS, "severity", exemplar=True),
    looks=(*SEVERITIES, *DASHED_ARM),
)
_PROVOCATIONS = Panel(
    "Provocations",
    "The share of the exchanges that were read whose request went against a principle, whatever the answer did. "
    "It says what users ask, not what the model does. Worry when violations of the same principle rise with it.",
    "percentunit",
    _of_read(metrics.PROVOCATIONS, "principle"),
    looks=ARMS,
)
_REFUSALS = Panel(
    "Refusals",
    "The share of the answers that were read which declined: rightly (refusal), or although no principle objects "
    "to the request (over_refusal). Worry when over_refusal rises on the arm on trial: it has become timid.",
    "percentunit",
    _of_read(metrics.REFUSALS, "kind"),
    looks=(*kinds("refusal", "over_refusal"), *DASHED_ARM),
)
_NOT_EVALUATED = Panel(
    "Not evaluated",
    "The share of all scored answers of which nothing was evaluated, by reason; the other shares are of the rest. "
    "unsampled, no_text and non_text are so by choice or nature. Worry about another above a few percent, and when "
    "the arms differ: then the other panels compare unlike things.",
    "percentunit",
    (
        Query(
            share(rate(metrics.NOT_EVALUATED, by=(*WHERE, "reason")), rate(metrics.SCORED, by=WHERE), WHERE),
            _legend("reason"),
        ),
    ),
    looks=(*kinds(*Why), *DASHED_ARM),
)
_LEVELS = Panel(
    "Level alarms",
    "What is violated more often than in earlier weeks. A principle is watched once there are weeks to compare "
    "with. Worry about every ALARM; it stays until somebody acknowledges it: tipstaff's own page, or the API.",
    "none",
    (
        Query(
            highest(metrics.LEVEL_ALARM, by=("model", "arm", "principle")),
            _legend("principle"),
        ),
    ),
    form="states",
    states={"0": ("as usual", SKY), "1": ("ALARM", VERMILLION)},
)
_SCORED = Panel(
    "Scored and read",
    "Answers a second that got a verdict, thin, and those of which something was evaluated, thick: the shares on "
    "this page are of these. With a handful in an interval a share jumps: take a longer time then. Worry when "
    "read is 0 and requests are served.",
    "eps",
    (
        Query(rate(metrics.SCORED, by=WHERE), "{{model}} {{arm}} scored"),
        Query(_READ, "{{model}} {{arm}} read"),
    ),
    looks=(*ARMS, Look(r"\bscored$", width=1), Look(r"\bread$", width=3)),
)
VIOLATIONS = Board(
    "tipstaff-violations",
    "tipstaff: violations",
    "What do answers do against the constitution, on which arm, and is it more than usual?",
    ("model", "arm", "principle"),
    (
        Row("Which principle is violated, on which arm?", (_SHARE, _RANKED)),
        Row("How grave is it, and is it more than usual?", (_SEVERITY, _LEVELS)),
        Row("What do users ask, and what is declined?", (_PROVOCATIONS, _REFUSALS)),
        Row("How much is known?", (_NOT_EVALUATED, _SCORED)),
    ),
)
