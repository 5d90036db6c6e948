"""Every panel of every dashboard, and what each of its queries must show. The test fails without one."""

from gateway.telemetry.metrics import OVERHEAD
from tests.support.grafana import counts, standing
from tests.support.grafana.expected import Ask, gauge, grown, never, nothing, per_second, quantile, share

Panel = tuple[str, str]

EXPECTED: dict[str, dict[str, tuple[Ask, ...]]] = {
    "tipstaff-rollout": {
        "State": (gauge(standing.state), never),
        "Last decision": (gauge(standing.decided),),
        "Weights": (gauge(standing.weights),),
        "Evidence that it is worse": (gauge(standing.worse), gauge(standing.worse_needed)),
        "Evidence that it is no worse": (gauge(standing.no_worse), gauge(standing.no_worse_needed)),
        "Which guardrail says so": (gauge(standing.by_guardrail),),
        "Rates of each arm": (gauge(standing.estimates),),
        "Difference": (gauge(standing.differences),),
        "Units": (gauge(standing.units),),
        "Harm budget used": (gauge(standing.budget), gauge(standing.one)),
        "Sample ratio": (gauge(standing.sample_ratio), gauge(standing.three)),
    },
    "tipstaff-violations": {
        "Violations by principle and arm": (share(counts.violations, counts.read),),
        "Violations in the time that is shown": (share(counts.violations, counts.read),),
        "Violations by severity": (share(counts.severities, counts.read),),
        "Provocations": (share(counts.provocations, counts.read),),
        "Refusals": (share(counts.refusals, counts.read),),
        "Not evaluated": (share(counts.not_evaluated, counts.scored),),
        "Scored and read": (per_second(counts.scored), per_second(counts.read)),
    },
    "tipstaff-gateway": {
        "Requests": (per_second(counts.requests),),
        "Requests that ended badly": (
            share(counts.ended_badly, counts.requests),
            share(counts.ended_with_5xx, counts.requests),
        ),
        "Failures of endpoints": (per_second(counts.endpoint_failures), per_second(counts.failed_over)),
        "Rejected": (per_second(counts.rejected),),
        "Time to first byte": tuple(quantile(each, counts.first_bytes) for each in (0.5, 0.95, 0.99)),
        "Duration": tuple(quantile(each, counts.durations) for each in (0.5, 0.95, 0.99)),
        "Between chunks": tuple(quantile(each, counts.between_chunks) for each in (0.5, 0.95)),
        "Overhead": tuple(quantile(each, counts.until_upstream, OVERHEAD, at_most=True) for each in (0.5, 0.99)),
        "Open now": (gauge(standing.in_flight), gauge(standing.connections)),
        "Routing table": (gauge(standing.table_version), gauge(standing.table_version)),
    },
    "tipstaff-pipeline": {
        "Scorer lag": (nothing,),
        "Events lost": (nothing,),
        "Events waiting": (gauge(standing.waiting),),
        "Processes": (gauge(standing.alive),),
        "Restarts": (grown(counts.restarts),),
        "Scored": (per_second(counts.all_scored),),
        "Classifier time": tuple(quantile(each, counts.stage_times) for each in (0.5, 0.95)),
        "Events recorded and delivered": (per_second(counts.recorded), per_second(counts.delivered)),
        "Notifications": (per_second(counts.told),),
        "Spans": (per_second(counts.spans), per_second(counts.spans_refused)),
        "Refused sign-ins": (per_second(counts.refused_sign_ins),),
        "What runs": (gauge(standing.build),),
    },
}
CHOICES: dict[str, Ask] = {
    "model": gauge(standing.models),
    "arm": gauge(standing.arms),
    "principle": gauge(standing.principles),
}
"""What can be chosen above a dashboard, by variable: the label's values, each 1."""
BUSY: frozenset[Panel] = frozenset({("tipstaff-gateway", "Open now"), ("tipstaff-pipeline", "Events waiting")})
"""Looked at while something is open and waits; all the others once it is quiet."""
ELSEWHERE: dict[Panel, str] = {
    ("tipstaff-pipeline", "Relay to Kafka"): "nothing is relayed without Kafka: test_grafana_elsewhere.py has one",
    ("tipstaff-violations", "Level alarms"): "there is none before there are weeks to compare with: see there too",
}
