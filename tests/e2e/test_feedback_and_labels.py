"""A user says what was wrong with an answer; people label a sample: the whole gateway, over its ports."""

import csv
import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.demo.model_server import ModelServer
from tests.support.people import question
from tests.support.simulated import simulated
from tests.support.stack import Stack, tipstaff
from tests.support.wait import until

ASKED = 12


@pytest.fixture
def models() -> Iterator[list[ModelServer]]:
    with simulated("acme/v1", "acme/v2") as servers:
        yield servers


@pytest.fixture
def stack(models: list[ModelServer], tmp_path: Path) -> Iterator[Stack]:
    arms = {
        "stable": {"endpoints": [models[0].url]},
        "canary": {"endpoints": [models[1].url], "weight": 50},
    }
    with Stack(tmp_path, {"assistant": {"arms": arms}}, feedback={"per_minute": 6000}) as stack:
        yield stack


def ask(stack: Stack, count: int) -> list[str]:
    """The ids of so many exchanges, all of them scored."""
    answers = [
        stack.client.post(
            "/v1/chat/completions", json=question("assistant"), headers={"x-user-id": f"user {number}"}
        )
        for number in range(count)
    ]
    ids = [answer.headers["x-tipstaff-exchange"] for answer in answers]
    until(lambda: all(detail(stack, one) is not None for one in ids), 60, "all are scored", 0.1)
    return ids


def detail(stack: Stack, exchange: str) -> Any:  # noqa: ANN401 - JSON
    answer = stack.admin.get(f"/api/v1/exchanges/{exchange}")
    return answer.json() if answer.status_code == 200 else None


def ledger(stack: Stack, stream: str) -> Any:  # noqa: ANN401 - JSON
    streams = stack.admin.get("/api/v1/ledger").json()["streams"]
    return next(one for one in streams if one["stream"] == stream)


def test_feedback_reaches_the_exchange_once_and_the_ledger_has_all_of_it(stack: Stack) -> None:
    (exchange,) = ask(stack, 1)
    thumbs = {"exchange_id": exchange, "metric": "thumbs_down", "value": 1, "id": "click-1"}
    for _ in range(3):
        answer = stack.client.post("/tipstaff/v1/feedback", json=thumbs)
        assert (answer.status_code, answer.json()) == (202, {"accepted": [f"{exchange}-click-1"]})
    stars = {"exchange_id": exchange, "metric": "stars", "value": 0.25}
    assert stack.client.post("/tipstaff/v1/feedback", json=[stars, stars]).status_code == 202
    until(lambda: len(detail(stack, exchange)["feedback"]) == 3, 20, "it is with its exchange", 0.1)
    shown = detail(stack, exchange)["feedback"]
    assert [(one["metric"], one["counts"]) for one in shown] == [
        ("thumbs_down", True),
        ("stars", True),
        ("stars", False),
    ]
    until(lambda: ledger(stack, "feedback")["settled"], 20, "the ledger is settled", 0.1)
    assert ledger(stack, "feedback")["started"] == ledger(stack, "feedback")["appended"] == 5
    assert ledger(stack, "feedback")["consumers"] == {"controller": {"delivered": 5, "spooled": 0, "lost": 0}}

    refused = stack.client.post("/tipstaff/v1/feedback", json={**thumbs, "value": 3})
    assert refused.status_code == 400
    assert "value" in refused.json()["error"]["message"]


def test_after_kill_9_of_the_proxy_what_it_had_taken_is_there_or_booked(stack: Stack) -> None:
    (exchange,) = ask(stack, 1)
    said = [{"exchange_id": exchange, "metric": "thumbs_down", "value": 1, "id": f"{n}"} for n in range(100)]
    assert stack.client.post("/tipstaff/v1/feedback", json=said).status_code == 202
    killed = stack.pid("proxy-0")
    os.kill(killed, signal.SIGKILL)
    until(lambda: stack.pid("proxy-0") != killed and again(stack, said), 60, "the proxy is back", 0.2)

    def whole() -> bool:
        account = ledger(stack, "feedback")
        return bool(account["settled"]) and len(detail(stack, exchange)["feedback"]) == 100

    until(whole, 30, "each is there once", 0.1)
    account = ledger(stack, "feedback")
    assert account["started"] == account["appended"] + account["dropped"].get("crash", 0)


def again(stack: Stack, said: object) -> bool:
    """A client that does not know whether it was taken sends it again, with the same ids."""
    try:
        return stack.client.post("/tipstaff/v1/feedback", json=said).status_code == 202
    except httpx.TransportError:
        return False


def test_a_sample_is_drawn_filled_in_imported_and_summed_up(stack: Stack, tmp_path: Path) -> None:
    asked = ask(stack, ASKED)
    where = ("--admin", f"127.0.0.1:{stack.admin_port}")
    drawn = tipstaff("review", "sample", "assistant", "--size", "8", "--csv", *where)
    assert drawn.returncode == 0, drawn.stderr
    rows = list(csv.DictReader(io.StringIO(drawn.stdout)))
    assert len(rows) == 8
    assert {row["exchange_id"] for row in rows} <= set(asked)

    filled = tmp_path / "labelled.csv"
    with filled.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "violates": "no" if place < 6 else ""} for place, row in enumerate(rows))
    done = tipstaff("review", "import", "assistant", filled, "--actor", "ada", *where)
    assert (done.returncode, done.stdout) == (0, "6 labels taken\n"), done.stderr
    last = rows[7]["exchange_id"]
    done = tipstaff("review", "label", "assistant", last, "--violates", "--actor", "ada", "--note", "rude", *where)
    assert done.returncode == 0, done.stderr
    summed = tipstaff("review", "summary", "assistant", *where)
    assert summed.returncode == 0, summed.stderr
    table = [line.split() for line in summed.stdout.splitlines()[3:]]
    assert [sum(int(row[at]) for row in table) for at in range(2, 6)] == [ASKED, 8, 7, 1]

    filled.write_text(f"exchange_id,violates\n{last},perhaps\n")
    refused = tipstaff("review", "import", "assistant", filled, *where)
    assert refused.returncode == 1
    assert "line 2: column violates" in refused.stderr
    unknown = tipstaff("review", "import", "assistant", tmp_path / "labels.xls", *where)
    assert unknown.returncode == 2
    assert "expected .csv or .jsonl" in unknown.stderr
