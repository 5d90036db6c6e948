"""How `tipstaff backup` and `restore` are called; imports what it needs when it runs."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.backup import Told

Config = Annotated[Path, typer.Argument(help="The YAML configuration: it names the data folder.")]


def add_backup(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: tipstaff backup config.yaml /backup/tipstaff-2026-03-01")(backup)
    app.command(epilog="Example: tipstaff restore /backup/tipstaff-2026-03-01 config.yaml")(restore)


def backup(
    config: Config,
    target: Annotated[Path, typer.Argument(help="The folder to make; must not be there yet.")],
) -> None:
    """Copy the data folder while tipstaff runs. Guard the copy: the unit key is in it, and texts are."""
    from gateway import __version__, backup
    from gateway.cli import say
    from gateway.clock import SystemClock
    from gateway.configfile import load
    from gateway.layout import DataFolder

    with _refusing(), _progress("copying") as told:
        settings = load(config)
        data = DataFolder(settings.data)
        made = backup.backup(data, target, version=__version__, now_us=SystemClock().now_us(), told=told)
    say(f"{target}: {len(made.files)} files; restore it with tipstaff restore {target} {config}")
    if settings.state is not None:
        say("the controller's state is not in it: back the database up too, with pg_dump")


def restore(
    source: Annotated[Path, typer.Argument(help="A folder that `tipstaff backup` made.")],
    config: Config,
) -> None:
    """Make the data folder from a backup, with tipstaff stopped. It must not be there: nothing is overwritten."""
    from gateway import backup
    from gateway.cli import say
    from gateway.commands.words import moment
    from gateway.configfile import load
    from gateway.layout import DataFolder

    with _refusing(), _progress("restoring") as told:
        data = DataFolder(load(config).data)
        made = backup.restore(source, data, told=told)
    say(f"{data.root}: {len(made.files)} files as of {moment(made.made_us)}; whatever came later is gone")


@contextmanager
def _refusing() -> "Iterator[None]":
    import sqlite3

    from gateway.backup import BackupError
    from gateway.cli import refuse
    from gateway.process import Exit
    from gateway.settings import ConfigError

    try:
        yield
    except ConfigError as error:
        raise refuse(error.problems, Exit.CONFIG) from error
    except (BackupError, OSError, sqlite3.Error) as error:
        raise refuse([str(error)], Exit.FAILED) from error


@contextmanager
def _progress(what: str) -> "Iterator[Told]":
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what)
        yield lambda done, name: progress.update(task, description=f"{what} {name} ({done})")
