"""How `tipstaff tail` is called; imports what it needs when it runs."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from gateway.commands.tail import Tail
    from gateway.ports import Entry


def add_tail(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: tipstaff tail --violations, tipstaff tail decisions -n 3 --no-follow")(tail)


def tail(  # noqa: PLR0913 - a filter each
    stream: Annotated[str, typer.Argument(help="verdicts, exchanges, feedback, decisions or audit.")] = "verdicts",
    *,
    data: Annotated[Path, typer.Option(help="The data folder.")] = Path("data"),
    count: Annotated[int, typer.Option("--lines", "-n", min=0, help="Begin with the last that fit.")] = 10,
    follow: Annotated[bool, typer.Option(help="Go on with what comes.")] = True,
    model: Annotated[str, typer.Option(help="Only of this model.")] = "",
    arm: Annotated[str, typer.Option(help="Only what this arm answered.")] = "",
    principle: Annotated[str, typer.Option(help="Only verdicts that violate it.")] = "",
    violations: Annotated[bool, typer.Option("--violations", help="Only verdicts with a violation.")] = False,
    exchange: Annotated[str, typer.Option(help="Only of this exchange.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line, by the schemas.")] = False,
) -> None:
    """Show a stream of the data folder as it grows. Reads files only: it needs no controller, and shows no text."""
    import threading

    from gateway.cli import refuse
    from gateway.commands.tail import Tail, Wanted, json_line, line
    from gateway.events.schema import STREAMS
    from gateway.process import Exit
    from gateway.processlock import DataFolderError

    if stream not in STREAMS:
        raise refuse([f"{stream!r} is no stream: there are {', '.join(STREAMS)}"], Exit.CONFIG)
    try:
        found = Tail(data, stream, Wanted(model, arm, principle, violations, exchange))
    except ValueError as error:
        raise refuse([str(error)], Exit.CONFIG) from error
    except DataFolderError as error:
        raise refuse([str(error)], Exit.DATA_FOLDER) from error
    try:
        _show(found, count, threading.Event() if follow else None, json_line if as_json else line)
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show(found: "Tail", count: int, stop: "threading.Event | None", said: "Callable[[Entry], str]") -> None:
    """The last `count`, then what comes until `stop` is set; without one nothing more."""
    last = found.last(count)
    for entry in last:
        sys.stdout.write(f"{said(entry)}\n")
    sys.stdout.flush()
    if stop is None:
        return
    if not last and count:
        sys.stderr.write("tipstaff: nothing yet, waiting\n")
    for entry in found.follow(stop):
        sys.stdout.write(f"{said(entry)}\n")
        sys.stdout.flush()
