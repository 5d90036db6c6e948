"""The dashboard of the gateway: what it serves, how fast, what fails, and which table it acts on."""

from dashboards.grafana.palette import ARMS, DASHED_ARM, QUANTILES, kinds
from dashboards.grafana.panel import Board, Panel, Row
from dashboards.grafana.query import Query, highest, lowest, quantiles, rate, share, total
from gateway.core.exchange import Reason
from gateway.telemetry import metrics
from gateway.telemetry.metrics import Metric

WHERE = ("model", "arm")
SERVED = 'arm!=""'
"""What the gateway refuses by itself has no arm; it is counted in a panel of its own."""


def _times(metric: Metric, *of: float) -> tuple[Query, ...]:
    return quantiles(metric, SERVED, by=WHERE, of=of)


_REQUESTS = Panel(
    "Requests",
    "Requests a second that each arm has ended. Worry when it falls to 0, or when the arms' shares are not "
    "those of the weights.",
    "reqps",
    (Query(rate(metrics.REQUESTS, SERVED, by=WHERE), "{{model}} {{arm}}"),),
    looks=ARMS,
)
_FAILED = Panel(
    "Requests that ended badly",
    "The share of each arm's requests that did not end whole, by reason, and of those that ended whole with a "
    "status of 5xx. upstream_... is the arm's fault, client_... the client's. Worry above 1 %, or when one arm "
    "differs.",
    "percentunit",
    (
        Query(
            share(
                rate(metrics.REQUESTS, SERVED, 'reason!="complete"', by=(*WHERE, "reason")),
                rate(metrics.REQUESTS, SERVED, by=WHERE),
                WHERE,
            ),
            "{{reason}} {{model}} {{arm}}",
        ),
        Query(
            share(
                rate(metrics.REQUESTS, SERVED, 'reason="complete"', 'code=~"5.."', by=(*WHERE, "code")),
                rate(metrics.REQUESTS, SERVED, by=WHERE),
                WHERE,
            ),
            "status {{code}} {{model}} {{arm}}",
        ),
    ),
    looks=(*kinds("status", *(reason for reason in Reason if reason != Reason.COMPLETE)), *DASHED_ARM),
)
_FIRST_BYTE = Panel(
    "Time to first byte",
    "From a request's first byte to the first of its answer: the time to first token of a streamed one. Worry "
    "when p95 doubles, or on one arm only.",
    "s",
    _times(metrics.FIRST_BYTE, 0.5, 0.95, 0.99),
    looks=(*ARMS, *QUANTILES),
)
_DURATION = Panel(
    "Duration",
    "From a request's first byte to its answer's last. Longer answers take longer: compare the arms rather than"
    " the hours. Worry when one arm leaves the other.",
    "s",
    _times(metrics.DURATION, 0.5, 0.95, 0.99),
    looks=(*ARMS, *QUANTILES),
)
_INTER_CHUNK = Panel(
    "Between chunks",
    "Mean time between the chunks of one streamed answer: how fluently it is read. Worry when p95 passes what "
    "people read, about 0.1 s.",
    "s",
    _times(metrics.INTER_CHUNK, 0.5, 0.95),
    looks=(*ARMS, *QUANTILES),
)
_OVERHEAD = Panel(
    "Overhead",
    "Time that a request spent in the gateway itself before it was on its way to the arm. Worry when p99 passes"
    " 10 ms: a proxy has too much to do; start more workers.",
    "s",
    quantiles(metrics.OVERHEAD_SECONDS, by=("model",), of=(0.5, 0.99)),
    looks=QUANTILES,
)
_OPEN = Panel(
    "Open now",
    "Requests that are being answered, by arm, and open client connections. Worry when requests pile up on one "
    "arm while its requests a second fall: its servers are full.",
    "short",
    (
        Query(total(metrics.IN_FLIGHT, SERVED, by=WHERE), "{{model}} {{arm}}"),
        Query(total(metrics.CONNECTIONS), "connections"),
    ),
    looks=(*ARMS, *kinds("connections")),
)
_UPSTREAM = Panel(
    "Failures of endpoints",
    "Failures of an arm's endpoints, by kind, and requests that another arm served because theirs could not. "
    "Worry when it lasts: an endpoint that fails is left out for a while, so one bad server shows as a few "
    "failures now and then.",
    "reqps",
    (
        Query(rate(metrics.UPSTREAM_ERRORS, by=(*WHERE, "kind")), "{{kind}} {{model}} {{arm}}"),
        Query(rate(metrics.FAIL_OVERS, by=WHERE), "failed over from {{model}} {{arm}}"),
    ),
    looks=(
        *kinds("refused", "reset", "timeout", "connect_timeout", "malformed", "unavailable", "failed over"),
        *DASHED_ARM,
    ),
)
_REJECTED = Panel(
    "Rejected",
    "Requests that the gateway itself refused before any arm saw them, by error code. Worry when a code appears"
    " that was not there yesterday: a client is broken, a key has ended, or a limit is too low.",
    "reqps",
    (Query(rate(metrics.REJECTED, by=("code",)), "{{code}}"),),
)
_TABLE = Panel(
    "Routing table",
    "The version that the controller has put in force and the one that the proxy furthest behind acts on. Worry"
    " when they differ for more than a second: some users are still on the arm that a decision took them from.",
    "none",
    (
        Query(highest(metrics.TABLE_IN_FORCE), "in force"),
        Query(lowest(metrics.TABLE_VERSION), "proxies"),
    ),
    looks=kinds("in force", "proxies"),
)
GATEWAY = Board(
    "tipstaff-gateway",
    "tipstaff: gateway",
    "Are requests served, how fast, and what fails?",
    ("model", "arm"),
    (
        Row("Are requests served?", (_REQUESTS, _FAILED)),
        Row("What fails or is refused?", (_UPSTREAM, _REJECTED)),
        Row("How long does it take?", (_FIRST_BYTE, _DURATION, _INTER_CHUNK, _OVERHEAD)),
        Row("Is it full, and does it act on the newest decision?", (_OPEN, _TABLE)),
    ),
)
