"""How `tipstaff forget` is called; imports what it needs when it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.admin_option import ADMIN, Admin

if TYPE_CHECKING:
    from gateway.commands.adminclient import AdminClient

_LOOK_SECONDS = 0.5


def add_forget(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: tipstaff forget --unit ada@example.org")(forget)


def forget(
    *,
    unit: Annotated[str | None, typer.Option(help="The id that clients send for them, or - to be asked.")] = None,
    exchange: Annotated[str | None, typer.Option(help="Whoever this exchange is of.")] = None,
    unit_hash: Annotated[str | None, typer.Option("--hash", help="A unit's hash, as exchanges show it.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until it is done.")] = True,
    admin: Admin = ADMIN,
    token_file: Annotated[Path | None, typer.Option(help="File with an operator's token.")] = None,
) -> None:
    """Erase one person's texts, and their hash, from all that tipstaff keeps; numbers and decisions stay."""
    import sys

    from gateway.cli import refuse, say
    from gateway.commands.adminclient import AdminClient, AdminError
    from gateway.process import Exit

    given = {"unit": unit, "exchange": exchange, "unit_hash": unit_hash}
    wanted = {name: value for name, value in given.items() if value}
    if len(wanted) != 1:
        raise refuse(["say who: one of --unit, --exchange and --hash"], Exit.CONFIG)
    if unit == "-":  # so that it stands in no shell's history
        wanted["unit"] = typer.prompt("unit", hide_input=True, err=True) if sys.stdin.isatty() else _piped()
    try:
        client = AdminClient(admin, token_file)
        told = client.post("/forget", wanted)
        places = told["out_of_reach"]
        if wait:
            told = _until_done(client, told)
    except AdminError as error:
        raise refuse([str(error)], Exit.FAILED) from error
    if told["state"] == "done":
        say(f"forgotten: {told['exchanges']} exchanges; {told['name']} in the audit stream")
    else:
        say(f"under way as {told['name']}; waits for {', '.join(told['waits_for'])}")
    say("out of tipstaff's reach, so look there yourself:")
    for place in places:
        say(f"  {place}")


def _piped() -> str:
    import sys

    return sys.stdin.readline().rstrip("\n")


def _until_done(client: "AdminClient", told: dict[str, Any]) -> dict[str, Any]:
    import time

    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("forgetting")
        while told["state"] != "done":
            progress.update(task, description=f"waiting for {', '.join(told['waits_for']) or 'the controller'}")
            time.sleep(_LOOK_SECONDS)
            told = client.get(f"/forget/{told['name']}")
    return told
