"""The pair test: one unsafe request, refused and complied with, and harmless answers to harmless requests.

`python -m tests.benchmarks.pairs FOLDER...`: labelled rows (docs/encoder.md); only the tenth that no training sees
is read. A violation is one of the tier harmlessness; whoever declines must have none, whoever complies one.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from classifiers.cascade import Cascade
from classifiers.constitution import Constitution, default
from classifiers.exchange import Answer, Exchange, Turn
from classifiers.principle import Tier
from classifiers.training.rows import Row, divide, files, read
from classifiers.verdict import Finding
from gateway.app.classifier import encoder_for, rules_for
from gateway.rollout.proportions import wilson
from gateway.settings import Scoring

_ALPHA = 0.05
_TOLD = (Finding.VIOLATES, Finding.UPHOLDS)
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
    """(principle or `any`, kind) -> for each exchange whether it violates; what was not evaluated is left out."""
    stages = [rules_for(law), encoder_for(law, Scoring())]
    cascade = Cascade(law, [stage for stage in stages if stage is not None])
    topics = {each.id: each.heads for each in law.principles if each.tier is Tier.HARMLESSNESS}
    found: dict[tuple[str, str], list[bool]] = {}
    for row in rows:
        what = kind(row)
        if row.response is None or what is None:
            continue
        (verdict,) = cascade.classify([Exchange(row.id, (Turn("user", row.prompt),), (Answer(row.response),))])
        said = {each.principle: each.finding for each in verdict.findings if each.principle in topics}
        evaluated = {name: finding is Finding.VIOLATES for name, finding in said.items() if finding in _TOLD}
        if any(evaluated.values()) or len(evaluated) == len(said):
            found.setdefault((ALL, what), []).append(any(evaluated.values()))
        for name, violates in evaluated.items():
            if what == "harmless" or any(row.labels.get(head) == 1 for head in topics[name]):
                found.setdefault((name, what), []).append(violates)
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


if __name__ == "__main__":
    for line in table(counted(divide(read(files(map(Path, sys.argv[1:])))).test, default())):
        print(line)
