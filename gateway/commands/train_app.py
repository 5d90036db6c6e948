"""How `tipstaff train` is called; imports what it needs when it runs: torch only to train a whole model."""

from pathlib import Path
from typing import Annotated

import typer

Folders = Annotated[
    list[Path], typer.Argument(help="Folders of labelled rows, *.jsonl or *.jsonl.gz (docs/encoder.md).")
]


def add_train(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: tipstaff train rows/ --out model/; with --head: one more head, in a minute.")(
        train
    )


def train(
    rows: Folders,
    *,
    out: Annotated[Path, typer.Option(help="The model folder to write; must not be there yet.")],
    head: Annotated[
        str | None, typer.Option(help="Only add a head of this name to a model; rows need a label of it.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="The model that --head is added to; default: the one that ships.")
    ] = None,
    hold: Annotated[
        list[str] | None, typer.Option(help="A source to leave out and to measure on; repeat it.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="How often everything is seen.")] = 2,
    seed: Annotated[int, typer.Option(help="The same seed and data give the same model on one machine.")] = 1,
) -> None:
    """Train the encoder on labelled rows, or add a head for a new principle."""
    from classifiers.training.rows import RowsError, files, read
    from gateway.app.classifier import DEFAULT, ModelError
    from gateway.cli import refuse, say
    from gateway.process import Exit

    try:
        if head is None:
            _whole(rows, out, hold or [], epochs, seed)
        else:
            from classifiers.training.add_head import add_head

            found = add_head(head, read(files(rows)), model or DEFAULT, out)
            say(
                f"{head}: AUROC {found.auroc.value:.3f}, recall {found.recall}, false alarms {found.false_alarms} "
                f"on {found.positives + found.negatives} rows that it did not learn from"
            )
    except ModuleNotFoundError as error:
        raise refuse([f"{error.name} is missing: pip install 'tipstaff[train]'"], Exit.CONFIG) from error
    except (RowsError, ModelError, OSError) as error:
        raise refuse([str(error)], Exit.CONFIG) from error
    say(f"wrote {out}; use it with `scoring: {{encoder: {out}}}`, look at it with tipstaff evaluate")


def _whole(rows: list[Path], out: Path, hold: list[str], epochs: int, seed: int) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from classifiers.training import fit, train
    from gateway.cli import say

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("training", total=None, loss=0.0)

        told_tenth = 0

        def told(step: int, total: int, loss: float) -> None:
            nonlocal told_tenth
            progress.update(task, completed=step, total=total, loss=loss)
            tenth = 10 * step // total
            if not console.is_terminal and tenth > told_tenth:
                told_tenth = tenth
                say(f"step {step} of {total}, loss {loss:.3f}")

        settings = fit.Settings(epochs=epochs, seed=seed)
        found = train.train(rows, out, settings, held=hold, told=told)
    worst = max(found.parity.values(), default=0.0)
    say(f"version {found.version}; int8 costs {worst:.4f} of F1 at most; figures: {out / 'MODEL_CARD.md'}")
