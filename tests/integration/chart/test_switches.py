"""Each switch of the values does what it says, and leaves alone what it does not name."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.chart import CHART, EXAMPLES, Chart, Object, Refused, Rendered, example, merged

SELECTOR = {"namespaceSelector": {"matchLabels": {"team": "web"}}}
POD: list[tuple[str, Object, str, Any]] = [
    ("nodeSelector", {"nodeSelector": {"pool": "cpu"}}, "nodeSelector", {"pool": "cpu"}),
    ("tolerations", {"tolerations": [{"operator": "Exists"}]}, "tolerations", [{"operator": "Exists"}]),
    ("affinity", {"affinity": {"podAffinity": {}}}, "affinity", {"podAffinity": {}}),
    ("priorityClassName", {"priorityClassName": "high"}, "priorityClassName", "high"),
    ("pullSecrets", {"image": {"pullSecrets": ["pull"]}}, "imagePullSecrets", [{"name": "pull"}]),
    ("topologySpread", {"topologySpread": False}, "topologySpreadConstraints", None),
    ("serviceAccount", {"serviceAccount": {"create": False}}, "serviceAccountName", "default"),
    ("another account", {"serviceAccount": {"name": "gate"}}, "serviceAccountName", "gate"),
    (
        "a user that the cluster deals out",
        {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}},
        "securityContext",
        {
            "runAsNonRoot": True,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    ),
    ("no token", {}, "automountServiceAccountToken", False),
    ("no links", {}, "enableServiceLinks", False),
]
CONTAINER: list[tuple[str, Object, str, Any]] = [
    ("tag", {"image": {"tag": "1.2"}}, "image", "tipstaff:1.2"),
    ("digest", {"image": {"tag": "1.2", "digest": f"sha256:{'a' * 64}"}}, "image", f"tipstaff@sha256:{'a' * 64}"),
    ("default image", {}, "image", "tipstaff:0.1.0"),
    ("pullPolicy", {"image": {"pullPolicy": "Always"}}, "imagePullPolicy", "Always"),
    ("envFrom", {"envFrom": [{"configMapRef": {"name": "e"}}]}, "envFrom", [{"configMapRef": {"name": "e"}}]),
    ("resources", {"resources": {"limits": {"memory": "9Gi"}}}, "resources.limits", {"memory": "9Gi"}),
    ("startup", {"probes": {"startup": {"failureThreshold": 7}}}, "startupProbe.failureThreshold", 7),
    ("liveness", {"probes": {"liveness": {"periodSeconds": 7}}}, "livenessProbe.periodSeconds", 7),
    ("readiness", {"probes": {"readiness": {"timeoutSeconds": 7}}}, "readinessProbe.timeoutSeconds", 7),
    ("tls", {"config": {"tls": {"cert": "/c", "key": "/k"}}}, "readinessProbe.httpGet.scheme", "HTTPS"),
    ("securityContext", {"securityContext": {"runAsUser": 7}}, "securityContext.runAsUser", 7),
    ("preStopSeconds", {"preStopSeconds": 7}, "lifecycle.preStop.sleep.seconds", 7),
]


def rendered(chart: Chart, more: Object, name: str = "standalone") -> Rendered:
    return chart.render(merged(example(name), more))


def pod(found: Rendered, workload: str = "test-tipstaff") -> Object:
    spec: Object = found.one("StatefulSet", workload)["spec"]["template"]["spec"]
    return spec


def at(node: Any, path: str) -> Any:  # noqa: ANN401 - whatever stands there
    for key in path.split("."):
        node = node.get(key) if node else None
    return node


@pytest.mark.parametrize(("_", "values", "key", "expected"), POD)
def test_of_a_pod(chart: Chart, _: str, values: Object, key: str, expected: object) -> None:
    assert pod(rendered(chart, values)).get(key) == expected


@pytest.mark.parametrize(("_", "values", "path", "expected"), CONTAINER)
def test_of_its_container(chart: Chart, _: str, values: Object, path: str, expected: object) -> None:
    assert at(pod(rendered(chart, values))["containers"][0], path) == expected


def test_variables_volumes_labels_and_annotations_of_ones_own(chart: Chart) -> None:
    mount = {"name": "model", "mountPath": "/model"}
    found = rendered(
        chart,
        {
            "env": [{"name": "TIPSTAFF__PROXY__WORKERS", "value": "2"}],
            "extraVolumes": [{"name": "model", "emptyDir": {}}],
            "extraVolumeMounts": [mount],
            "podLabels": {"team": "web"},
            "podAnnotations": {"note": "a"},
        },
    )
    container = pod(found)["containers"][0]
    assert container["env"][-1] == {"name": "TIPSTAFF__PROXY__WORKERS", "value": "2"}
    assert mount in container["volumeMounts"]
    assert {"name": "model", "emptyDir": {}} in pod(found)["volumes"]
    metadata = found.one("StatefulSet")["spec"]["template"]["metadata"]
    assert (metadata["labels"]["team"], metadata["annotations"]["note"]) == ("web", "a")


def test_secrets_are_mounted_and_never_made(chart: Chart) -> None:
    found = rendered(chart, {"secrets": ["tipstaff.keys"]})
    assert not found.of("Secret")
    mount = pod(found)["containers"][0]["volumeMounts"][-1]
    assert mount == {
        "name": "secret-0",  # a Secret's own name may be too long for a volume's
        "mountPath": "/etc/tipstaff/secrets/tipstaff.keys",
        "readOnly": True,
    }
    volume = {"name": mount["name"], "secret": {"secretName": "tipstaff.keys", "defaultMode": 0o440}}
    assert volume in pod(found)["volumes"]


def test_a_claim_for_each_gateway_that_stays(chart: Chart) -> None:
    found = rendered(
        chart, {"persistence": {"size": "5Gi", "storageClass": "fast", "annotations": {"backup": "daily"}}}
    )
    spec = found.one("StatefulSet")["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["metadata"]["annotations"] == {"backup": "daily"}
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "5Gi"}},
    }


def test_a_constitution_is_a_file_that_the_configuration_names(chart: Chart) -> None:
    text = "version: 1\nprinciples: []\n"
    files = rendered(chart, {"constitution": text}).files("test-tipstaff")
    assert files["constitution.yaml"] == text
    assert "/etc/tipstaff/config/constitution.yaml" in files["test-tipstaff-0.yaml"]
    assert "constitution.yaml" not in rendered(chart, {}).files("test-tipstaff")


def test_another_configuration_restarts_the_pods_or_does_not(chart: Chart) -> None:
    def note(values: Object) -> str | None:
        template = rendered(chart, values).one("StatefulSet")["spec"]["template"]
        found: str | None = template["metadata"]["annotations"].get("tipstaff.dev/config")
        return found

    another = {"config": {"expose_arm": True}}
    assert note({}) != note(another)
    assert note({}) == note({"podDisruptionBudget": {"enabled": False}})
    assert note({"onConfigChange": "reload"}) is None


def test_maintenance_keeps_the_pods_and_starts_nothing_in_them(chart: Chart) -> None:
    (container,) = pod(rendered(chart, {"maintenance": True}))["containers"]
    assert container["command"][0] == "python"
    assert not {"args", "startupProbe", "livenessProbe", "lifecycle"} & container.keys()
    assert "command" not in pod(rendered(chart, {}))["containers"][0]


def test_in_maintenance_every_pod_is_replaced_and_no_client_is_sent_there(chart: Chart) -> None:
    """A StatefulSet replaces the next pod once the last one is ready: one that never is keeps the others."""
    for name in EXAMPLES:
        found = rendered(chart, {"maintenance": True}, name)
        for spec in found.pods():
            containers = [*spec.get("initContainers", ()), *spec["containers"]]
            assert all("readinessProbe" not in each for each in containers)
        clients = found.one("Service", "test-tipstaff")["spec"]["selector"]
        assert not [each for each in labelled(found) if clients.items() <= each.items()]
        served = rendered(chart, {}, name)
        clients = served.one("Service", "test-tipstaff")["spec"]["selector"]
        assert [each for each in labelled(served) if clients.items() <= each.items()]


def labelled(found: Rendered) -> list[Object]:
    """The labels of every pod."""
    workloads = [*found.of("StatefulSet"), *found.of("Deployment")]
    return [each["spec"]["template"]["metadata"]["labels"] for each in workloads]


def test_services(chart: Chart) -> None:
    found = rendered(chart, {"service": {"type": "LoadBalancer", "port": 80, "annotations": {"a": "b"}}})
    service = found.one("Service", "test-tipstaff")
    assert (service["spec"]["type"], service["spec"]["ports"][0]["port"]) == ("LoadBalancer", 80)
    assert service["metadata"]["annotations"] == {"a": "b"}
    assert found.one("Service", "test-tipstaff-pods")["spec"]["clusterIP"] == "None"
    assert len(found.of("Service")) == 2  # the admin port is on loopback and has none
    tls = rendered(chart, {"config": {"tls": {"cert": "/c", "key": "/k"}}})
    assert [each["spec"]["ports"][0]["appProtocol"] for each in tls.of("Service")] == ["https", "https"]


def test_the_admin_port_is_on_loopback_until_it_is_made_public(chart: Chart) -> None:
    tokens = {"admin_tokens": [{"name": "ada", "role": "operator", "file": "/run/ada"}]}
    public = rendered(chart, {"admin": {"public": True, "port": 99}, "config": tokens})
    assert public.one("Service", "test-tipstaff-admin")["spec"]["ports"][0]["port"] == 99
    assert '"admin": "0.0.0.0:9191"' in public.files("test-tipstaff")["test-tipstaff-0.yaml"]
    assert '"admin": "127.0.0.1:9191"' in rendered(chart, {}).files("test-tipstaff")["test-tipstaff-0.yaml"]


def test_a_service_account_without_a_role(chart: Chart) -> None:
    found = rendered(chart, {"serviceAccount": {"annotations": {"a": "b"}}})
    account = found.one("ServiceAccount")
    assert account["metadata"]["annotations"] == {"a": "b"}
    assert account["automountServiceAccountToken"] is False
    assert not any(each["kind"].startswith(("Role", "ClusterRole")) for each in found.objects)
    assert not rendered(chart, {"serviceAccount": {"create": False}}).of("ServiceAccount")


def test_a_disruption_budget(chart: Chart) -> None:
    budget = rendered(chart, {"podDisruptionBudget": {"maxUnavailable": "50%"}}).one("PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == "50%"
    assert not rendered(chart, {"podDisruptionBudget": {"enabled": False}}).of("PodDisruptionBudget")


def test_a_network_policy(chart: Chart) -> None:
    spec = rendered(chart, {}).one("NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress"]
    assert spec["ingress"] == [{"ports": [{"port": "data"}]}]
    egress = [{"to": [SELECTOR]}]
    shut = rendered(chart, {"networkPolicy": {"dataFrom": [SELECTOR], "egress": egress}}).one("NetworkPolicy")[
        "spec"
    ]
    assert shut["policyTypes"] == ["Ingress", "Egress"]
    assert shut["egress"] == egress
    asks = rendered(chart, {}).one("Pod")["metadata"]["labels"]
    assert shut["ingress"][0]["from"][0] == SELECTOR
    (test,) = shut["ingress"][0]["from"][1:]  # `helm test` is let in as well
    assert test["podSelector"]["matchLabels"].items() <= asks.items()
    split = rendered(chart, {"networkPolicy": {"adminFrom": [SELECTOR]}}, "split").one("NetworkPolicy")["spec"]
    others = {"app.kubernetes.io/name": "tipstaff", "app.kubernetes.io/instance": "test"}
    assert split["ingress"][1]["from"] == [SELECTOR, {"podSelector": {"matchLabels": others}}]
    assert not rendered(chart, {"networkPolicy": {"enabled": False}}).of("NetworkPolicy")


def test_prometheus_and_grafana(chart: Chart) -> None:
    more = {
        "serviceMonitor": {"interval": "30s", "labels": {"a": "b"}, "job": "gate"},
        "prometheusRule": {"labels": {"c": "d"}},
        "dashboards": {"labels": {"grafana": "yes"}},
    }
    found = rendered(chart, more, "production-stack")
    monitor = found.one("ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert monitor["metadata"]["labels"]["a"] == "b"
    assert (endpoint["interval"], endpoint["port"]) == ("30s", "admin")
    assert endpoint["authorization"]["credentials"] == {"name": "tipstaff-prometheus", "key": "token"}
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": "gate"}]
    labels = monitor["spec"]["selector"]["matchLabels"]
    assert labels.items() <= found.one("Service", "test-tipstaff-pods")["metadata"]["labels"].items()
    rules = found.one("PrometheusRule")
    assert rules["metadata"]["labels"]["c"] == "d"
    assert 'up{job="gate"}' in json.dumps(rules).replace("\\", "")
    boards = found.one("ConfigMap", "test-tipstaff-dashboards")
    assert boards["metadata"]["labels"]["grafana"] == "yes"
    assert {json.loads(text)["uid"] for text in boards["data"].values()} == {
        f"tipstaff-{name}" for name in ("gateway", "pipeline", "rollout", "violations")
    }
    off = {key: {"enabled": False} for key in more}
    assert not {"ServiceMonitor", "PrometheusRule"} & {
        each["kind"] for each in rendered(chart, off, "production-stack").objects
    }


def test_a_route_of_the_gateway_api(chart: Chart) -> None:
    route = {
        "enabled": True,
        "parentRefs": [{"name": "gate"}],
        "hostnames": ["a.example.org"],
        "annotations": {"a": "b"},
    }
    found = rendered(chart, {"httpRoute": route}).one("HTTPRoute")
    assert found["spec"]["hostnames"] == ["a.example.org"]
    assert found["spec"]["rules"][0]["backendRefs"] == [{"name": "test-tipstaff", "port": 8080}]
    assert found["metadata"]["annotations"] == {"a": "b"}
    assert not rendered(chart, {}).of("HTTPRoute")


def test_names(chart: Chart) -> None:
    assert pod(rendered(chart, {"fullnameOverride": "gate"}), "gate")
    assert pod(rendered(chart, {"nameOverride": "gate"}), "test-gate")
    assert pod(chart.render(example("standalone"), "my-tipstaff"), "my-tipstaff")


def test_the_split_scales_each_workload_by_itself(chart: Chart) -> None:
    more = {
        "split": {
            "proxy": {"replicas": 3, "resources": {"limits": {"memory": "1Gi"}}},
            "control": {"replicas": 1},
            "scorer": {"replicas": 5, "autoscaling": {"enabled": False}},
        }
    }
    found = rendered(chart, more, "split")
    assert found.one("StatefulSet", "test-tipstaff-proxy")["spec"]["replicas"] == 3
    assert pod(found, "test-tipstaff-proxy")["containers"][0]["resources"] == {"limits": {"memory": "1Gi"}}
    assert found.one("StatefulSet", "test-tipstaff-control")["spec"]["replicas"] == 1
    assert found.one("Deployment")["spec"]["replicas"] == 5
    assert not found.of("HorizontalPodAutoscaler")
    scaled = rendered(chart, {"split": {"scorer": {"autoscaling": {"cpu": 50}}}}, "split")
    assert "replicas" not in scaled.one("Deployment")["spec"]
    scaler = scaled.one("HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 6)
    assert scaler["metrics"][0]["resource"]["target"]["averageUtilization"] == 50
    assert scaler["scaleTargetRef"]["name"] == scaled.one("Deployment")["metadata"]["name"]


def test_one_proxy_more_restarts_the_control_alone(chart: Chart) -> None:
    """It has to know whom it gathers; the other proxies have nothing to do with it."""
    notes = [
        {
            each["metadata"]["name"]: each["spec"]["template"]["metadata"]["annotations"]["tipstaff.dev/config"]
            for each in rendered(chart, {"split": {"proxy": {"replicas": count}}}, "split").of("StatefulSet")
        }
        for count in (2, 3)
    ]
    assert notes[0]["test-tipstaff-proxy"] == notes[1]["test-tipstaff-proxy"]
    assert notes[0]["test-tipstaff-control"] != notes[1]["test-tipstaff-control"]


def test_each_workload_is_probed_where_it_is_asked(examples: dict[str, Rendered]) -> None:
    split = examples["split"]
    for role, port in (("proxy", "data"), ("control", "admin")):
        container = pod(split, f"split-tipstaff-{role}")["containers"][0]
        assert [
            container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")
        ] == [
            "/livez",
            "/livez",
            "/readyz",
        ]
        assert container["readinessProbe"]["httpGet"]["port"] == port
    scorer = split.one("Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert "livenessProbe" not in scorer  # it listens on no port, and ends by itself where it hangs
    assert split.one("Service", "split-tipstaff")["spec"]["selector"]["app.kubernetes.io/component"] == "proxy"
    assert (
        split.one("Service", "split-tipstaff-admin")["spec"]["selector"]["app.kubernetes.io/component"] == "control"
    )


def test_a_sidecar_outlives_its_engine(examples: dict[str, Rendered]) -> None:
    spec = pod(examples["sidecar"], "sidecar-tipstaff")
    (gateway,), (engine,) = spec["initContainers"], spec["containers"]
    assert (gateway["name"], gateway["restartPolicy"]) == ("tipstaff", "Always")
    assert "lifecycle" not in gateway  # its SIGTERM comes once the engine has ended
    assert engine["lifecycle"] == {"preStop": {"sleep": {"seconds": 310}}}
    assert spec["terminationGracePeriodSeconds"] == 310 + 30 + 10 + 30 + 15 + 45  # the engine's own end comes first
    assert engine["resources"]["limits"]["nvidia.com/gpu"] == "1"
    files = examples["sidecar"].files("sidecar-tipstaff")
    assert '"endpoints": ["http://127.0.0.1:8000"]' in files["sidecar-tipstaff-0.yaml"]
    assert examples["sidecar"].one("Service", "sidecar-tipstaff-engines")["spec"]["ports"][0]["port"] == 8000


def test_an_engine_has_room_and_a_name(examples: dict[str, Rendered]) -> None:
    """What it loads and compiles lies below its home; the gateway's /tmp has a limit that evicts."""
    spec = pod(examples["sidecar"], "sidecar-tipstaff")
    (engine,) = spec["containers"]
    variables = {each["name"]: each["value"] for each in engine["env"]}
    (home,) = (each for each in engine["volumeMounts"] if each["mountPath"] == variables["HOME"])
    assert {"name": home["name"], "emptyDir": {}} in spec["volumes"]
    assert home["name"] not in {each["name"] for each in spec["initContainers"][0]["volumeMounts"]}
    assert variables["USER"]


