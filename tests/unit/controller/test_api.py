"""The admin API, asked without a socket, over real parts."""

import json
import shutil
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from classifiers.verdict import Severity
from gateway.controller.routers.values import microseconds, moment
from gateway.core.status import ArmStatus, EndpointStatus, ProxyStatus
from gateway.settings import ConfigError
from gateway.tablefile import read_table
from gateway.telemetry import metrics
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.unit.controller.conftest import Controller, kept_text, write_status
from tests.unit.controller.support import START, entries, unread, upheld, verdict_event

WEIGHTS = "/api/v1/models/assistant/weights"


def problem(controller: Controller, status: int, method: str, path: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    answer = controller.call(method, path, **more)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    content: dict[str, Any] = answer.json()
    assert content["status"] == status
    assert content["type"].startswith("urn:tipstaff:problem:")
    assert content["title"]
    assert content["detail"]
    return content


def proxy_status(controller: Controller, **changes: Any) -> ProxyStatus:  # noqa: ANN401
    table = controller.tables.current()
    endpoint = EndpointStatus("http://127.0.0.1:8001", True, 2)  # noqa: FBT003 - healthy
    values: dict[str, Any] = {
        "process": "proxy-0",
        "written_at_us": controller.clock.now_us(),
        "ready": True,
        "draining": False,
        "address": "127.0.0.1:8080",
        "store_id": table.store_id,
        "table_epoch": table.epoch,
        "table_version": table.version,
        "arms": (ArmStatus("assistant", "stable", "llama", (endpoint,)),),
    }
    return ProxyStatus(**{**values, **changes})


class TestADataFolderThatIsTakenAway:
    @pytest.mark.parametrize("replaced", [False, True])
    def test_nothing_is_said_of_it_and_nothing_decided(self, controller: Controller, *, replaced: bool) -> None:
        data, aside = controller.data.root, controller.data.root.with_name("aside")
        data.rename(aside)
        if replaced:
            data.mkdir()
            controller.data.format.write_text("1\n")
        wanted = {"weights": {"canary": 25}, "reason": "drill"}
        for method, path, more in (
            ("GET", "/readyz", {}),
            ("GET", "/metrics", {}),
            ("GET", "/api/v1/ledger", {}),
            ("GET", "/api/v1/exchanges", {}),
            ("GET", WEIGHTS, {}),
            ("PUT", WEIGHTS, {"json": wanted}),
        ):
            detail = problem(controller, 503, method, path, **more)["detail"]
            assert f"{data} was moved, removed or replaced" in detail
        assert "was moved, removed or replaced" in controller.get("/api/v1/status")["warnings"][0]
        assert controller.get("/livez") == {"status": "ok"}

        if replaced:
            shutil.rmtree(data)
        aside.rename(data)
        assert controller.get("/readyz") == {"status": "ok"}
        assert controller.get(WEIGHTS)["weights"] == {"stable": 90, "canary": 10}


class TestForgetting:
    def test_nobody_is_half_forgotten_where_a_key_cannot_be_read(self, controller: Controller) -> None:
        def keys() -> tuple[bytes, ...]:
            raise ConfigError(["old_unit_key_files: /keys/old cannot be read"])

        controller.forgetting._unit_keys = keys
        detail = problem(controller, 503, "POST", "/api/v1/forget", json={"unit": "ada"})["detail"]
        assert detail == "old_unit_key_files: /keys/old cannot be read"


class TestHealth:
    def test_alive_and_ready(self, controller: Controller) -> None:
        assert controller.get("/livez") == {"status": "ok"}
        assert controller.get("/readyz") == {"status": "ok"}

    def test_not_ready_before_the_table_is_published(self, tmp_path: Path) -> None:
        controller = Controller(tmp_path)
        assert controller.call("GET", "/livez").status_code == 200
        assert "not published" in problem(controller, 503, "GET", "/readyz")["detail"]
        controller.close()

    def test_not_ready_when_something_is_wrong(self, controller: Controller) -> None:
        controller.troubles.append("the loop died")
        assert problem(controller, 503, "GET", "/readyz")["detail"] == "the loop died"


class TestWeights:
    def test_are_read_in_percent_with_who_decided(self, controller: Controller) -> None:
        found = controller.get(WEIGHTS)
        assert found["weights"] == {"stable": 90.0, "canary": 10.0}
        assert (found["decided_by"], found["decided_at"]) == (
            "config",
            moment(START).isoformat().replace("+00:00", "Z"),
        )

    def test_a_models_name_may_have_slashes(self, controller: Controller) -> None:
        assert controller.get("/api/v1/models/org/solo/weights")["weights"] == {"stable": 100.0}

    def test_an_operators_word_is_published_at_once_and_recorded(self, controller: Controller) -> None:
        before = controller.get(WEIGHTS)["table_version"]
        answer = controller.call("PUT", WEIGHTS, json={"weights": {"canary": 25}, "reason": "fine so far"})
        assert answer.status_code == 200
        assert answer.json()["table_version"] == before + 1
        assert answer.json()["weights"] == {"stable": 75.0, "canary": 25.0}
        table = read_table(controller.data.table)
        assert table is not None
        assert table.models["assistant"].weight("canary") == 0.25
        decision = controller.get("/api/v1/decisions")["decisions"][-1]
        assert (decision["actor"], decision["reason"]) == ("operator", "fine so far")
        assert (decision["before"]["canary"], decision["after"]["canary"]) == (10.0, 25.0)

    def test_compare_and_swap(self, controller: Controller) -> None:
        seen = controller.get(WEIGHTS)["table_version"]
        body = {"weights": {"canary": 20}, "reason": "drill", "expected_version": seen}
        assert controller.call("PUT", WEIGHTS, json=body).status_code == 200
        problem(controller, 409, "PUT", WEIGHTS, json=body)

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"weights": {"nobody": 5}, "reason": "drill"}, "the arms are stable, canary"),
            ({"weights": {"canary": 101}}, "weights/canary"),
            ({"weights": {"canary": -1}}, "weights/canary"),
            ({"weights": {"canary": 20, "stable": 20}, "reason": "drill"}, "takes the rest"),
            ({"weights": {"canary": "many"}}, "weights/canary"),
            ({"weight": {"canary": 20}}, "weight"),
            ({"weights": {"canary": 20}}, "reason"),
            ({"weights": {"canary": 20}, "reason": ""}, "reason"),
            ({"weights": {"canary": 20}, "reason": "  "}, "reason"),
            ({"weights": {"canary": True}, "reason": "drill"}, "weights/canary"),
            ({"weights": {"canary": "20"}, "reason": "drill"}, "weights/canary"),
            ({"weights": {}, "reason": "drill"}, "weights"),
            ({}, "weights"),
            ([], "#"),
        ],
    )
    def test_what_cannot_be_is_refused_and_changes_nothing(
        self, controller: Controller, body: object, words: str
    ) -> None:
        before = controller.tables.current()
        assert words in problem(controller, 422, "PUT", WEIGHTS, json=body)["detail"]
        assert controller.tables.current() == before

    def test_not_a_number_is_refused(self, controller: Controller) -> None:
        headers = {"content-type": "application/json"}
        problem(controller, 422, "PUT", WEIGHTS, content='{"weights": {"canary": NaN}}', headers=headers)

    def test_an_answer_never_repeats_what_was_sent(self, controller: Controller) -> None:
        found = problem(controller, 422, "PUT", WEIGHTS, json={"weights": {"canary": "sk-secret"}})
        assert "sk-secret" not in json.dumps(found)

    def test_an_unknown_model(self, controller: Controller) -> None:
        path = "/api/v1/models/nobody/weights"
        assert "assistant" in problem(controller, 404, "GET", path)["detail"]
        assert (
            "assistant"
            in problem(controller, 404, "PUT", path, json={"weights": {"canary": 5}, "reason": "drill"})["detail"]
        )

    def test_what_could_not_be_published_is_a_503(self, controller: Controller) -> None:
        controller.data.table.unlink()
        controller.data.table.mkdir()
        problem(controller, 503, "PUT", WEIGHTS, json={"weights": {"canary": 20}, "reason": "drill"})
        problem(controller, 503, "GET", "/readyz")
        assert controller.get("/api/v1/status")["table"]["published"] is False


