"""How `tipstaff rotate-unit-key` is called; imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Argument(help="The YAML configuration: it names the data folder.")]


def add_rotate(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="rotate-unit-key", epilog="Example: tipstaff rotate-unit-key config.yaml")(rotate_unit_key)


def rotate_unit_key(config: Config = Path("config.yaml")) -> None:
    """Make another unit key, with tipstaff stopped and no rollout under way: every user is dealt anew."""
    import sqlite3

    from gateway.cli import refuse, say
    from gateway.configfile import load
    from gateway.controller.record import models_under_way
    from gateway.datafolder import refuse_another_format
    from gateway.layout import DataFolder
    from gateway.process import Exit
    from gateway.processlock import DataFolderError, used_by_nobody
    from gateway.settings import ConfigError
    from gateway.unitkeys import refuse_foreign, refuse_under_way, rotate

    try:
        settings = load(config)
        data = DataFolder(settings.data)
        refuse_foreign(settings, data)
        refuse_another_format(data)
        with used_by_nobody(data):
            refuse_under_way(models_under_way(data))
            old = rotate(data)
    except ConfigError as error:
        raise refuse(error.problems, Exit.CONFIG) from error
    except DataFolderError as error:
        raise refuse([str(error)], Exit.DATA_FOLDER) from error
    except (OSError, sqlite3.Error) as error:
        raise refuse([f"the key is not changed: {error}"], Exit.FAILED) from error
    say(f"{data.unit_key} is a new key; the old one is {old}, for tipstaff forget")
    say("with the next start every user is dealt anew")
