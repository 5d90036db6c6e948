"""Nothing is named that nobody counts."""

import re
from pathlib import Path

import gateway
from gateway.telemetry import metrics
from gateway.telemetry.metrics import Metric

ROOT = Path(gateway.__file__).parent


def test_every_metric_has_somebody_who_counts_it() -> None:
    names = {name: value for name, value in vars(metrics).items() if isinstance(value, Metric)}
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in ROOT.rglob("*.py")
        if path.name not in ("metrics.py", "reference.py")
    )
    own = (ROOT / "telemetry" / "metrics.py").read_text(encoding="utf-8")
    idle = [
        name
        for name in names
        if not re.search(rf"\b(?:metrics\.{name}|{name})\b", code) and f"counter({name}" not in own
    ]
    assert idle == []


def test_names_and_help_are_prometheuss() -> None:
    for metric in metrics.ALL:
        assert metric.name.startswith("tipstaff_")
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert bool(metric.bounds) == (metric.kind == "histogram")
        assert metric.help[0].isupper() or metric.help[0].isdigit()
        assert metric.help.endswith(".")
    assert len({metric.name for metric in metrics.ALL}) == len(metrics.ALL)
