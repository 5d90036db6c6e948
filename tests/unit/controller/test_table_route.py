"""The routing table as gateways that follow ask for it: at once where it is another, else when it becomes one."""

import base64
import threading
import time

from tests.unit.controller.conftest import Controller


def place(controller: Controller, **more: float) -> dict[str, str | float]:
    table = controller.tables.current()
    return {"store_id": table.store_id, "epoch": table.epoch, "version": table.version, **more}


def test_who_has_none_gets_it_at_once(controller: Controller) -> None:
    found = controller.get("/api/v1/table", params={"wait": 30})
    table = controller.tables.current()
    assert (found["store_id"], found["epoch"], found["version"]) == (table.store_id, table.epoch, table.version)
    route = found["models"]["assistant"]
    assert base64.b64decode(route["salt"]) == table.models["assistant"].salt
    assert route["arms"] == [{"arm": "stable", "weight": 0.9}, {"arm": "canary", "weight": 0.1}]
    assert found["unit_key"] == "0f1e2d3c4b5a6978"


def test_who_has_it_hears_nothing_new(controller: Controller) -> None:
    answer = controller.call("GET", "/api/v1/table", params=place(controller))
    assert (answer.status_code, answer.content) == (204, b"")


def test_who_waits_hears_of_a_change(controller: Controller) -> None:
    asked = place(controller, wait=30)
    change = threading.Timer(0.1, controller.tables.set_weights, ("assistant", {"canary": 0.5}, "because"))
    change.start()
    found = controller.get("/api/v1/table", params=asked)
    change.join()
    assert found["version"] == controller.tables.current().version != asked["version"]
    assert found["models"]["assistant"]["arms"][1] == {"arm": "canary", "weight": 0.5}


def test_nobody_waits_for_a_controller_that_ends(controller: Controller) -> None:
    end = threading.Timer(0.1, controller.parts.ending.set)
    end.start()
    began = time.monotonic()
    assert controller.call("GET", "/api/v1/table", params=place(controller, wait=60)).status_code == 204
    assert time.monotonic() - began < 30
    end.join()


def test_another_stores_place_is_another_table(controller: Controller) -> None:
    found = controller.get("/api/v1/table", params=place(controller) | {"store_id": "other", "wait": 30})
    assert found["version"] == controller.tables.current().version
