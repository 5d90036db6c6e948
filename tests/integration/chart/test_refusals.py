"""Values that are wrong or contradict each other are refused before anything is installed, in words that help."""

import pytest

from tests.support.chart import Chart, Object, Refused, example, merged

TOKEN = [{"name": "ada", "role": "operator", "file": "/run/ada"}]
STATE = {"url": "postgresql://db/t"}
KAFKA = {"kafka": {"bootstrap": "kafka:9092"}}
REFUSED: list[tuple[str, Object, str]] = [
    # The schema: a name, a kind, a range.
    ("standalone", {"repicas": 2}, "additional properties 'repicas' not allowed"),
    ("standalone", {"mode": "cluster"}, "'/mode': value must be one of 'standalone', 'sidecar', 'split'"),
    ("standalone", {"replicas": 0}, "'/replicas': minimum: got 0, want 1"),
    ("standalone", {"replicas": "2"}, "'/replicas': got string, want integer"),
    ("standalone", {"drainSeconds": 0}, "'/drainSeconds': minimum: got 0, want 1"),
    ("standalone", {"image": {"digest": "sha256:1"}}, "'/image/digest': 'sha256:1' does not match pattern"),
    ("standalone", {"persistence": {"size": "20 GB"}}, "'/persistence/size': '20 GB' does not match pattern"),
    ("standalone", {"secrets": ["Tokens"]}, "'/secrets/0': 'Tokens' does not match pattern"),
    ("standalone", {"httpRoute": {"enabled": True}}, "'/httpRoute/parentRefs': minItems: got 0, want 1"),
    ("standalone", {"onConfigChange": "ignore"}, "'/onConfigChange': value must be one of"),
    # What belongs to the chart.
    ("standalone", {"config": {"models": None}}, "config.models is missing"),
    ("standalone", {"config": {"listen": "0.0.0.0:80"}}, "config.listen is the chart's: set service.port instead"),
    ("standalone", {"config": {"data": "/d"}}, "config.data is the chart's: set persistence instead"),
    ("standalone", {"config": {"deadlines": {"drain": 9}}}, "set drainSeconds instead"),
    ("standalone", {"config": {"events": {"source": "me"}}}, "it is the pod's name"),
    ("standalone", {"config": {"models": {"assistant": {"arms": {"stable": {}}}}}}, "a map has no order in Helm"),
    (
        "standalone",
        {"config": {"unit_key_file": "/etc/tipstaff/secrets/key/k"}},
        'Secret "key", which is not mounted',
    ),
    # What contradicts itself.
    ("standalone", {"replicas": 2}, "config.unit_key_file is missing"),
    ("standalone", {"replicas": 2, "config": {"unit_key_file": "/k"}}, "replicas: 2: the embedded store is one"),
    ("standalone", {"replicas": 2, "config": {"unit_key_file": "/k", "state": STATE}}, "set config.events.kafka"),
    ("standalone", {"admin": {"public": True}}, "whoever reaches the admin port would be an operator"),
    ("standalone", {"serviceMonitor": {"enabled": True}}, "cannot reach an admin port on 127.0.0.1"),
    (
        "standalone",
        {"admin": {"public": True}, "config": {"admin_tokens": TOKEN}, "serviceMonitor": {"enabled": True}},
        "serviceMonitor.token is missing",
    ),
    ("sidecar", {"sidecar": {"arm": ""}}, "set sidecar.model, sidecar.arm and sidecar.engine.image"),
    ("sidecar", {"sidecar": {"arm": "blue"}}, '"blue" is not among the arms of "assistant"'),
    ("sidecar", {"sidecar": {"model": "other"}}, '"other" is not in config.models'),
    ("sidecar", {"sidecar": {"arm": "stable"}}, "leave its endpoints out"),
    ("sidecar", {"config": {"control": None}}, "set config.control"),
    ("split", {"config": {"events": {"kafka": None}}}, "proxies, scorers and control meet in Kafka"),
    ("split", {"admin": {"public": False}}, "set admin.public: true"),
    ("split", {"split": {"tokenFile": ""}}, "split.tokenFile is missing"),
    ("split", {"config": {"admin_tokens": TOKEN}}, "has none of the role proxy"),
    ("split", {"config": {"state": None}}, "split.control.replicas: 2: more than one that can decide"),
    (
        "split",
        {"split": {"scorer": {"autoscaling": {"minReplicas": 9}}}},
        "minReplicas 9 is more than maxReplicas 6",
    ),
    (
        "split",
        {"split": {"scorer": {"resources": {"requests": {"cpu": None}}}}},
        "split.scorer.resources.requests.cpu",
    ),
    ("split", {"config": {"control": {"url": "http://a"}}}, "config.control is the chart's in split mode"),
    ("standalone", {"sources": {"gate-0": "b"}}, '"gate-0" is no pod of this release: test-tipstaff-0'),
    ("standalone", {"podDisruptionBudget": {"maxUnavailable": "0%"}}, "'/podDisruptionBudget/maxUnavailable'"),
]


@pytest.mark.parametrize(("name", "wrong", "words"), REFUSED)
def test_it_is_refused(chart: Chart, name: str, wrong: Object, words: str) -> None:
    with pytest.raises(Refused) as refused:
        chart.render(merged(example(name), wrong))
    assert words in str(refused.value)
