"""The page docs/metrics.md, made from the metrics themselves: `python -m gateway.telemetry.reference`."""

import sys
from collections.abc import Iterator

from gateway.telemetry.metrics import ALL, Metric

_OPENING = """# Metrics

`GET /metrics` on the admin port answers one scrape for every process of a data folder, as Prometheus text or as
OpenMetrics. From the same machine it needs no token; from elsewhere send one of the role viewer
(`tipstaff observe` writes all of it, [observe.md](observe.md)):

    scrape_configs:
      - job_name: tipstaff
        authorization: {credentials_file: /etc/tipstaff/viewer_token}
        static_configs: [{targets: ["gateway:9191"]}]

Counters and histograms are kept in the data folder: they survive restarts and kill -9, and those of processes that
have ended are still counted. Gauges come from living processes only. Where several processes have one, they are
added up unless the table says otherwise. A series of a configured arm that may stay without an event for long is
there at 0 from the start, so that `rate()` sees the first event.

This page is made from the code (`python -m gateway.telemetry.reference`); a test compares the two.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
"""
_LABELS = {
    "arm": "the deployed version (`stable`, `canary`, ...) that served; for weights and fail-overs the assigned; in"
    " a rollout the one on trial",
    "by": "who decided: `tipstaff`, by the evidence, or `operator`, which the configuration is too",
    "bound": "`mean`, `low` or `high`",
    "classifier": "which classifiers run",
    "code": "HTTP status; for `tipstaff_rejected_total` the error's code",
    "constitution": "content hash of the constitution",
    "consumer": "the process that reads a stream",
    "gateway": "another gateway, by its `events.source`",
    "guardrail": "the guardrail's metric in the plan (`harm`, `over_refusal`, ...); `all`: over all of them",
    "hypothesis": "`worse` (the confirming test), `alarm` (worse, the fast alarm) or `no_worse`",
    "kind": "what kind of failure, refusal or decision",
    "metric": "the metric's name",
    "model": "the name that clients ask for",
    "principle": "the principle's id in the constitution",
    "process": "the process's name (`proxy-0`, `scorer-0`, `controller`, ...)",
    "reason": "how a request ended, why an event was dropped, why nothing was evaluated, why a sign-in failed",
    "receiver": "its place in `notify`, from 0",
    "result": "`sent`, `failed` or `dropped`",
    "route": "what the path asks for (`chat_completions`, `completions`, `responses`, `messages`, ...)",
    "severity": "`low`, `medium`, `high` or `critical`",
    "source": "where the unit came from, as the configuration writes it; `request`: there was none",
    "state": "`running`, `frozen`, `suspended`, `stopped`, `holdout`, `rolled_back`, `promoted`, `undone` or"
    " `finished`",
    "stage": "the scoring stage",
    "stream": "the event stream (`exchanges`, `verdicts`, ...)",
    "version": "tipstaff's version",
}


def page() -> str:
    """The whole page. Raises KeyError for a label without a meaning."""
    return "".join((_OPENING, *_rows(), "\n", *_labels(), "\n", *_buckets()))


def _rows() -> Iterator[str]:
    for metric in sorted(ALL, key=lambda metric: metric.name):
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.kind}{_across(metric)} | {labels} | {metric.help} |\n"


def _across(metric: Metric) -> str:
    words = {"sum": "", "max": ", the highest", "min": ", the lowest"}
    return words[metric.across] if metric.kind == "gauge" else ""


def _labels() -> Iterator[str]:
    yield "## Labels\n\n| label | meaning |\n| --- | --- |\n"
    for label in sorted({label for metric in ALL for label in metric.labels}):
        yield f"| `{label}` | {_LABELS[label]} |\n"


def _buckets() -> Iterator[str]:
    yield "## Buckets\nUpper bounds of the histograms, in seconds.\n\n"
    by_bounds: dict[tuple[float, ...], list[str]] = {}
    for metric in ALL:
        if metric.kind == "histogram":
            by_bounds.setdefault(metric.bounds, []).append(f"`{metric.name}`")
    for bounds, names in by_bounds.items():
        yield f"- {', '.join(f'{bound:g}' for bound in bounds)}: {', '.join(names)}\n"


if __name__ == "__main__":
    sys.stdout.write(page())
