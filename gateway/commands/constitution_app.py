"""How `tipstaff constitution ...` is called; imports what it needs when it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.commands.constitution_what_if import Wanted
    from gateway.controller.rereading import Reread

constitution_app = typer.Typer(help="Check, compare and try the written rules.", no_args_is_help=True)

File = Annotated[Path | None, typer.Argument(help="Default: the one that ships.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@constitution_app.command(epilog="Example: tipstaff constitution lint constitution.yaml")
def lint(path: File = None) -> None:
    """Say everything that is wrong with a constitution, with line numbers."""
    from gateway.cli import say
    from gateway.commands.constitution import run_lint as run

    raise typer.Exit(run(path, say))


@constitution_app.command(name="test", epilog="Example: tipstaff constitution test constitution.yaml")
def examples(path: File = None, *, as_json: AsJson = False) -> None:
    """Run each principle's own examples as its unit tests, with the configured classifiers."""
    from gateway.cli import say
    from gateway.commands.constitution import run_test as run

    raise typer.Exit(run(path, say, as_json=as_json))


@constitution_app.command(epilog="Example: tipstaff constitution diff old.yaml new.yaml")
def diff(
    path: Annotated[Path, typer.Argument(help="A file; alone: what it changes of the one that ships.")],
    other: Annotated[Path | None, typer.Argument(help="What the first became.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Say what one constitution changes of another, principle by principle."""
    from gateway.commands.constitution_diff import difference, lines, plain

    with _said():
        found = difference(path, other)
    for line in [plain(found)] if as_json else lines(found):
        typer.echo(line)


@constitution_app.command(name="what-if", epilog="Example: tipstaff constitution what-if new.yaml --limit 1000")
def what_if(
    path: Annotated[Path, typer.Argument(help="The constitution to try.")],
    *,
    config: Annotated[Path, typer.Option(help="The YAML configuration: it names the data folder.")] = Path(
        "config.yaml"
    ),
    model: Annotated[str | None, typer.Option(help="Whose exchanges; default: the only model.")] = None,
    since: Annotated[str | None, typer.Option(help="Those from then on, RFC 3339.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 500,
    as_json: AsJson = False,
) -> None:
    """Read kept texts again, as if another constitution were in force, and say what it finds. Asks nobody."""
    import msgspec

    from gateway.commands.constitution_what_if import Wanted, lines

    with _said():
        found = _reread(config, path, Wanted(limit, model, since))
    for line in [msgspec.json.encode(found).decode()] if as_json else lines(found):
        typer.echo(line)


def _reread(config: Path, path: Path, wanted: "Wanted") -> "Reread":
    from gateway.clock import SystemClock
    from gateway.commands.constitution_what_if import what_if
    from gateway.commands.progress import late_bar

    clock = SystemClock()
    with late_bar("exchanges", clock) as progress:
        return what_if(config, path, wanted, clock, progress)


@contextmanager
def _said() -> Iterator[None]:
    """What goes wrong is said line by line, and is an exit code."""
    import sqlite3

    from gateway.cli import refuse
    from gateway.controller.rereading import Unfit
    from gateway.process import Exit
    from gateway.processlock import DataFolderError
    from gateway.settings import ConfigError

    try:
        yield
    except ConfigError as error:
        raise refuse(error.problems, Exit.CONFIG) from error
    except Unfit as error:
        raise refuse([str(error)], Exit.CONFIG) from error
    except DataFolderError as error:
        raise refuse([str(error)], Exit.DATA_FOLDER) from error
    except (OSError, sqlite3.Error) as error:
        raise refuse([f"the data folder cannot be read: {error}"], Exit.FAILED) from error
