"""Every route of the admin port, for every role, no token and a wrong one."""

import pytest

from gateway.core.identity import Right, Role
from tests.unit.controller.conftest import SHELL, Controller

OPEN = "open"
ANY = "any role"
ROUTES = {
    "GET /": OPEN,
    "GET /dashboard": OPEN,
    "GET /dashboard/{place}": OPEN,
    "GET /dashboard/static/{version}/{file}": OPEN,
    "POST /api/v1/session": OPEN,
    "GET /api/v1/session": ANY,
    "DELETE /api/v1/session": ANY,
    "GET /livez": OPEN,
    "GET /runbook": OPEN,
    "GET /runbook/{alert}": OPEN,
    "GET /readyz": OPEN,
    "GET /api/v1/table": Right.TABLE,
    "GET /metrics": Right.READ,
    "GET /docs": Right.READ,
    "GET /api/v1/status": Right.READ,
    "GET /api/v1/live": Right.READ,
    "GET /api/v1/live/stream": Right.READ,
    "GET /api/v1/constitution": Right.READ,
    "GET /api/v1/pipeline": Right.READ,
    "GET /api/v1/constitution/versions": Right.READ,
    "GET /api/v1/constitution/versions/{content_hash}": Right.READ,
    "POST /api/v1/constitution/diff": Right.READ,
    "POST /api/v1/constitution/what-if": Right.TEXT,
    "GET /api/v1/ledger": Right.READ,
    "GET /api/v1/exchanges": Right.READ,
    "GET /api/v1/exchanges/export": Right.READ,
    "GET /api/v1/exchanges/{exchange_id}": Right.READ,
    "GET /api/v1/decisions": Right.READ,
    "GET /api/v1/decisions/verification": Right.READ,
    "GET /api/v1/decisions/{decision}": Right.READ,
    "GET /api/v1/levels": Right.READ,
    "GET /api/v1/models/{model}/weights": Right.READ,
    "GET /api/v1/models/{model}/rates": Right.READ,
    "GET /api/v1/models/{model}/series": Right.READ,
    "GET /api/v1/models/{model}/rollout": Right.READ,
    "GET /api/v1/models/{model}/rollout/history": Right.READ,
    "GET /api/v1/models/{model}/rollout/{rollout}/decisions": Right.READ,
    "GET /api/v1/models/{model}/rollout/{rollout}/evidence": Right.READ,
    "GET /api/v1/models/{model}/labels": Right.READ,
    "GET /api/v1/models/{model}/labels/queue": Right.READ,
    "GET /api/v1/models/{model}/labels/summary": Right.READ,
    "GET /api/v1/rollouts/bundle": Right.READ,
    "GET /api/v1/rollouts/{rollout}/bundle": Right.READ,
    "POST /api/v1/models/{model}/rollout/plan": Right.READ,
    "GET /api/v1/config": Right.READ,
    "GET /api/v1/forget/{name}": Right.READ,
    "GET /api/v1/audit": Right.AUDIT,
    "PUT /api/v1/models/{model}/weights": Right.CHANGE,
    "POST /api/v1/models/{model}/rollout": Right.CHANGE,
    "POST /api/v1/models/{model}/rollout/{word}": Right.CHANGE,
    "POST /api/v1/config/reload": Right.CHANGE,
    "POST /api/v1/forget": Right.CHANGE,
    "POST /api/v1/models/{model}/labels": Right.CHANGE,
    "POST /api/v1/models/{model}/labels/sample": Right.CHANGE,
    "POST /api/v1/models/{model}/labels/import": Right.CHANGE,
    "POST /api/v1/models/{model}/levels/acknowledge": Right.CHANGE,
}
ASKING = [None, "wrong", *Role]
_VALUES = {
    "exchange_id": "0" * 32,
    "decision": "x-1",
    "content_hash": "0" * 64,
    "model": "assistant",
    "rollout": "x",
    "word": "freeze",
    "name": "0" * 32,
    "alert": "TipstaffCanaryWorse",
    "place": "exchanges/x",
    "version": SHELL.version,
    "file": next(iter(SHELL.assets)),
}
_HIDDEN = {
    "GET /",
    "GET /dashboard",
    "GET /dashboard/{place}",
    "GET /dashboard/static/{version}/{file}",
    "GET /docs",
}
"""Pages for people, which is what the others are described for."""


def _routes(controller: Controller) -> set[str]:
    described = controller.get("/api/v1/openapi.json")["paths"]
    return _HIDDEN | {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}


def test_every_route_is_here(controller: Controller) -> None:
    assert _routes(controller) == set(ROUTES)


@pytest.mark.parametrize("who", ASKING)
def test_who_may_ask_what(guarded: Controller, who: Role | str | None) -> None:
    token = None if who is None else "nobody's" if who == "wrong" else f"token-of-{who}"
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    guarded.parts.ending.set()  # who follows gets one answer
    for route, right in ROUTES.items():
        method, template = route.split()
        path = template.format(**_VALUES)
        body: dict[str, object] | None = None if method == "GET" else {}
        answer = guarded.call(method, path, peer="10.0.0.9", headers=headers, json=body)
        if right == OPEN:
            assert answer.status_code in (200, 307, 422, 503), (route, answer.text)
        elif not isinstance(who, Role):
            assert answer.status_code == 401, (route, answer.text)
            assert answer.headers["www-authenticate"].startswith("Bearer")
        elif right == ANY or right in who.rights:
            assert answer.status_code not in (401, 403, 500), (route, answer.text)
        else:
            assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (403, "role"), route


@pytest.mark.parametrize("path", ["/", "/dashboard/", "/dashboard/static/x/y"])
def test_the_page_is_open_to_be_read_and_no_more(guarded: Controller, path: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert guarded.call(method, path, json={}).status_code == 401


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/nothing", "/dashboards/", "/api/v1/openapi.json"])
def test_what_is_no_route_is_as_closed(guarded: Controller, path: str) -> None:
    assert guarded.call("GET", path, peer="10.0.0.9").status_code == 401
    assert (
        guarded.call(
            "PATCH", path, peer="10.0.0.9", headers={"authorization": "Bearer token-of-viewer"}
        ).status_code
        == 403
    )
