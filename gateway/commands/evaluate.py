"""`tipstaff evaluate`: how good the classifiers are on labelled rows, head by head and principle by principle."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from classifiers import metrics
from classifiers.encoder.heads import HARMFUL, REFUSAL, answer_head
from classifiers.principle import Principle, ViolatedBy
from gateway.commands.classify import Classified, Evaluators, Line, LineError, classify

ALARMS = 0.02
"""Share of false alarms at which recall is told."""
_METRICS: dict[str, metrics.Metric] = {
    "auroc": metrics.auroc,
    "auprc": metrics.auprc,
    "f1": metrics.f1,
    "recall": metrics.share,
    "false_alarms": metrics.false_alarms,
    "recall_at": lambda labels, scores: metrics.recall_at(labels, scores, ALARMS),
    "calibration_error": metrics.calibration_error,
}


class Labelled(msgspec.Struct, frozen=True):
    """A row: the texts, what is true of them (1 yes, 0 no, absent unknown), and what it must not be parted from."""

    id: str
    prompt: str | None = None
    response: str | None = None
    labels: dict[str, Literal[0, 1]] = {}
    source: str = "all"
    group: str = ""


class Case(NamedTuple):
    """One row as one evaluator's question. `score` None: not evaluated."""

    source: str
    group: str
    label: bool
    score: float | None


class Result(msgspec.Struct, frozen=True):
    """One head, or one principle, on one source. `unsaid`: rows that were not evaluated; they are in no metric."""

    name: str
    kind: str
    source: str
    positives: int
    negatives: int
    unsaid: int
    metrics: dict[str, metrics.Measured]


def evaluate(
    by: Evaluators,
    rows: Sequence[Labelled],
    told: Callable[[], None],
) -> tuple[list[Result], dict[str, list[Case]]]:
    """Results, heads first, each over all sources and then by source; and the cases by head, for the picture."""
    by_name: dict[tuple[str, str], list[Case]] = {}
    lines = [Line(row.id, row.prompt, row.response) for row in rows]
    for row, found in zip(rows, classify(by, lines), strict=True):
        for kind, name, label, score in _questions(by, row, found):
            by_name.setdefault((kind, name), []).append(Case(row.source, row.group or row.id, label, score))
        told()
    results = [
        _result(kind, name, source, chosen)
        for (kind, name), cases in by_name.items()
        for source, chosen in _sources(cases)
    ]
    return results, {name: cases for (kind, name), cases in by_name.items() if kind == "head"}


def read(path: Path) -> list[Labelled]:
    """The rows of a file. Raises LineError, OSError."""
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.append(msgspec.json.decode(line, type=Labelled))
        except msgspec.DecodeError as error:
            raise LineError(f"{path}, line {number}: {error}") from error
    if not rows:
        raise LineError(f"{path}: no rows")
    return rows


def scored(cases: Mapping[str, Sequence[Case]]) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    """Labels and scores by head, as a picture takes them."""
    return {
        name: (np.array([case.label for case in own]), np.array([case.score for case in own], dtype=np.float64))
        for name, every in cases.items()
        if (own := [case for case in every if case.score is not None])
    }


def table(found: Sequence[Result]) -> list[str]:
    """For a person: AUROC, and recall at few false alarms, with their intervals."""
    lines = [
        f"{'':<28} {'source':<22} {'+':>6} {'-':>6} {'AUROC':<22} {'F1':<6} {'recall':<7} {'alarms':<7} unsaid"
    ]
    for each in found:
        if not each.metrics:
            lines.append(
                f"{each.name:<28} {each.source:<22} {'':>6} {'':>6} nothing was evaluated {each.unsaid:>26}"
            )
            continue
        area = each.metrics["auroc"]
        spread = f"{area.value:.3f} ({area.low:.3f}-{area.high:.3f})" if not np.isnan(area.low) else "-"
        rest = " ".join(
            f"{_shown(each.metrics[key].value):<{size}}"
            for key, size in (("f1", 6), ("recall", 7), ("false_alarms", 7))
        )
        lines.append(
            f"{each.name:<28} {each.source:<22} {each.positives:>6} {each.negatives:>6} {spread:<22} {rest} "
            f"{each.unsaid}"
        )
    return lines


def _shown(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def violated(principle: Principle, labels: Mapping[str, int]) -> bool | None:
    """Whether labels say that an exchange violates the principle: the rule of classifiers.resolution on labels."""
    known = [labels[head] for head in principle.heads if head in labels]
    if principle.decided_by is ViolatedBy.OVER_REFUSAL:
        parts = [labels.get(REFUSAL), labels.get("benign")]
    elif not known:
        return None
    elif principle.decided_by is ViolatedBy.CONDUCT:
        return max(known) == 1
    else:
        declined = labels.get(REFUSAL)
        parts = [max(known), labels.get(HARMFUL), None if declined is None else 1 - declined]
    if 0 in parts:
        return False
    return None if None in parts else True


def _questions(by: Evaluators, row: Labelled, found: Classified) -> Iterable[tuple[str, str, bool, float | None]]:
    known = frozenset() if by.encoder is None else by.encoder.knows
    for head, label in row.labels.items():
        if (row.response is None or answer_head(head)) and head in known:
            yield "head", head, label == 1, found.heads.get(head)
    if row.response is None:
        return
    findings = {each.principle: each for each in found.verdict.findings}
    for principle in by.constitution.principles:
        breaks = violated(principle, row.labels)
        if breaks is not None and principle.id in findings:
            yield "principle", principle.id, breaks, findings[principle.id].probability


def _sources(cases: list[Case]) -> Iterable[tuple[str, list[Case]]]:
    yield "all", cases
    names = sorted({case.source for case in cases})
    if len(names) > 1:
        yield from ((name, [case for case in cases if case.source == name]) for name in names)


def _result(kind: str, name: str, source: str, cases: list[Case]) -> Result:
    told = [case for case in cases if case.score is not None]
    labels = np.array([case.label for case in told], dtype=np.bool_)
    scores = np.array([case.score for case in told], dtype=np.float64)
    groups = [case.group for case in told]
    return Result(
        name,
        kind,
        source,
        int(labels.sum()),
        int((~labels).sum()),
        len(cases) - len(told),
        {key: metrics.measured(metric, labels, scores, groups) for key, metric in _METRICS.items()} if told else {},
    )