class TestExchanges:
    def test_listed_filtered_and_paged(self, controller: Controller) -> None:
        events = [
            verdict_event(
                number, upheld("harm") if number % 3 == 0 else None, arm="canary" if number % 2 else "stable"
            )
            for number in range(30)
        ]
        controller.index.add(entries(events), {})
        everything = controller.get("/api/v1/exchanges?limit=7")
        assert len(everything["exchanges"]) == 7
        seen = [row["id"] for row in everything["exchanges"]]
        while everything["next"]:
            everything = controller.get("/api/v1/exchanges", params={"limit": 7, "cursor": everything["next"]})
            seen += [row["id"] for row in everything["exchanges"]]
        assert seen == [event.exchange_id for event in reversed(events)]
        found = controller.get("/api/v1/exchanges?model=assistant&arm=canary&principle=harm&severity=high")
        assert [row["id"] for row in found["exchanges"]] == [
            events[number].exchange_id for number in (27, 21, 15, 9, 3)
        ]
        assert found["next"] is None

    def test_times_are_exact(self, controller: Controller) -> None:
        event = verdict_event(1, time_us=START + 123_457)
        controller.index.add(entries([event]), {})
        (row,) = controller.get("/api/v1/exchanges")["exchanges"]
        assert microseconds(datetime.fromisoformat(row["time"])) == START + 123_457
        since = {"since": row["time"]}
        assert len(controller.get("/api/v1/exchanges", params=since)["exchanges"]) == 1
        assert controller.get("/api/v1/exchanges", params={"until": row["time"]})["exchanges"] == []

    def test_not_evaluated_and_severity_filters(self, controller: Controller) -> None:
        events = [
            verdict_event(1),
            verdict_event(2, unread()),
            verdict_event(3, upheld("harm", severity=Severity.LOW)),
        ]
        controller.index.add(entries(events), {})

        def ids(query: str) -> list[int]:
            rows = controller.get(f"/api/v1/exchanges?{query}")["exchanges"]
            return [next(n for n, event in enumerate(events, 1) if event.exchange_id == row["id"]) for row in rows]

        assert ids("not_evaluated=true") == ids("finding=not_evaluated") == [2]
        assert ids("not_evaluated=false") == [3, 1]
        assert ids("severity=low") == ids("finding=violates") == [3]
        assert ids("severity=high") == []

    def test_one_whole_with_its_redacted_text(self, controller: Controller) -> None:
        event = verdict_event(1, upheld("harm"))
        controller.index.add(entries([event]), {})
        path = f"/api/v1/exchanges/{event.exchange_id}"
        assert controller.get(path)["text"] is None
        controller.texts.put([kept_text(event.exchange_id)])
        found = controller.get(path)
        assert found["text"]["turns"] == [{"role": "user", "text": "hello [email]", "unread": []}]
        assert found["text"]["answers"][0]["text"] == "hi there"
        assert found["verdict"]["findings"][0]["finding"] == "violates"
        assert found["verdict"]["deciding"]["principle"] == "harm"
        assert found["assignment"]["unit"] == event.assignment.unit_hash.hex()

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=501",
            "severity=terrible",
            "finding=upholds",
            "since=yesterday",
            "since=2026-01-01T00:00:00",
            "cursor=x",
            "cursor=1-'; drop table exchanges",
            "status=99999",
            "color=red",
            "principle=harm&finding=not_evaluated",
        ],
    )
    def test_a_filter_that_cannot_be(self, controller: Controller, query: str) -> None:
        problem(controller, 422, "GET", f"/api/v1/exchanges?{query}")

    def test_one_that_is_not_there(self, controller: Controller) -> None:
        problem(controller, 404, "GET", f"/api/v1/exchanges/{'0' * 32}")
        problem(controller, 404, "GET", "/api/v1/exchanges/..%2f..%2fetc")
        problem(controller, 422, "GET", "/api/v1/exchanges/*")


