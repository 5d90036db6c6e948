from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Exemplar

from gateway.telemetry import metrics
from gateway.telemetry.counterfile import CounterFile, Reader, alive
from gateway.telemetry.exposition import Exposition, Reading
from gateway.telemetry.metrics import MOST_HISTOGRAMS, MOST_SERIES, Meters

LABELS = ("assistant", "stable", "chat_completions")


class Writers:
    """Opens counter files as processes would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open: dict[str, CounterFile] = {}

    def meters(self, process: str) -> Meters:
        self.open[process] = CounterFile.open(self.folder / f"{process}.bin")
        return Meters(self.open[process])

    def end(self, process: str) -> None:
        self.open.pop(process).close()


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[Writers]:
    writers = Writers(tmp_path)
    yield writers
    for process in list(writers.open):
        writers.end(process)


def samples(exposition: Exposition) -> dict[tuple[str, tuple[str, ...]], float]:
    text = exposition.render("")[0].decode()
    return {
        (sample.name, tuple(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counters_and_histograms_are_summed_and_stay_when_a_process_ends(writers: Writers) -> None:
    exposition = Exposition(writers.folder)
    for process in ("proxy-0", "proxy-1"):
        meters = writers.meters(process)
        meters.counter(metrics.SCORED, "assistant", "stable").inc(3)
        meters.histogram(metrics.DURATION, *LABELS).observe(0.3)
        meters.histogram(metrics.DURATION, *LABELS).observe(1000)
    for _ in range(2):
        found = samples(exposition)
        assert found["tipstaff_exchanges_scored_total", ("assistant", "stable")] == 6
        name, labels = "tipstaff_request_duration_seconds", tuple(sorted(LABELS))
        assert found[f"{name}_count", labels] == 4
        assert found[f"{name}_sum", labels] == 2000.6
        assert found[f"{name}_bucket", tuple(sorted((*LABELS, "0.25")))] == 0
        assert found[f"{name}_bucket", tuple(sorted((*LABELS, "0.5")))] == 2
        assert found[f"{name}_bucket", tuple(sorted((*LABELS, "300.0")))] == 2
        assert found[f"{name}_bucket", tuple(sorted((*LABELS, "+Inf")))] == 4
        for process in list(writers.open):
            writers.end(process)


def test_gauges_of_the_dead_do_not_linger(writers: Writers) -> None:
    exposition = Exposition(writers.folder)
    for process, value in (("proxy-0", 5), ("proxy-1", 7)):
        writers.meters(process).gauge(metrics.IN_FLIGHT, "assistant", "stable").set(value)
    assert samples(exposition)["tipstaff_in_flight", ("assistant", "stable")] == 12
    writers.end("proxy-1")
    found = samples(exposition)
    assert found["tipstaff_in_flight", ("assistant", "stable")] == 5
    assert found["tipstaff_process_up", ("proxy-0",)] == 1
    assert found["tipstaff_process_up", ("proxy-1",)] == 0


def test_several_processes_gauges_merge_by_their_rule(writers: Writers) -> None:
    for process, value in (("a", 5.0), ("b", 7.0), ("c", 6.0)):
        meters = writers.meters(process)
        meters.gauge(metrics.SCORER_LAG).set(value)
        meters.gauge(metrics.TABLE_VERSION).set(value)
        meters.gauge(metrics.CONNECTIONS).set(value)
    found = samples(Exposition(writers.folder))
    assert found["tipstaff_scorer_lag_seconds", ()] == 7
    assert found["tipstaff_routing_table_version", ()] == 5
    assert found["tipstaff_connections", ()] == 18


def test_readings_join_in_and_zeros_change_no_sum(writers: Writers) -> None:
    writers.meters("scorer-0").counter(metrics.SCORED, "assistant", "stable").inc(2)
    readings = [
        Reading(metrics.SCORED, ("assistant", "stable")),
        Reading(metrics.SCORED, ("assistant", "canary")),
        Reading(metrics.DURATION, LABELS),
        Reading(metrics.WEIGHT, ("assistant", "canary"), 0.25),
    ]
    found = samples(Exposition(writers.folder, lambda: readings))
    assert found["tipstaff_exchanges_scored_total", ("assistant", "stable")] == 2
    assert found["tipstaff_exchanges_scored_total", ("assistant", "canary")] == 0
    assert found["tipstaff_request_duration_seconds_count", tuple(sorted(LABELS))] == 0
    assert found["tipstaff_rollout_weight_ratio", ("assistant", "canary")] == 0.25


def test_what_another_version_wrote_does_not_get_mixed_in(writers: Writers) -> None:
    file = writers.meters("proxy-0").file
    file.series("tipstaff_gone_total", "counter")
    file.series(metrics.OVERHEAD_SECONDS.name, "histogram", (("model", "assistant"),), (1.0, 2.0))
    file.series(metrics.SCORED.name, "counter", (("model", "assistant"),))
    found = samples(Exposition(writers.folder))
    assert not [name for name, labels in found if "assistant" in labels or name == "tipstaff_gone_total"]


def test_a_file_that_turns_unreadable_counts_with_what_it_held(writers: Writers) -> None:
    exposition = Exposition(writers.folder)
    writers.meters("scorer-0").counter(metrics.SCORED, "assistant", "stable").inc(2)
    samples(exposition)
    writers.end("scorer-0")
    (writers.folder / "scorer-0.bin").write_bytes(b"")
    assert samples(exposition)["tipstaff_exchanges_scored_total", ("assistant", "stable")] == 2


def test_another_file_under_the_same_name_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    reader = Reader(path)
    for name in ("first", "second_and_longer"):
        file = CounterFile.open(path)
        file.series(name, "counter")
        assert [series.name for series, _ in reader.read()] == [name]
        file.close()
        path.unlink()


def test_a_file_is_alive_until_its_last_writer_closes(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    file = CounterFile.open(path)
    assert alive(path)
    file.close()
    file.close()
    assert not alive(path)


def test_the_accept_header_chooses_the_format(tmp_path: Path) -> None:
    exposition = Exposition(tmp_path)
    plain, plain_type = exposition.render("*/*")
    metrics_text, open_type = exposition.render("application/openmetrics-text; version=1.0.0")
    assert plain_type.startswith("text/plain")
    assert open_type.startswith("application/openmetrics-text; version=1.0.0")
    assert metrics_text.endswith(b"# EOF\n")
    assert b"# EOF" not in plain


def test_every_metric_is_announced_before_it_has_a_series(tmp_path: Path) -> None:
    text = Exposition(tmp_path).render("")[0].decode()
    for metric in metrics.ALL:
        assert f"# TYPE {metric.name} {metric.kind}\n" in text


def test_a_process_that_should_not_live_is_not_called_dead(writers: Writers) -> None:
    for process in ("proxy-0", "proxy-1", "proxy-2"):
        writers.meters(process).counter(metrics.SCORED, "assistant", "stable").inc()
    writers.end("proxy-1")
    writers.end("proxy-2")
    found = samples(Exposition(writers.folder, wanted={"proxy-0", "proxy-1"}))
    assert found["tipstaff_process_up", ("proxy-0",)] == 1
    assert found["tipstaff_process_up", ("proxy-1",)] == 0
    assert ("tipstaff_process_up", ("proxy-2",)) not in found
    assert found[metrics.SCORED.name, ("assistant", "stable")] == 3, "what it counted still counts"


def test_label_values_that_run_away_are_counted_together(writers: Writers) -> None:
    meters = writers.meters("proxy-0")
    for number in range(MOST_SERIES + 100):
        meters.counter(metrics.SCORED, f"model-{number}", "stable").inc()
    for number in range(MOST_HISTOGRAMS + 7):
        meters.histogram(metrics.DURATION, f"model-{number}", "stable", "messages").observe(0.1)
    meters.counter(metrics.SCORED, "model-0", "stable").inc()
    found = samples(Exposition(writers.folder))
    scored = {labels: value for (name, labels), value in found.items() if name == metrics.SCORED.name}
    assert len(scored) == MOST_SERIES + 1
    assert scored["other", "other"] == 100
    assert scored["model-0", "stable"] == 2
    assert sum(scored.values()) == MOST_SERIES + 101
    durations = [labels for name, labels in found if name == f"{metrics.DURATION.name}_count"]
    assert len(durations) == MOST_HISTOGRAMS + 1
    assert found[metrics.SERIES_CAPPED.name, (metrics.SCORED.name,)] == 100
    assert found[metrics.SERIES_CAPPED.name, (metrics.DURATION.name,)] == 7


BY_PROXY = (
    *(metrics.REQUESTS, metrics.DURATION, metrics.FIRST_BYTE, metrics.INTER_CHUNK, metrics.OVERHEAD_SECONDS),
    *(metrics.IN_FLIGHT, metrics.UPSTREAM_ERRORS, metrics.FAIL_OVERS, metrics.REJECTED, metrics.UNITS),
)
BY_SCORER = (
    *(metrics.SCORED, metrics.NOT_EVALUATED, metrics.VIOLATIONS, metrics.PROVOCATIONS, metrics.REFUSALS),
    *(metrics.CLASSIFIER_SECONDS, metrics.SPANS_DROPPED),
)


@pytest.mark.parametrize("written", [BY_PROXY, BY_SCORER])
def test_all_that_a_process_counts_fits_into_its_file(
    writers: Writers, written: tuple[metrics.Metric, ...]
) -> None:
    meters = writers.meters("proxy-0")
    for metric in written:
        make = {"counter": meters.counter, "gauge": meters.gauge, "histogram": meters.histogram}[metric.kind]
        for number in range(3000):
            make(metric, *(f"{label}-{number}" for label in metric.labels))


def test_violations_carry_exemplars_where_openmetrics_is_asked_for(writers: Writers) -> None:
    series = ("assistant", "canary", "weapons", "high")
    writers.meters("scorer-0").counter(metrics.VIOLATIONS, *series).inc(2)
    exemplar = Exemplar({"exchange_id": "e" * 32, "trace_id": "a" * 32}, 1.0, 1_760_000_000.5)
    exposition = Exposition(writers.folder, exemplars=lambda: {(metrics.VIOLATIONS.name, series): exemplar})
    body, kind = exposition.render("application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    families = {family.name: family for family in openmetrics(body.decode())}  # type: ignore[no-untyped-call] # as its author left it
    (sample,) = families["tipstaff_violations"].samples
    assert sample.exemplar is not None
    assert sample.exemplar.labels == exemplar.labels
    assert "# {" not in exposition.render("")[0].decode()
