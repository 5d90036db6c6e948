"""Every metric is documented, and means what the name says."""

import re
from pathlib import Path

import pytest

from gateway.telemetry import metrics
from gateway.telemetry.metrics import ALL, Metric
from gateway.telemetry.reference import page

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"


def test_the_page_is_the_one_that_the_code_makes() -> None:
    assert (DOCS / "metrics.md").read_text(encoding="utf-8") == page(), (
        "run: python -m gateway.telemetry.reference > docs/metrics.md"
    )


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"tipstaff(_[a-z0-9]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.help.endswith(".")
    assert bool(metric.bounds) == (metric.kind == "histogram")
    assert list(metric.bounds) == sorted(set(metric.bounds))
    assert not {"le", "quantile", "job", "instance"} & set(metric.labels)


def test_no_two_have_one_name() -> None:
    assert len({metric.name for metric in ALL}) == len(ALL)


def test_each_has_somebody_who_counts_it() -> None:
    names = {name: metric for name, metric in vars(metrics).items() if isinstance(metric, Metric)}
    paths = (path for path in (ROOT / "gateway").rglob("*.py") if path.name != "reference.py")
    code = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    made = re.sub(r"^[A-Z_]+ = Metric\(", "", code, flags=re.MULTILINE)
    used = re.sub(r"^ +[A-Z_]+,$|^from .* import .*$", "", made, flags=re.MULTILINE)
    assert [name for name in names if not re.search(rf"\b{name}\b", used)] == []