class TestRates:
    def test_counts_and_ratios(self, controller: Controller) -> None:
        events = [verdict_event(n, upheld("harm") if n < 2 else None, arm="canary", unit=f"u{n}") for n in range(8)]
        controller.index.add(entries(events), {})
        (arm,) = controller.get("/api/v1/models/assistant/rates")["arms"]
        assert (arm["arm"], arm["exchanges"], arm["units"], arm["violation_rate"]) == ("canary", 8, 8, 0.25)
        assert arm["principles"][0]["violation_rate"] == 0.25
        assert arm["refusal_rate"] == 0.0

    def test_nothing_evaluated_is_no_rate(self, controller: Controller) -> None:
        controller.index.add(entries([verdict_event(1, unread())]), {})
        (arm,) = controller.get("/api/v1/models/assistant/rates")["arms"]
        assert (arm["violation_rate"], arm["refusal_rate"], arm["not_evaluated"]) == (None, None, 1)

    def test_an_unknown_model(self, controller: Controller) -> None:
        problem(controller, 404, "GET", "/api/v1/models/nobody/rates")


class TestStatus:
    def test_all_is_well(self, controller: Controller) -> None:
        write_status(controller, proxy_status(controller), "proxy-0")
        found = controller.get("/api/v1/status")
        assert found["warnings"] == []
        (proxy,) = found["proxies"]
        assert (proxy["behind"], proxy["stale"], proxy["ready"]) == (False, False, True)
        assert found["processes"] == [{"name": "controller", "up": True}]
        assert found["table"]["store_id"] == controller.tables.current().store_id
        assert {model["model"]: model["decided_by"] for model in found["models"]} == {
            "assistant": "config",
            "org/solo": "config",
        }

    def test_ejected_endpoints_say_why_and_until_when(self, controller: Controller) -> None:
        returns = START + 20_000_000
        endpoint = EndpointStatus("http://127.0.0.1:8002", False, 0, "connection refused", returns)  # noqa: FBT003
        status = proxy_status(controller, arms=(ArmStatus("assistant", "canary", "llama", (endpoint,)),))
        write_status(controller, status, "proxy-0")
        (found,) = controller.get("/api/v1/status")["ejected"]
        assert (found["arm"], found["reason"]) == ("canary", "connection refused")
        assert microseconds(datetime.fromisoformat(found["returns_at"])) == returns

    def test_a_proxy_that_is_behind_or_silent_is_named(self, controller: Controller) -> None:
        write_status(controller, proxy_status(controller), "proxy-0")
        controller.call("PUT", WEIGHTS, json={"weights": {"canary": 20}, "reason": "drill"})
        controller.clock.us += 60_000_000
        found = controller.get("/api/v1/status")
        (proxy,) = found["proxies"]
        assert (proxy["behind"], proxy["stale"], proxy["age_seconds"]) == (True, True, 60.0)
        assert len([line for line in found["warnings"] if line.startswith("proxy-0: ")]) == 2

    def test_a_process_that_ended_is_named_and_its_status_forgotten(self, controller: Controller) -> None:
        CounterFile.open(controller.data.counter_file("proxy-0")).close()
        write_status(controller, proxy_status(controller), "proxy-0")
        found = controller.get("/api/v1/status")
        assert {"name": "proxy-0", "up": False} in found["processes"]
        assert found["proxies"] == []
        assert "proxy-0 does not run" in found["warnings"]

    @pytest.mark.parametrize("name", ["proxy-1", "relay"])
    def test_a_process_that_the_configuration_no_longer_has_is_not_missed(
        self, controller: Controller, name: str
    ) -> None:
        CounterFile.open(controller.data.counter_file(name)).close()
        found = controller.get("/api/v1/status")
        assert {"name": name, "up": False} in found["processes"]
        assert found["warnings"] == []

    def test_a_process_that_gets_nowhere_says_why(self, controller: Controller) -> None:
        path = controller.data.trouble("controller")
        path.parent.mkdir(exist_ok=True)
        path.write_text("Kafka is away")
        assert "controller: Kafka is away" in controller.get("/api/v1/status")["warnings"]
        path.write_text("")
        assert controller.get("/api/v1/status")["warnings"] == []

    def test_requests_without_a_unit_are_warned_about(self, controller: Controller) -> None:
        file = CounterFile.open(controller.data.counter_file("proxy-0"))
        meters = Meters(file)
        meters.counter(metrics.UNITS, "assistant", "request").inc(75)
        meters.counter(metrics.UNITS, "assistant", "header:x-user-id").inc(25)
        found = controller.get("/api/v1/status")
        file.close()
        assert found["models"][0]["units"] == [
            {"source": "request", "requests": 75, "share": 0.75},
            {"source": "header:x-user-id", "requests": 25, "share": 0.25},
        ]
        assert [line for line in found["warnings"] if "75%" in line and "x-user-id" in line]

    def test_scorer_lag_is_that_of_a_living_scorer(self, controller: Controller) -> None:
        assert controller.get("/api/v1/status")["scorer_lag_seconds"] is None
        file = CounterFile.open(controller.data.counter_file("scorer-0"))
        Meters(file).gauge(metrics.SCORER_LAG).set(2.5)
        assert controller.get("/api/v1/status")["scorer_lag_seconds"] == 2.5
        file.close()
        assert controller.get("/api/v1/status")["scorer_lag_seconds"] is None

    def test_a_torn_status_file_hides_nothing_else(self, controller: Controller) -> None:
        write_status(controller, proxy_status(controller), "proxy-0")
        controller.data.status("torn").write_text("{")
        assert len(controller.get("/api/v1/status")["proxies"]) == 1