def test_one_that_hangs_is_not_waited_for_as_long_as_answers_may_take(examples: dict[str, Rendered]) -> None:
    spec = pod(examples["standalone"], "standalone-tipstaff")
    for probe in ("startupProbe", "livenessProbe"):
        assert spec["containers"][0][probe]["terminationGracePeriodSeconds"] == 10 + 10 + 30 + 15
    assert "terminationGracePeriodSeconds" not in spec["containers"][0]["readinessProbe"]  # Kubernetes refuses it


def test_an_engine_as_somebody_else_builds_it(chart: Chart) -> None:
    own: Object = {"command": ["serve"], "args": [], "port": 9000, "env": [{"name": "A", "value": "b"}]}
    found = rendered(chart, {"sidecar": {"engine": own}}, "sidecar")
    (engine,) = pod(found)["containers"]
    assert engine["command"] == ["serve"]
    assert "args" not in engine
    assert engine["env"][-1] == {"name": "A", "value": "b"}
    assert "http://127.0.0.1:9000" in found.files("test-tipstaff")["test-tipstaff-0.yaml"]


def test_every_value_does_something(chart: Chart) -> None:
    """One that changes nothing in any mode would be a promise that no template keeps."""
    fixed = {"split": {"scorer": {"autoscaling": {"enabled": False}}}}
    chosen = [merged(example("split"), ALL_ON), example("sidecar"), merged(example("split"), fixed)]
    bases = [merged(defaults(), base) for base in chosen]
    before = [chart.text(base) for base in bases]
    idle = [
        ".".join(path)
        for path in leaves(defaults())
        if not any(differs(chart, base, text, path) for base, text in zip(bases, before, strict=True))
    ]
    assert not idle


