"""How `tipstaff reload` is called; imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.admin_option import ADMIN, Admin

_PATIENCE = 15.0


def add_reload(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: tipstaff check config.yaml && tipstaff reload")(reload)


def reload(
    *,
    admin: Admin = ADMIN,
    token_file: Annotated[Path | None, typer.Option(help="File with an operator's token.")] = None,
) -> None:
    """Have a running tipstaff read its configuration again: taken whole, or refused with every reason."""
    from gateway.cli import refuse, say
    from gateway.commands.adminclient import AdminClient, AdminError
    from gateway.process import Exit

    try:
        answer = AdminClient(admin, token_file, deadline=_PATIENCE).post("/config/reload", {})
    except AdminError as error:
        raise refuse([str(error)], Exit.FAILED) from error
    say(f"{answer['source']} is in force")
    for note in answer["notes"]:
        say(f"  {note}")