class TestTheRest:
    def test_the_constitution_by_tier(self, controller: Controller) -> None:
        found = controller.get("/api/v1/constitution")
        assert [tier["tier"] for tier in found["tiers"]] == ["harmlessness", "honesty", "helpfulness"]
        listed = [principle["id"] for tier in found["tiers"] for principle in tier["principles"]]
        assert sorted(listed) == sorted(principle.id for principle in controller.parts.constitution.principles)
        assert found["hash"] == controller.parts.constitution.hash

    def test_the_ledger_balances(self, controller: Controller) -> None:
        found = controller.get("/api/v1/ledger")
        assert found["balanced"] is True
        assert {stream["stream"] for stream in found["streams"]} >= {"exchanges", "verdicts"}

    def test_decisions_can_be_checked_from_the_answer_alone(self, controller: Controller) -> None:
        for weight in (20, 30, 40):
            controller.call("PUT", WEIGHTS, json={"weights": {"canary": weight}, "reason": "step"})
        first = controller.get("/api/v1/decisions?limit=3")
        rest = controller.get(f"/api/v1/decisions?after={first['next']}")
        assert rest["next"] is None
        chain = [*first["decisions"], *rest["decisions"]]
        assert len(chain) == 5
        previous = "0" * 64
        for decision in chain:
            assert decision["hash"] == sha256(decision["canonical"].encode()).hexdigest()
            assert decision["previous"] == json.loads(decision["canonical"])["previous"] == previous
            previous = decision["hash"]

    def test_metrics_show_weights_zeros_and_build(self, controller: Controller) -> None:
        text = controller.call("GET", "/metrics").text
        assert 'tipstaff_rollout_weight_ratio{arm="canary",model="assistant"} 0.1' in text
        assert 'tipstaff_exchanges_scored_total{arm="canary",model="assistant"} 0.0' in text
        assert 'tipstaff_process_up{process="controller"} 1.0' in text
        assert f'constitution="{controller.parts.constitution.hash}",version="0.0.1"}} 1.0' in text
        accept = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
        answer = controller.call("GET", "/metrics", headers=accept)
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert answer.text.endswith("# EOF\n")

    def test_an_unknown_path_and_method(self, controller: Controller) -> None:
        problem(controller, 404, "GET", "/api/v1/nothing")
        problem(controller, 405, "DELETE", "/api/v1/status", headers={"content-type": "application/json"})

    def test_a_defect_says_nothing_of_itself(self, controller: Controller) -> None:
        def broken() -> None:
            raise RuntimeError("s3cret inside")

        controller.app.get("/broken")(broken)
        assert "s3cret" not in json.dumps(problem(controller, 500, "GET", "/broken"))

    def test_bodies_are_bounded(self, controller: Controller) -> None:
        headers = {"content-type": "application/json"}
        problem(controller, 413, "PUT", WEIGHTS, content=b" " * (1 << 20) + b"{}", headers=headers)

        async def pieces() -> Any:  # noqa: ANN401
            yield b"{}"

        problem(controller, 411, "PUT", WEIGHTS, content=pieces(), headers=headers)

    def test_docs_need_no_other_site(self, controller: Controller) -> None:
        page = controller.call("GET", "/docs").text
        assert "/api/v1/models/{model}/weights" in page
        assert "http://" not in page.replace("http://127.0.0.1", "")
        assert "<script" not in page


