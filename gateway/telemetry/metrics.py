"""Every metric that tipstaff has: name, help, labels, buckets. Nothing else names one.

Names are stable. `Meters` gives a process its own children, kept in its counter file; the controller reads
all the files and answers one scrape (`gateway.telemetry.exposition`).
"""

from typing import Literal

import msgspec

from gateway.telemetry.counterfile import Counter, CounterFile, Gauge, Histogram, Kind, Labels

SECONDS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
    300.0,
)
OVERHEAD = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1)


MOST_SERIES = 2_000
MOST_HISTOGRAMS = 500
"""Series of one metric in one process: all that a process counts still fits into its counter file."""
OTHER = "other"
"""Each label's value in the series that counts what would be beyond them."""


class Metric(msgspec.Struct, frozen=True):
    """A metric's definition. Prometheus's `_total` is part of a counter's name.

    `across`: how the gauges of several living processes become one. Counters and histograms are summed, over
    ended processes too.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    across: Literal["sum", "max", "min"] = "sum"


REQUESTS = Metric(
    "tipstaff_requests_total",
    "counter",
    "Requests that ended, by the arm that served them, HTTP status and how they ended.",
    ("model", "arm", "route", "code", "reason"),
)
DURATION = Metric(
    "tipstaff_request_duration_seconds",
    "histogram",
    "From a request's first byte to its answer's last.",
    ("model", "arm", "route"),
    SECONDS,
)
FIRST_BYTE = Metric(
    "tipstaff_time_to_first_byte_seconds",
    "histogram",
    "From a request's first byte to the first byte of the answer's body.",
    ("model", "arm", "route"),
    SECONDS,
)
INTER_CHUNK = Metric(
    "tipstaff_inter_chunk_seconds",
    "histogram",
    "Mean time between the chunks of one streamed answer.",
    ("model", "arm"),
    SECONDS,
)
OVERHEAD_SECONDS = Metric(
    "tipstaff_overhead_seconds",
    "histogram",
    "Time in the gateway before the request was on its way to the arm.",
    ("model",),
    OVERHEAD,
)
IN_FLIGHT = Metric("tipstaff_in_flight", "gauge", "Requests that are being answered now.", ("model", "arm"))
CONNECTIONS = Metric("tipstaff_connections", "gauge", "Open client connections on the data port.")
UPSTREAM_ERRORS = Metric(
    "tipstaff_upstream_errors_total",
    "counter",
    "Failures of an arm's endpoints, by kind.",
    ("model", "arm", "kind"),
)
FAIL_OVERS = Metric(
    "tipstaff_fail_overs_total", "counter", "Requests served by another arm than assigned.", ("model", "arm")
)
REJECTED = Metric(
    "tipstaff_rejected_total",
    "counter",
    "Requests that the gateway itself refused before any arm saw them, by error code.",
    ("code",),
)
PINS_LOST = Metric(
    "tipstaff_pins_lost_total", "counter", "Places of stored responses that another proxy worker was not told."
)
UNITS = Metric("tipstaff_units_total", "counter", "Exchanges by where their unit came from.", ("model", "source"))
STARTED = Metric(
    "tipstaff_events_started_total", "counter", "Events that a process set out to record.", ("stream",)
)
PRODUCED = Metric("tipstaff_events_produced_total", "counter", "Events durably in a log.", ("stream",))
DROPPED = Metric(
    "tipstaff_events_dropped_total", "counter", "Events that were lost, and why.", ("stream", "reason")
)
SCORED = Metric("tipstaff_exchanges_scored_total", "counter", "Exchanges that got a verdict.", ("model", "arm"))
NOT_EVALUATED = Metric(
    "tipstaff_not_evaluated_total",
    "counter",
    "Exchanges of which nothing could be evaluated, and why.",
    ("model", "arm", "reason"),
)
VIOLATIONS = Metric(
    "tipstaff_violations_total",
    "counter",
    "Answers that violated a principle.",
    ("model", "arm", "principle", "severity"),
)
PROVOCATIONS = Metric(
    "tipstaff_provocations_total",
    "counter",
    "Requests that went against a principle, whatever the answer did.",
    ("model", "arm", "principle"),
)
REFUSALS = Metric(
    "tipstaff_refusals_total",
    "counter",
    "Answers that declined, by kind (refusal, over_refusal).",
    ("model", "arm", "kind"),
)
CLASSIFIER_SECONDS = Metric(
    "tipstaff_classifier_seconds",
    "histogram",
    "Time that a scoring stage took for one exchange.",
    ("stage",),
    SECONDS,
)
SCORER_LAG = Metric(
    "tipstaff_scorer_lag_seconds",
    "gauge",
    "Age of the oldest exchange that has no verdict yet; of several scorers the furthest behind.",
    across="max",
)
WEIGHT = Metric(
    "tipstaff_rollout_weight_ratio",
    "gauge",
    "Share of units that an arm is meant to receive.",
    ("model", "arm"),
)
ROLLOUT_STATE = Metric(
    "tipstaff_rollout_state",
    "gauge",
    "1 for what has become of a model's last rollout, 0 for the others.",
    ("model", "arm", "state"),
)
ROLLOUT_DECIDED = Metric(
    "tipstaff_rollout_decision_timestamp_seconds",
    "gauge",
    "When the last decision of each kind was made in a model's last rollout, Unix time.",
    ("model", "arm", "kind", "by"),
)
ROLLOUT_DRILL = Metric(
    "tipstaff_rollout_drill",
    "gauge",
    "1 where a model's last rollout is a drill, 0 where it is real.",
    ("model", "arm"),
)
EVIDENCE = Metric(
    "tipstaff_rollout_evidence_log10",
    "gauge",
    "Evidence of a model's last rollout: decimal logarithm of the e-value.",
    ("model", "arm", "guardrail", "hypothesis"),
)
EVIDENCE_NEEDED = Metric(
    "tipstaff_rollout_evidence_needed_log10",
    "gauge",
    "How much of that evidence the rollout's plan acts on.",
    ("model", "arm", "guardrail", "hypothesis"),
)
ESTIMATE = Metric(
    "tipstaff_rollout_estimate",
    "gauge",
    "A guardrail's mean outcome on an arm of a model's last rollout, with its 95 % confidence sequence.",
    ("model", "arm", "guardrail", "bound"),
)
DIFFERENCE = Metric(
    "tipstaff_rollout_difference",
    "gauge",
    "95 % confidence sequence of a guardrail's difference, the arm on trial minus the one it is to replace.",
    ("model", "arm", "guardrail", "bound"),
)
ROLLOUT_UNITS = Metric(
    "tipstaff_rollout_units",
    "gauge",
    "Units that a model's last rollout has seen on an arm under its present deal.",
    ("model", "arm"),
)
BUDGET_USED = Metric(
    "tipstaff_harm_budget_used_ratio",
    "gauge",
    "Share of a plan's harm budget that a model's last rollout has spent.",
    ("model", "arm"),
)
SAMPLE_RATIO = Metric(
    "tipstaff_sample_ratio_log10",
    "gauge",
    "Evidence that the arms of a model's last rollout get other shares of the units than they should: decimal"
    " logarithm of the e-value; it counts as shown at 3.",
    ("model", "arm"),
)
LEVEL_ALARM = Metric(
    "tipstaff_level_alarm",
    "gauge",
    "1 while a principle is violated more often than in earlier weeks and nobody has acknowledged it, 0 while it is"
    " watched.",
    ("model", "arm", "principle"),
)
GATHER_LAG = Metric(
    "tipstaff_gather_lag_seconds",
    "gauge",
    "How far the verdicts of another gateway are known to be complete, behind now.",
    ("gateway",),
    across="max",
)
GATHER_ERRORS = Metric(
    "tipstaff_gather_errors_total", "counter", "Failures to gather other gateways' events, by kind.", ("kind",)
)
GATHER_IGNORED = Metric(
    "tipstaff_gather_ignored_total",
    "counter",
    "Records that were passed over: of a gateway that is not gathered, or unreadable.",
    ("reason",),
)
LEADS = Metric(
    "tipstaff_leads", "gauge", "1 where this controller decides how units are split, 0 where another one does."
)
TABLE_AGE = Metric(
    "tipstaff_table_age_seconds",
    "gauge",
    "Time since the controller that is followed last said that the routing table here is the one in force.",
)
TABLE_VERSION = Metric(
    "tipstaff_routing_table_version",
    "gauge",
    "Version of the routing table that the proxies act on; of several the furthest behind.",
    across="min",
)
TABLE_IN_FORCE = Metric(
    "tipstaff_routing_table_version_in_force",
    "gauge",
    "Version of the routing table that the controller has put in force.",
)
RESTARTS = Metric(
    "tipstaff_process_restarts_total",
    "counter",
    "Starts of a process after one that ended badly.",
    ("process",),
)
PROXY_SILENT = Metric(
    "tipstaff_proxy_silent_seconds",
    "gauge",
    "Time since a proxy worker last said anything, which it does once a second while it runs and is not wedged.",
    ("process",),
)
PROCESS_UP = Metric(
    "tipstaff_process_up",
    "gauge",
    "1 while a process that ever kept numbers here runs, 0 after its end.",
    ("process",),
)
DELIVERED = Metric(
    "tipstaff_events_delivered_total",
    "counter",
    "Events that a consumer has taken over.",
    ("stream", "consumer"),
)
SPOOLED = Metric(
    "tipstaff_events_spooled",
    "gauge",
    "Events in the log that a consumer has not taken over yet.",
    ("stream", "consumer"),
)
RELAY_LAG = Metric(
    "tipstaff_relay_lag_seconds", "gauge", "Age of the oldest event that is still to be relayed.", across="max"
)
RELAY_ERRORS = Metric(
    "tipstaff_relay_errors_total",
    "counter",
    "Failed attempts to relay events, by kind; each is made again.",
    ("kind",),
)
SIGN_IN_FAILURES = Metric(
    "tipstaff_sign_in_failures_total",
    "counter",
    "Requests to the admin port that were refused for want of a right token, by reason.",
    ("reason",),
)
VERDICT_ERRORS = Metric(
    "tipstaff_verdict_index_errors_total",
    "counter",
    "Failed attempts to take verdicts into the index of exchanges; each is tried again.",
)
FEEDBACK_ERRORS = Metric(
    "tipstaff_feedback_index_errors_total",
    "counter",
    "Failed attempts to take feedback into its index; each is tried again.",
)
NOTIFICATIONS = Metric(
    "tipstaff_notifications_total",
    "counter",
    "Decisions that a receiver of `notify` was to be told of: sent, failed after several tries, or dropped because"
    " too many waited.",
    ("receiver", "result"),
)
SPANS_STARTED = Metric("tipstaff_spans_started_total", "counter", "Spans that were to be exported.")
SPANS_EXPORTED = Metric("tipstaff_spans_exported_total", "counter", "Spans that the collector has taken.")
SPANS_DROPPED = Metric(
    "tipstaff_spans_dropped_total", "counter", "Spans that the collector never got, and why.", ("reason",)
)
SERIES_CAPPED = Metric(
    "tipstaff_series_capped_total",
    "counter",
    "Label values that were counted under `other`, because their metric has as many series as it may.",
    ("metric",),
)
BUILD_INFO = Metric(
    "tipstaff_build_info",
    "gauge",
    "Always 1; its labels say what runs: version, and content hash of constitution, and classifiers.",
    ("version", "constitution", "classifier"),
)

ALL: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))


class Meters:
    """One process's metrics: children by metric and label values, made once and kept by whoever uses them."""

    def __init__(self, file: CounterFile) -> None:
        self.file = file

    def counter(self, metric: Metric, *values: str) -> Counter:
        """The child of a counter for these label values, in the metric's order."""
        return Counter(self.file, metric.name, self._labels(metric, values))

    def gauge(self, metric: Metric, *values: str) -> Gauge:
        """The child of a gauge."""
        return Gauge(self.file, metric.name, self._labels(metric, values))

    def histogram(self, metric: Metric, *values: str) -> Histogram:
        """The child of a histogram."""
        return Histogram(self.file, metric.name, self._labels(metric, values), metric.bounds)

    def _labels(self, metric: Metric, values: tuple[str, ...]) -> Labels:
        """Those labels, or `other` for each of them where the metric has as many series as it may."""
        labels = tuple(zip(metric.labels, values, strict=True))
        if not labels or self.file.has(metric.name, labels):
            return labels
        if self.file.count(metric.name) < (MOST_HISTOGRAMS if metric.kind == "histogram" else MOST_SERIES):
            return labels
        self.counter(SERIES_CAPPED, metric.name).inc()
        return tuple((name, OTHER) for name in metric.labels)
