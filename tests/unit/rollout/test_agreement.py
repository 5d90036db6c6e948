"""G6: the same numbers as independent implementations, or as numerical integration, to 1e-6.

The figures of `savvi` 0.3.1 (MIT) and `confseq` 0.0.11 (MIT) were computed once and stand here: savvi wants cvxpy
and, undeclared, matplotlib; confseq has no wheel, and neither its C++ nor its Python run with Python 3.11 and
NumPy 2 as they are (its betting.py did with numpy.float_ put back). Beside each stands the call that made it.
"""

from math import log

import numpy as np
import pytest
from scipy.integrate import quad  # type: ignore[import-untyped]  # scipy ships no types
from scipy.special import roots_jacobi  # type: ignore[import-untyped]  # as above

from gateway.rollout.betting import BETS, worse_factors
from gateway.rollout.intervals import Moments, difference_interval, mean_interval
from gateway.rollout.level import level_alarm, observe
from gateway.rollout.mixture import ratio_factors

SAVVI = [  # Multinomial(alpha, [1 - share, share], k).update(counts).odds
    (0.1, 100.0, (9, 1), 0.9527331785174373),
    (0.1, 100.0, (104, 6), 1.5894409189014633),
    (0.1, 100.0, (984, 66), 1348.4696801430766),
    (0.5, 20.0, (60, 40), 2.1865901353714223),
    (0.5, 20.0, (63, 51), 0.6573077719905288),
]
OUTCOMES = [0, 0.25, 1, 0, 0.5, 0, 0, 1, 1, 0.125]
CONFSEQ = {  # betting_mart(OUTCOMES, 0.1, lambdas_fn_positive=bet everywhere, theta=1, trunc_scale=0.9)
    0.25: [
        0.975, 1.0115625, 1.2391640625, 1.2081849609375, 1.329003457031250,
        1.295778370605469, 1.2633839113403322, 1.5476452913919072, 1.8958654819550864, 1.9077146412173058,
    ],
    0.5: [
        0.95, 1.02125, 1.4808125, 1.406771875, 1.68812625,
        1.6037199375, 1.523533940625, 2.2091242139062492, 3.2032301101640615, 3.243270486541112,
    ],
    0.9: [
        0.91, 1.03285, 1.8694585, 1.701207235, 2.3136418396,
        2.105414074036, 1.9159268073727607, 3.467827521344697, 6.276767813633902, 6.417995089440665,
    ],
    1.0: [
        0.9, 1.035, 1.9665, 1.76985, 2.47779, 2.230011, 2.0070099, 3.81331881, 7.245305739, 7.426438382474997,
    ],
    4.0: [
        0.6, 0.96, 4.416, 2.6496, 6.88896, 4.133376, 2.4800256, 11.40811776, 52.477341696, 57.725075865599976,
    ],
}  # fmt: skip


@pytest.mark.parametrize(("share", "k", "counts", "expected"), SAVVI)
def test_the_sample_ratio_test_with_a_beta_mixture_is_savvis(
    share: float, k: float, counts: tuple[int, int], expected: float
) -> None:
    stable, canary = counts
    first, second = k * share, k * (1 - share)
    nodes, weights = roots_jacobi(600, second - 1, first - 1)  # exact up to degree 1199
    theta = (1 + nodes) / 2
    ratios = theta * (1 - share) / ((1 - theta) * share)
    logs = stable * np.log(ratio_factors(ratios, 1.0, share, canary=False))
    logs += canary * np.log(ratio_factors(ratios, 1.0, share, canary=True))
    assert float(np.sum(weights * np.exp(logs)) / np.sum(weights)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("bet", "grid"), [(0.25, 0.5), (0.5, 1.0), (0.9, 2.0)])
def test_a_bet_on_worse_is_confseqs_bet_on_a_mean(bet: float, grid: float) -> None:
    """On the canary at propensity 1/2 the payoff is half of g - (b + d / 2); a bet of 2 is held to 1.8."""
    base, tolerated = np.array(0.05), np.array(0.1)
    place = BETS.tolist().index(grid)
    steps = [worse_factors(True, 0.5, np.array(each), base, tolerated)[place] for each in OUTCOMES]  # noqa: FBT003
    assert np.cumprod(steps) == pytest.approx(CONFSEQ[bet], rel=1e-6)


@pytest.mark.parametrize("bet", [0.25, 1.0, 4.0])
def test_the_level_alarms_sums_are_confseqs_wealth_summed_over_starting_times(bet: float) -> None:
    alarm = level_alarm(0.1, 1e9)
    wealth = [1.0, *CONFSEQ[bet]]
    for number, outcome in enumerate(OUTCOMES, start=1):
        observe(alarm, outcome)
        expected = wealth[number] * sum(1 / each for each in wealth[:number])
        assert alarm.sums[(0.25, 0.5, 1.0, 2.0, 4.0).index(bet)] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("count", "total"), [(10, 3.0), (200, 2.5), (3000, 30.0)])
def test_the_ends_of_a_means_interval_are_where_the_integral_reaches_1_over_alpha(count: int, total: float) -> None:
    for mean in mean_interval(Moments(count, total, total), 0.05):

        def ratio(angle: float, mean: float = mean) -> float:
            """Under q = sin^2(angle), the beta(1/2, 1/2) prior is flat."""
            share = np.sin(angle) ** 2
            return float(np.exp(total * np.log(share / mean) + (count - total) * np.log((1 - share) / (1 - mean))))

        peak = float(np.arcsin(np.sqrt(total / count)))
        area, _ = quad(ratio, 1e-9, np.pi / 2 - 1e-9, points=[peak], epsabs=0, epsrel=1e-10, limit=400)
        assert area / (np.pi / 2) == pytest.approx(20.0, rel=1e-6)


@pytest.mark.parametrize("count", [100, 5000, 100_000])
def test_the_ends_of_a_differences_interval_are_where_the_normal_mixture_reaches_1_over_alpha(count: int) -> None:
    """Terms of variance 1 and a prior N(0, r^2) over their mean: its Bayes factor is 1 / alpha at the ends."""
    scale = 1e-3  # and the variance of one term as large as can be
    _, high = difference_interval(Moments(count, 0.0, count * scale**2), count, 0.05)
    total = count * high / (scale**2 + 1 / count) ** 0.5
    spread = ((-2 * log(0.05) + log(-2 * log(0.05)) + 1) / 5000) ** 0.5

    def density(mean: float) -> float:
        return float(np.exp(mean * total - count * mean**2 / 2 - (mean / spread) ** 2 / 2) / spread)

    peak = total / (count + spread**-2)
    width = 12 / (count + spread**-2) ** 0.5
    area, _ = quad(density, peak - width, peak + width, points=[peak], epsabs=0, epsrel=1e-10)
    assert area / (2 * np.pi) ** 0.5 == pytest.approx(20.0, rel=1e-6)