class TestTheGuard:
    def test_is_around_everything(self, guarded: Controller) -> None:
        for path in ("/api/v1/status", "/api/v1/openapi.json", "/docs", "/nothing", "/api/v1/exchanges"):
            problem(guarded, 401, "GET", path)
            assert guarded.call("GET", path, headers={"authorization": "Bearer s3cret"}).status_code in (200, 404)

    def test_failures_are_counted(self, guarded: Controller) -> None:
        answer = guarded.call("GET", "/api/v1/status", headers={"authorization": "Bearer guess"})
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert 'tipstaff_sign_in_failures_total{reason="wrong_token"} 1.0' in guarded.call("GET", "/metrics").text

    def test_another_machine_needs_a_token_there_is_none_to_give(self, controller: Controller) -> None:
        assert "admin_tokens" in problem(controller, 403, "GET", "/metrics", peer="10.0.0.5")["detail"]
        assert controller.call("GET", "/livez", peer="10.0.0.5").status_code == 200

    def test_another_sites_page_cannot_change_weights(self, controller: Controller) -> None:
        body = {"weights": {"canary": 100}}
        problem(controller, 403, "PUT", WEIGHTS, json=body, headers={"origin": "https://evil.example"})
        problem(controller, 415, "PUT", WEIGHTS, content="{}", headers={"content-type": "text/plain"})
        problem(controller, 403, "GET", WEIGHTS, headers={"host": "evil.example"})

    def test_answers_are_not_cached_nor_sniffed(self, controller: Controller) -> None:
        headers = controller.call("GET", "/api/v1/status").headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


