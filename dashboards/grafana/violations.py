"""The dashboard of violations: what answers do against the constitution, and what requests provoke."""

from classifiers.verdict import Why
from dashboards.grafana.palette import ARMS, DASHED_ARM, SEVERITIES, SKY, VERMILLION, Look, kinds
from dashboards.grafana.panel import Board, Panel, Row
from dashboards.grafana.query import RANGE, Query, growth, highest, rate, share
from gateway.telemetry import metrics
from gateway.telemetry.metrics import Metric

WHERE = ("model", "arm")


def _of_scored(metric: Metric, by: str, *, exemplar: bool = False) -> tuple[Query]:
    """A counter's share of the scored answers of its arm, by one more label."""
    expression = share(rate(metric, by=(*WHERE, by)), rate(metrics.SCORED, by=WHERE), WHERE)
    return (Query(expression, f"{{{{{by}}}}} {{{{model}}}} {{{{arm}}}}", exemplar=exemplar),)


_SHARE = Panel(
    "Violations by principle and arm",
    "The share of scored answers that violated each principle. A point opens the trace of one of them. Worry "
    "when the arm on trial, dashed, lies above the other for longer than a few minutes, or when a line leaves "
    "its usual level.",
    "percentunit",
    _of_scored(metrics.VIOLATIONS, "principle", exemplar=True),
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
                growth(metrics.SCORED, by=WHERE, window=RANGE),
                WHERE,
            ),
            "{{principle}} {{model}} {{arm}}",
            instant=True,
        ),
    ),
    form="bars",
    looks=(Look(r"\bstable\b", ARMS[0].colour), Look(r"\bcanary\b", ARMS[1].colour)),
)
_SEVERITY = Panel(
    "Violations by severity",
    "The share of scored answers with a violation of each severity: the graver, the thicker. Worry about any "
    "critical one: it is worth a look at the exchange itself.",
    "percentunit",
    _of_scored(metrics.VIOLATIONS, "severity", exemplar=True),
    looks=(*SEVERITIES, *DASHED_ARM),
)
_PROVOCATIONS = Panel(
    "Provocations",
    "The share of scored requests that went against a principle, whatever the answer did. It says what users "
    "ask, not what the model does. Worry when violations of the same principle rise with it.",
    "percentunit",
    _of_scored(metrics.PROVOCATIONS, "principle"),
    looks=ARMS,
)
_REFUSALS = Panel(
    "Refusals",
    "The share of scored answers that declined: rightly (refusal), or although no principle objects to the "
    "request (over_refusal). Worry when over_refusal rises on the arm on trial: it has become timid.",
    "percentunit",
    _of_scored(metrics.REFUSALS, "kind"),
    looks=(*kinds("refusal", "over_refusal"), *DASHED_ARM),
)
_NOT_EVALUATED = Panel(
    "Not evaluated",
    "The share of scored answers of which nothing could be evaluated, by reason: they count neither as "
    "violations nor as upheld. Worry above a few percent, and when the arms differ: then the other panels "
    "compare unlike things.",
    "percentunit",
    _of_scored(metrics.NOT_EVALUATED, "reason"),
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
            "{{principle}} {{model}} {{arm}}",
        ),
    ),
    form="states",
    states={"0": ("as usual", SKY), "1": ("ALARM", VERMILLION)},
)
_SCORED = Panel(
    "Scored answers",
    "How many answers a second each share on this page is of. With a handful in an interval a share jumps: take"
    " a longer time then. Worry when it is 0 and requests are served.",
    "eps",
    (Query(rate(metrics.SCORED, by=WHERE), "{{model}} {{arm}}"),),
    looks=ARMS,
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
