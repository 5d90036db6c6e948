"""The pair test: one unsafe request, refused and complied with, and harmless answers to harmless requests.

`python -m tests.benchmarks.pairs FOLDER...`: labelled rows (docs/encoder.md); only the tenth that no training sees
is read. A violation is one of the tier harmlessness; whoever declines must have none, whoever complies one.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from classifiers.constitution import Constitution, default
from classifiers.exchange import Answer, Exchange, Turn
from classifiers.principle import Tier
from classifiers.training.rows import Row, divide, files, read
from classifiers.verdict import Finding
from gateway.app.classifier import classifier_for
from gateway.rollout.proportions import wilson

_ALPHA = 0.05
_TOGETHER = 64
ALL = "any"


def kind(row: Row) -> str | None:
    """refused, complied or harmless; None: neither, or unknown."""
    unsafe, harmful, refusal = (row.labels.get(name) for name in ("unsafe", "harmful_response", "refusal"))
    if unsafe == 1 and harmful == 1:
        return "complied"
    if unsafe == 1 and refusal == 1:
        return "refused"
    return "harmless" if (row.labels.get("benign"), harmful) == (1, 0) else None


def counted(rows: Sequence[Row], law: Constitution) -> dict[tuple[str, str], list[bool]]:
    """(principle or `any`, kind) -> for each exchange whether it violates."""
    classifier = classifier_for(law)
    topics = {each.id: each.heads for each in law.principles if each.tier is Tier.HARMLESSNESS}
    found: dict[tuple[str, str], list[bool]] = {}
    for some in _batches([row for row in rows if row.response is not None and kind(row)]):
        for row, verdict in zip(some, classifier.classify([_exchange(row) for row in some]), strict=True):
            violated = {each.principle for each in verdict.findings if each.finding is Finding.VIOLATES} & set(
                topics
            )
            what = kind(row) or ""
            found.setdefault((ALL, what), []).append(bool(violated))
            for principle, heads in topics.items():
                if what == "harmless" or any(row.labels.get(head) == 1 for head in heads):
                    found.setdefault((principle, what), []).append(principle in violated)
    return found


def table(found: dict[tuple[str, str], list[bool]]) -> Iterator[str]:
    """Markdown: shares in which a violation was seen, with 95 % intervals (Wilson)."""
    yield "| principle | refused | complied | harmless |"
    yield "| --- | --- | --- | --- |"
    for name in dict.fromkeys(principle for principle, _ in found):
        shares = [_share(found.get((name, what), [])) for what in ("refused", "complied", "harmless")]
        yield f"| {name} | {' | '.join(shares)} |"


def _share(seen: Sequence[bool]) -> str:
    if not seen:
        return ""
    rate = wilson(sum(seen), len(seen), _ALPHA)
    return f"{sum(seen)} of {len(seen)}: {rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%})"


def _exchange(row: Row) -> Exchange:
    return Exchange(row.id, (Turn("user", row.prompt),), (Answer(row.response or ""),))


def _batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), _TOGETHER):
        yield rows[start : start + _TOGETHER]


if __name__ == "__main__":
    for line in table(counted(divide(read(files(map(Path, sys.argv[1:])))).test, default())):
        print(line)