class TestTheDescription:
    def test_every_operation_is_described_with_an_example_that_is_one(self, controller: Controller) -> None:
        described = controller.get("/api/v1/openapi.json")
        schemas = described["components"]["schemas"]
        for path, methods in described["paths"].items():
            for method, operation in methods.items():
                assert operation["summary"], path
                assert operation["description"], path
                if "204" in operation["responses"] and "200" not in operation["responses"]:
                    continue
                content = operation["responses"]["200"].get("content", {})
                others = {"application/zip", "application/x-ndjson", "text/plain", "text/event-stream"}
                if path == "/metrics" or others & content.keys():
                    continue
                schema = content["application/json"]["schema"]
                name = schema["$ref"].rpartition("/")[2]
                assert schemas[name]["examples"], f"{method} {path}: {name} has no example"

    def test_no_two_answers_have_one_name(self, controller: Controller) -> None:
        """FastAPI would tell them apart by the path of our files, in a description that others build on."""
        schemas = controller.get("/api/v1/openapi.json")["components"]["schemas"]
        assert [name for name in schemas if "__" in name] == []

    def test_examples_fit_their_schemas(self, controller: Controller) -> None:
        described = controller.get("/api/v1/openapi.json")
        for name, schema in described["components"]["schemas"].items():
            for example in schema.get("examples", ()):
                whole = {**schema, "components": described["components"]}
                problems = [
                    error.message
                    for error in Draft202012Validator(whole).iter_errors(example)
                    if error.validator != "required"  # FastAPI leaves nulls out of what it publishes
                ]
                assert problems == [], name


