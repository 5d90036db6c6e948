import pytest

from gateway.core.errors import GatewayError
from gateway.core.exchange import Route
from gateway.core.paths import Serves, resolve, templates

OPERATE_THE_ENGINE = [
    "/sleep", "/wake_up", "/is_sleeping", "/release_kv_cache_memory", "/collective_rpc", "/server_info",
    "/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/update_weights", "/start_weight_update",
    "/finish_weight_update", "/init_weight_transfer_engine", "/weight_info", "/get_world_size", "/pause", "/resume",
    "/is_paused", "/abort_requests", "/inference/v1/abort_requests", "/inference/v1/generate", "/start_profile",
    "/stop_profile", "/reset_prefix_cache", "/reset_mm_cache", "/reset_encoder_cache", "/scale_elastic_ep",
    "/is_scaling_elastic_ep", "/fault_tolerance/apply", "/fault_tolerance/status", "/metrics", "/load", "/version",
    "/kv_event_sources", "/ping", "/invocations", "/docs",
    "/redoc", "/openapi.json", "/static/x", "/tokenizer_info",
    "/v1/realtime", "/cohere/v2/chat", "/v1/chat/completions/render", "/",
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/chat/completions", Route.CHAT),
        ("/v1/chat/completions/batch", Route.CHAT),
        ("/v1/completions", Route.COMPLETIONS),
        ("/v1/responses", Route.RESPONSES),
        ("/v1/messages", Route.MESSAGES),
        ("/v1/messages/count_tokens", Route.OTHER),
        ("/v1/embeddings", Route.OTHER),
        ("/score", Route.OTHER),
        ("/v1/score", Route.OTHER),
        ("/rerank", Route.OTHER),
        ("/v1/rerank", Route.OTHER),
        ("/v2/rerank", Route.OTHER),
        ("/classify", Route.OTHER),
        ("/pooling", Route.OTHER),
        ("/tokenize", Route.OTHER),
        ("/detokenize", Route.OTHER),
        ("/v1/audio/transcriptions", Route.OTHER),
        ("/v1/audio/translations", Route.OTHER),
    ],
)
def test_what_users_have_passes_by_the_body_s_model(path: str, route: Route) -> None:
    resolved = resolve("POST", f"{path}?timeout=3")
    assert (resolved.route, resolved.serves, resolved.path) == (route, Serves.MODEL, path)
    assert resolved.target == f"{path}?timeout=3"
    assert not resolved.serves.local


@pytest.mark.parametrize("path", OPERATE_THE_ENGINE)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_what_operates_the_engine_is_unknown(path: str, method: str) -> None:
    with pytest.raises(GatewayError) as caught:
        resolve(method, path)
    assert caught.value.status == 404


@pytest.mark.parametrize(
    "spelling",
    [
        "//sleep",
        "/v1/../sleep",
        "/v1/responses/../../sleep",
        "/v1/responses/..",
        "/v1/responses/.",
        "/%73leep",
        "/v1/%2e%2e/sleep",
        "/SLEEP",
        "/sleep/",
        "/v1/responses/x/cancel/",
        "/v1/responses/%2e%2e%2fsleep",
        "/v1/responses/x/../../../sleep",
        "/v1/responses/a%2fb",
        "/v1/responses/",
        "/v1/responses/x/input_items",
        "/v1/chat/completions/",
        "/v1//chat/completions",
        "/V1/chat/completions",
        "/v1/chat/completions;/sleep",
        "/v1/chat/completions/../../../sleep",
        "/v1/models/",
        "http://host/sleep",
        "http://host//sleep",
        "/v1\\sleep",
    ],
)
def test_other_spellings_are_unknown(spelling: str) -> None:
    for method in ("GET", "POST", "OPTIONS", "HEAD"):
        with pytest.raises(GatewayError) as caught:
            resolve(method, spelling)
        assert caught.value.status == 404


@pytest.mark.parametrize(
    "target", ["", "*", "sleep", "/v1/mod els", "/v1/models\r\n", "/v1/mod\u00e9ls", "/v1/models#x", "ftp://h/v1/models",
               "/v1/models\x00", "http:///v1/models", "example.com:443"],
)  # fmt: skip
def test_what_is_no_target_is_malformed(target: str) -> None:
    with pytest.raises(GatewayError) as caught:
        resolve("GET", target)
    assert (caught.value.status, caught.value.close) == (400, True)


def test_absolute_form_is_sent_on_without_its_host() -> None:
    resolved = resolve("POST", "http://user@evil:1/v1/completions?a=/sleep")
    assert (resolved.path, resolved.target) == ("/v1/completions", "/v1/completions?a=/sleep")
    with pytest.raises(GatewayError):
        resolve("GET", "http://host?x=1")


def test_wrong_method_names_the_right_ones() -> None:
    with pytest.raises(GatewayError) as caught:
        resolve("GET", "/v1/chat/completions")
    assert (caught.value.status, dict(caught.value.headers)["allow"]) == (405, "OPTIONS, POST")
    with pytest.raises(GatewayError):
        resolve("post", "/v1/chat/completions")
    with pytest.raises(GatewayError):
        resolve("DELETE", "/v1/responses/resp_1")


def test_responses_are_found_by_their_id() -> None:
    got = resolve("GET", "/v1/responses/resp_68a-b.c:d?stream=true")
    assert (got.serves, got.subject, got.template) == (Serves.RESPONSE, "resp_68a-b.c:d", "/v1/responses/{id}")
    cancel = resolve("POST", "/v1/responses/resp_1/cancel")
    assert (cancel.serves, cancel.subject) == (Serves.RESPONSE, "resp_1")


def test_models_are_answered_here() -> None:
    assert resolve("GET", "/v1/models").serves is Serves.MODELS
    for spelled in ("/v1/models/org/name", "/v1/models/org%2Fname"):
        card = resolve("GET", spelled)
        assert (card.serves, card.subject, card.serves.local) == (Serves.MODEL_CARD, "org/name", True)


def test_own_routes() -> None:
    for path, serves in (("/livez", Serves.LIVEZ), ("/readyz", Serves.READYZ), ("/health", Serves.HEALTH)):
        assert resolve("GET", path).serves is serves
        assert resolve("HEAD", path).serves.local


def test_a_preflight_goes_to_anyone() -> None:
    assert resolve("OPTIONS", "/v1/chat/completions").serves is Serves.ANY


def test_templates_name_every_route_once() -> None:
    assert len(set(templates())) == len(templates())
    assert resolve("POST", "/v1/responses/x/cancel").template in templates()
