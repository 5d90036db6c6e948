"""The dashboard of the pipeline behind the gateway: recording, scoring, delivery, and the processes that do it."""

from dashboards.grafana.palette import QUANTILES, SKY, VERMILLION, kinds
from dashboards.grafana.panel import Board, Panel, Row
from dashboards.grafana.query import RATE, Query, growth, highest, quantiles, rate, total
from gateway.events.schema import STREAMS
from gateway.telemetry import metrics

_LAG = Panel(
    "Scorer lag",
    "Age of the oldest exchange that has no verdict yet. Worry when it keeps growing: rollouts decide on "
    "verdicts, so they wait with it, and a bad arm stays that much longer.",
    "s",
    (Query(highest(metrics.SCORER_LAG), "scorer"),),
    width=8,
)
_DROPPED = Panel(
    "Events lost",
    "Events that were dropped, by stream and reason. It should be 0 at all times: worry at once. disk_full and "
    "queue_full mean that exchanges happened of which nothing is known.",
    "eps",
    (Query(rate(metrics.DROPPED, by=("stream", "reason")), "{{stream}} {{reason}}"),),
    looks=kinds(*STREAMS, "texts"),
    width=8,
)
_SPOOLED = Panel(
    "Events waiting",
    "Events in the log that a consumer has not taken over yet. Worry when it keeps growing: that consumer is "
    "dead or too slow, and the log cannot be purged.",
    "short",
    (Query(total(metrics.SPOOLED, by=("stream", "consumer")), "{{stream}} for {{consumer}}"),),
    looks=kinds(*STREAMS),
    width=8,
)
_SCORED = Panel(
    "Scored",
    "Exchanges that got a verdict, a second. Worry when it is less than the requests for long: see the lag.",
    "eps",
    (Query(rate(metrics.SCORED), "scored"),),
    looks=kinds("scored"),
    width=8,
)
_CLASSIFIERS = Panel(
    "Classifier time",
    "Time that each stage took for one exchange. Worry when p95 grows while the answers are no longer than before.",
    "s",
    quantiles(metrics.CLASSIFIER_SECONDS, by=("stage",), of=(0.5, 0.95)),
    looks=(*kinds("rules", "encoder"), *QUANTILES),
    width=8,
)
_EVENTS = Panel(
    "Events recorded and delivered",
    "Events that are durably in a log, by stream, and those that a consumer has taken over. Worry when a stream"
    " is recorded and not delivered.",
    "eps",
    (
        Query(rate(metrics.PRODUCED, by=("stream",)), "{{stream}} recorded"),
        Query(rate(metrics.DELIVERED, by=("stream", "consumer")), "{{stream}} to {{consumer}}"),
    ),
    looks=kinds(*STREAMS, "texts"),
    width=8,
)
_UP = Panel(
    "Processes",
    "Which processes live. Worry about one that is down for longer than a restart takes: traffic goes on "
    "without a scorer or a controller, rollouts do not.",
    "none",
    (Query(highest(metrics.PROCESS_UP, by=("process",)), "{{process}}"),),
    form="states",
    states={"0": ("DOWN", VERMILLION), "1": ("up", SKY)},
)
_RESTARTS = Panel(
    "Restarts",
    "Starts of a process after one that ended badly. Worry about more than one: its log says what killed it.",
    "short",
    (Query(growth(metrics.RESTARTS, by=("process",), window=RATE), "{{process}}"),),
)
_TOLD = Panel(
    "Notifications",
    "What the receivers of `notify` were sent, by its place in the configuration and how it ended. Worry about "
    "failed and dropped: people are not told of decisions.",
    "eps",
    (Query(rate(metrics.NOTIFICATIONS, by=("receiver", "result")), "{{result}} to {{receiver}}"),),
    looks=kinds("sent", "failed", "dropped"),
    width=8,
)
_RELAY = Panel(
    "Relay to Kafka",
    "Age of the oldest event that is still to be relayed, and failed attempts by kind, a second. Nothing "
    "without Kafka. Worry when the lag grows: other gateways decide on what they have.",
    "s",
    (
        Query(highest(metrics.RELAY_LAG), "lag"),
        Query(rate(metrics.RELAY_ERRORS, by=("kind",)), "errors/s {{kind}}"),
    ),
    looks=kinds("lag", "errors"),
    width=8,
)
_SPANS = Panel(
    "Spans",
    "Spans that the collector has taken, and those that it never got, by reason. Nothing without a collector. "
    "Worry about dropped ones only when somebody needs the traces.",
    "eps",
    (
        Query(rate(metrics.SPANS_EXPORTED), "exported"),
        Query(rate(metrics.SPANS_DROPPED, by=("reason",)), "dropped {{reason}}"),
    ),
    looks=kinds("exported", "dropped"),
    width=8,
)
_SIGN_IN = Panel(
    "Refused sign-ins",
    "Requests to the admin port that were refused for want of a right token, by reason. Worry about a rise that"
    " no deployment explains: somebody tries.",
    "reqps",
    (Query(rate(metrics.SIGN_IN_FAILURES, by=("reason",)), "{{reason}}"),),
)
_BUILD = Panel(
    "What runs",
    "Version, content hash of the constitution, and classifiers. Worry when two gateways differ: they judge by "
    "other rules.",
    "none",
    (
        Query(
            highest(metrics.BUILD_INFO, by=("version", "constitution", "classifier")),
            "{{version}} {{constitution}}",
            instant=True,
        ),
    ),
    form="table",
)
PIPELINE = Board(
    "tipstaff-pipeline",
    "tipstaff: pipeline",
    "Is everything recorded, scored and delivered, and do all processes live?",
    ("model", "arm"),
    (
        Row("Is anything lost or behind?", (_LAG, _DROPPED, _SPOOLED)),
        Row("Do all processes live?", (_UP, _RESTARTS)),
        Row("How much comes through?", (_SCORED, _CLASSIFIERS, _EVENTS)),
        Row("Are others told?", (_TOLD, _RELAY, _SPANS)),
        Row("Who was refused, and what runs?", (_SIGN_IN, _BUILD)),
    ),
)