def test_moments_go_both_ways() -> None:
    assert moment(START + 1) == datetime(2025, 10, 9, 8, 0, 0, 1, UTC)
    assert microseconds(moment(START + 999_999)) == START + 999_999


def test_what_every_body_may_be_refused_for_is_described(controller: Controller) -> None:
    described = controller.get("/api/v1/openapi.json")["paths"]
    taking = [each for methods in described.values() for each in methods.values() if "requestBody" in each]
    assert len(taking) >= 8
    for each in taking:
        assert {"400", "401", "403", "413", "415", "422"} <= set(each["responses"]), each["summary"]
    broken = controller.call("PUT", WEIGHTS, content=b"\xff", headers={"content-type": "application/json"})
    assert (broken.status_code, broken.json()["detail"]) == (400, "The body cannot be read: send JSON in UTF-8")


class TestTheConfiguration:
    def test_it_says_what_is_in_force(self, controller: Controller) -> None:
        found = controller.get("/api/v1/config")
        assert (found["source"], found["refused"]) == ("config.yaml", [])
        assert list(found["settings"]["models"]["assistant"]["arms"]) == ["stable", "canary"]

    def test_a_reload_is_told_to_the_audit_stream_and_refused_with_every_reason(
        self, controller: Controller
    ) -> None:
        assert controller.call("POST", "/api/v1/config/reload", json={}).status_code == 200
        controller.configuration.refused = ["listen: wrong", "data: wrong"]
        refused = controller.call("POST", "/api/v1/config/reload", json={})
        assert (refused.status_code, refused.json()["detail"]) == (422, "listen: wrong; data: wrong")
        controller.trail.step()
        entries = controller.get("/api/v1/audit", params={"action": "config.reload"})["entries"]
        assert sorted(each["outcome"] for each in entries) == [
            "asked",
            "asked",
            "in force",
            "refused: listen: wrong",
        ]
        assert any("listen: wrong" in warning for warning in controller.get("/api/v1/status")["warnings"])


class TestTheRunbook:
    def test_an_alerts_link_leads_to_its_section_without_a_token(self, controller: Controller) -> None:
        whole = controller.call("GET", "/runbook")
        assert whole.headers["content-type"].startswith("text/plain")
        names = [line.removeprefix("## ") for line in whole.text.splitlines() if line.startswith("## ")]
        assert len(names) > 20
        for name in names:
            section = controller.call("GET", f"/runbook/{name}").text
            assert section.startswith(f"## {name}\n")
            assert section.count("\n## ") == 0
            assert section.strip() in whole.text

    def test_what_is_not_there_is_told(self, controller: Controller) -> None:
        for path in ("/runbook/TipstaffNothing", "/runbook/"):
            answer = controller.call("GET", path)
            assert answer.status_code == 404
