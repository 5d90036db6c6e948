"""Another configuration under a data plane that has work."""

from typing import Any

from gateway.configfile import parse
from gateway.proxy.arms import Standing, build_arms
from gateway.proxy.models import ModelList
from gateway.settings import Settings
from tests.support.dataplane import TOKENS, config
from tests.support.plainplane import PlainPlane, answer, request

STABLE, CANARY = "http://stable.test:8000", "http://canary.test:8000"


def follow(plane: PlainPlane, settings: Settings) -> None:
    bench = plane.bench
    arms = build_arms(
        settings.models,
        bench.meters,
        plane.clock,
        lambda: 0.0,
        Standing(bench.settings.models, bench.arms),
    )
    bench.plane.follow(settings, arms=arms, models=ModelList(settings.models, arms, 1), tokens=TOKENS, keys=None)
    bench.arms, bench.settings = arms, settings


def settings(plane: PlainPlane, *endpoints: str, **more: Any) -> Settings:  # noqa: ANN401 - any configuration key
    return parse(config(*endpoints, **more), plane.bench.file.path.parent, {})


def test_an_answer_under_way_ends_and_the_next_request_goes_the_new_way(plane: PlainPlane) -> None:
    plane.send(request())
    assert plane.sent_on("stable")
    follow(plane, settings(plane, "http://other.test:8000"))
    plane.reply(answer(b'{"whole":true}'))
    assert plane.answer().endswith(b'{"whole":true}')
    plane.supply("stable")
    plane.send(request())
    assert b"host: other.test:8000" in plane.sent_on("stable").lower()


def test_an_arm_that_stays_as_it_was_keeps_what_is_known_of_it(plane: PlainPlane) -> None:
    before = dict(plane.bench.arms)
    changed = settings(plane, STABLE, "http://other.test:8000")
    follow(plane, changed)
    assert plane.bench.arms["assistant", "stable"] is before["assistant", "stable"]
    assert plane.bench.arms["assistant", "canary"] is not before["assistant", "canary"]


def test_bounds_and_deadlines_hold_at_once(plane: PlainPlane) -> None:
    follow(plane, settings(plane, STABLE, CANARY, limits={"body_bytes": 10}, deadlines={"header": 1}))
    plane.send(request())
    assert plane.answer().startswith(b"HTTP/1.1 413")
    client, transport = plane.connect()
    client.data_received(b"GET / HTTP/1.1\r\n")
    plane.wait(1.5)
    assert transport.taken().startswith(b"HTTP/1.1 408")


def test_a_model_that_is_new_is_there_and_one_that_is_gone_is_not(plane: PlainPlane) -> None:
    other = parse(
        {"models": {"other": {"arms": {"only": {"endpoints": [STABLE]}}}}}, plane.bench.file.path.parent, {}
    )
    follow(plane, other)
    plane.send(request())
    assert plane.answer().startswith(b"HTTP/1.1 404")
    assert plane.bench.table.table.models.keys() == {"other"}
