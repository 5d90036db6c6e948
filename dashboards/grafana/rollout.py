"""The dashboard of rollouts: where each stands, what speaks for and against the arm on trial, what limits the harm.

In these metrics `arm` is the arm on trial, but for weights, estimates and units.
"""

from dashboards.grafana.palette import ARMS, BOUNDS, DASHED_ALARM, GUARDRAILS, LIMITS, STATES, kinds
from dashboards.grafana.panel import Board, Panel, Row
from dashboards.grafana.query import Query, highest
from gateway.telemetry import metrics

TRIAL = ("arm",)
"""The variable chooses among arms that serve, not among rollouts."""

_STATE = Panel(
    "State",
    "What has become of each model's last rollout: the row that is drawn now. Worry about rolled_back and "
    "suspended: the arm on trial was taken away because it is worse, or may be. frozen waits for a person. A row "
    "drill: what all panels here show of that rollout is an exercise.",
    "none",
    (
        Query(
            f"{highest(metrics.ROLLOUT_STATE, by=('model', 'arm', 'state'), free=TRIAL)} == 1",
            "{{model}} {{arm}}: {{state}}",
        ),
        Query(
            f"{highest(metrics.ROLLOUT_DRILL, by=('model', 'arm'), free=TRIAL)} == 1",
            "{{model}} {{arm}}: drill",
        ),
    ),
    form="states",
    looks=STATES,
    states={"1": ("now", "")},
)
_DECIDED = Panel(
    "Last decision",
    "What was decided last in each rollout, and how long ago; when a rollout begins to wait for something else, "
    "that is a decision too. Worry about a roll_back, suspend, freeze or stop that you did not expect, and "
    "about a wait that is days old.",
    "dateTimeFromNow",
    (
        Query(
            f"1000 * {highest(metrics.ROLLOUT_DECIDED, by=('model', 'arm', 'kind'), free=TRIAL)}",
            "{{model}} {{arm}}: {{kind}}",
            instant=True,
        ),
    ),
    form="numbers",
)
_WEIGHTS = Panel(
    "Weights",
    "The share of units that each arm is meant to receive. Worry when it moved and no decision says why, or "
    "when the arm on trial is back at 0 %.",
    "percentunit",
    (Query(highest(metrics.WEIGHT, by=("model", "arm")), "{{model}} {{arm}}"),),
    looks=ARMS,
    most=1,
)
_WORSE = Panel(
    "Evidence that it is worse",
    "Decimal logarithm of the mean e-values, of the confirming test (worse) and of the fast alarm, beside what "
    "each needs. Worry when a line comes near the one that is needed: at alarm the rollout is frozen or "
    "suspended, at worse it is rolled back, as its plan says.",
    "none",
    (
        Query(
            highest(
                metrics.EVIDENCE,
                'guardrail="all"',
                'hypothesis=~"worse|alarm"',
                by=("model", "arm", "hypothesis"),
                free=TRIAL,
            ),
            "{{hypothesis}} {{model}} {{arm}}",
        ),
        Query(
            highest(
                metrics.EVIDENCE_NEEDED,
                'guardrail="all"',
                'hypothesis=~"worse|alarm"',
                by=("model", "arm", "hypothesis"),
                free=TRIAL,
            ),
            "{{hypothesis}} {{model}} {{arm}} needed",
        ),
    ),
    looks=(*kinds("worse", "alarm"), *LIMITS),
)
_NO_WORSE = Panel(
    "Evidence that it is no worse",
    "For each guardrail that promotes, the decimal logarithm of the e-value beside what is needed. Nobody is "
    "promoted before every line has passed the one that is needed. Worry about a line that sinks: it speaks for "
    "worse.",
    "none",
    tuple(
        Query(
            highest(metric, 'hypothesis="no_worse"', by=("model", "arm", "guardrail"), free=TRIAL),
            f"{{{{guardrail}}}} {{{{model}}}} {{{{arm}}}}{end}",
        )
        for metric, end in ((metrics.EVIDENCE, ""), (metrics.EVIDENCE_NEEDED, " needed"))
    ),
    looks=(*GUARDRAILS, *LIMITS),
)
_BY_GUARDRAIL = Panel(
    "Which guardrail says so",
    "Evidence for worse, guardrail by guardrail: of the confirming test solid, of the fast alarm dashed. Worry "
    "about the one that rises: it says where to look when the mean rises.",
    "none",
    (
        Query(
            highest(
                metrics.EVIDENCE,
                'guardrail!="all"',
                'hypothesis=~"worse|alarm"',
                by=("model", "arm", "guardrail", "hypothesis"),
                free=TRIAL,
            ),
            "{{guardrail}} {{hypothesis}} {{model}} {{arm}}",
        ),
    ),
    looks=(*GUARDRAILS, *DASHED_ALARM),
)
_ESTIMATES = Panel(
    "Rates of each arm",
    "Each guardrail's mean outcome on both arms of the last rollout, thick, between the bounds of its 95 % "
    "confidence sequence, thin. Worry when the arm on trial lies above the other with all three of its lines.",
    "percentunit",
    (
        Query(
            highest(metrics.ESTIMATE, by=("model", "arm", "guardrail", "bound")),
            "{{guardrail}} {{model}} {{arm}} {{bound}}",
        ),
    ),
    looks=(*ARMS, *BOUNDS),
)
_DIFFERENCE = Panel(
    "Difference",
    "The arm on trial minus the one that it is to replace: bounds of the 95 % confidence sequence. Above 0 is "
    "worse. Worry when the lower bound is above 0.",
    "percentunit",
    (
        Query(
            highest(metrics.DIFFERENCE, by=("model", "arm", "guardrail", "bound"), free=TRIAL),
            "{{guardrail}} {{model}} {{arm}} {{bound}}",
        ),
    ),
    looks=GUARDRAILS,
)
_UNITS = Panel(
    "Units",
    "How many users (or conversations, or requests) each arm has been dealt in the last rollout. Worry when "
    "neither grows: then there is no evidence either, and the rollout cannot end.",
    "short",
    (Query(highest(metrics.ROLLOUT_UNITS, by=("model", "arm")), "{{model}} {{arm}}"),),
    looks=ARMS,
    width=8,
)
_BUDGET = Panel(
    "Harm budget used",
    "The share of the harm that the plan allows this rollout which it has done. Worry near 100 %: there it is "
    "stopped, whatever the evidence says. Nothing where the plan has no budget.",
    "percentunit",
    (
        Query(highest(metrics.BUDGET_USED, by=("model", "arm"), free=TRIAL), "{{model}} {{arm}}"),
        Query("vector(1)", "used up"),
    ),
    looks=(*ARMS, *LIMITS),
    width=8,
)
_RATIO = Panel(
    "Sample ratio",
    "Evidence that the arms get other shares of the units than the weights say: decimal logarithm of the "
    "e-value. Worry from 3 on: the deal is not fair, nothing advances, and no other number here can be trusted.",
    "none",
    (
        Query(highest(metrics.SAMPLE_RATIO, by=("model", "arm"), free=TRIAL), "{{model}} {{arm}}"),
        Query("vector(3)", "counts as shown"),
    ),
    looks=(*ARMS, *LIMITS),
    width=8,
)
ROLLOUT = Board(
    "tipstaff-rollout",
    "tipstaff: rollouts",
    "Where does each rollout stand, and what speaks for and against the arm on trial?",
    ("model", "arm"),
    (
        Row("Where does it stand?", (_STATE, _DECIDED)),
        Row("Is it worse?", (_WORSE, _WEIGHTS)),
        Row("Is it shown to be no worse?", (_NO_WORSE, _BY_GUARDRAIL)),
        Row("How do both arms do?", (_ESTIMATES, _DIFFERENCE)),
        Row("Can the numbers be trusted, and what has it cost?", (_UNITS, _BUDGET, _RATIO)),
    ),
)
