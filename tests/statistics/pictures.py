"""The pictures of docs/statistics.md: `python -m tests.statistics.pictures` writes them into docs/pictures."""

from math import log10
from pathlib import Path

import msgspec
import numpy as np

from gateway.rollout.plan import DAY, PRESETS
from gateway.rollout.simulate import Simulation
from gateway.rollout.world import Errors, World
from tests.statistics.errors import ALPHA, MARGIN
from tests.statistics.many import Many
from tests.statistics.svg import BLUE, GREEN, GREY, RED, Axis, Line, chart

_FOLDER = Path(__file__).parents[2] / "docs" / "pictures"


def paths() -> str:
    """Evidence against 25 equal canaries and 25 with twice stable's rate, as it grows."""
    runs, length, every, part, rate = 25, 20_000, 200, 0.1, 0.01
    random = np.random.default_rng(5)
    lines = []
    for times, colour in ((1.0, BLUE), (2.0, RED)):
        many = Many(runs, part, MARGIN)
        seen = [np.zeros(runs)]
        for number in range(1, length + 1):
            many.step(*many.draw((rate, times * rate), random))
            if number % every == 0:
                seen.append(np.log10(many.mean()))
        drawn = np.array(seen).T.tolist()
        lines += [
            Line([(number * every, each) for number, each in enumerate(run)], colour, faint=True) for run in drawn
        ]
    threshold = log10(1 / ALPHA)
    lines.append(Line([(0, threshold), (length, threshold)], GREY, "goes back at 20", dashed=True))
    return chart(
        Axis(
            "exchanges, a tenth of them on the canary", 0, length, [(5000 * n, f"{5000 * n:,}") for n in range(5)]
        ),
        Axis("E", -3, 6, [(n, f"{10.0**n:,g}") for n in range(-3, 7)]),
        lines,
        "Evidence against 25 equal canaries stays low; against 25 that violate twice as often it passes 20",
    )


def looks() -> str:
    """Equal canaries that were rolled back by then: a z-test looked at every 5 minutes, and the e-process."""
    runs, windows, each, part, rate = 2_000, 2_016, 347, 0.1, 0.01
    random = np.random.default_rng(6)
    canary = random.binomial(each, part, (windows, runs)).cumsum(axis=0)
    total = np.arange(1, windows + 1)[:, None] * each
    hits = random.binomial(np.diff(canary, axis=0, prepend=0), rate).cumsum(axis=0)
    others = random.binomial(each - np.diff(canary, axis=0, prepend=0), rate).cumsum(axis=0)
    pooled = np.clip((hits + others) / total, 1e-9, 1)
    stable = total - canary
    statistic = (hits / canary - others / stable) / np.sqrt(pooled * (1 - pooled) * (1 / canary + 1 / stable))
    peeked = np.maximum.accumulate(statistic > 1.645, axis=0).mean(axis=1)
    ours = _false_alarms(runs // 4, windows, each, part, rate, random)
    days = [number / 288 for number in range(1, windows + 1)]
    return chart(
        Axis("days", 0, 7, [(day, str(day)) for day in range(8)]),
        Axis("equal canaries that went back", 0, 0.8, [(n / 10, f"{10 * n} %") for n in range(0, 9, 2)]),
        [
            Line(list(zip(days, peeked.tolist(), strict=True))[::8], RED, "z-test, 5 min"),
            Line(list(zip(days, ours, strict=True))[::8], GREEN, "tipstaff"),
            Line([(0, ALPHA), (7, ALPHA)], GREY, dashed=True),
        ],
        "A z-test looked at every five minutes rolls back most equal canaries within a week; tipstaff below 5 %",
    )


def _false_alarms(
    runs: int, windows: int, each: int, part: float, rate: float, random: np.random.Generator
) -> list[float]:
    many, crossed, shares = Many(runs, part, MARGIN), np.zeros(runs, dtype=np.bool_), []
    for _ in range(windows):
        for _ in range(each):
            many.step(*many.draw((rate, rate), random))
            crossed |= many.mean() >= 1 / ALPHA
        shares.append(float(crossed.mean()))
    return shares


def rollouts() -> str:
    """The canary's share in rollouts by the balanced plan: five equal ones, five that turn on the third day."""
    lines = []
    errors = Errors(0.8, 0.995)
    for times, colour in ((1.0, GREEN), (3.0, RED)):
        for seed in range(5):
            world = World(per_day=10_000, users=20_000, stable=errors, canary=errors, drift=0.2)
            turning = msgspec.structs.replace(world, ratios={"harm": times}, turns=2.5 * DAY)
            run = Simulation(PRESETS["balanced"], turning, seed).run(6.0)
            share, points = PRESETS["balanced"].shares[0], [(0.0, PRESETS["balanced"].shares[0])]
            for made in run.decisions:
                points += [(made.at / DAY, share), (made.at / DAY, made.decision.share)]
                share = made.decision.share
            lines.append(Line([*points, (6.0, share)], colour, faint=True))
    lines.append(Line([(2.5, 0), (2.5, 1)], GREY, dashed=True))
    return chart(
        Axis("days; behind the dashed line the red canaries violate three times as often", 0, 6, _days(6)),
        Axis("the canary's share", 0, 1, [(n / 100, f"{n} %") for n in (0, 25, 50, 75, 100)]),
        lines,
        "Equal canaries climb to 95 % and 100 %; those that turn worse on the third day fall to 0 within hours",
    )


def _days(most: int) -> list[tuple[float, str]]:
    return [(float(day), str(day)) for day in range(most + 1)]


def main() -> None:
    """Write them all."""
    _FOLDER.mkdir(exist_ok=True)
    for made in (paths, looks, rollouts):
        (_FOLDER / f"{made.__name__}.svg").write_text(made(), encoding="utf-8")


if __name__ == "__main__":
    main()