ALL_ON: Object = {
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "gate"}]},
    "serviceMonitor": {"enabled": True, "token": {"secret": "s", "key": "k"}},
    "prometheusRule": {"enabled": True},
    "dashboards": {"enabled": True},
    "networkPolicy": {"adminFrom": [SELECTOR]},
}
ANOTHER: dict[str, Any] = {
    "mode": "sidecar",
    "onConfigChange": "reload",
    "image.digest": f"sha256:{'b' * 64}",
    "image.pullPolicy": "Never",
    "persistence.size": "7Gi",
    "service.type": "NodePort",
    "serviceMonitor.interval": "7s",
    "split.tokenFile": "/run/another",
    "podSecurityContext.seccompProfile.type": "Localhost",
    "split.scorer.autoscaling.minReplicas": 3,
    "config": {"expose_arm": True},
    "secrets": ["another"],
}


def another(path: tuple[str, ...], value: object) -> Any:  # noqa: ANN401 - of the kind that the value is
    """Not that value, and one that the schema takes."""
    if ".".join(path) in ANOTHER:
        return ANOTHER[".".join(path)]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return "another"
    texts = {"hostnames", "pullSecrets", "command", "args", "drop"}
    return (["another"] if path[-1] in texts else [{"name": "another"}]) if isinstance(value, list) else {"a": "b"}


def differs(chart: Chart, base: Object, before: str, path: tuple[str, ...]) -> bool:
    changed: Any = another(path, at(base, ".".join(path)))
    for key in reversed(path):
        changed = {key: changed}
    try:
        return chart.text(merged(base, changed)) != before
    except Refused as refused:
        return "schema" not in str(refused)  # a check has read it


def defaults() -> Object:
    found: Object = yaml.safe_load((CHART / "values.yaml").read_text())
    return found


def leaves(values: Object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key)
