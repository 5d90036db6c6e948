"""How `tipstaff token` and `tipstaff audit` are called; imports what it needs when it runs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.admin_option import ADMIN, Admin

_WORDS = 32
"""Random bytes of a token: nobody guesses them, so a plain hash is enough."""


def add_identity(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: tipstaff token ada --role operator --hash-file ada.hash")(token)
    app.command(epilog="Example: tipstaff audit --action text.read --since 2026-03-01T00:00:00Z")(audit)


def token(
    name: Annotated[str, typer.Argument(help="Whose: as decisions and the audit stream will name them.")],
    *,
    role: Annotated[str, typer.Option(help="On the admin port: proxy, viewer, auditor or operator.")] = "viewer",
    client: Annotated[bool, typer.Option("--client", help="A client's key for the data port instead.")] = False,
    hash_file: Annotated[
        Path | None, typer.Option(help="Write its hash here, for the configuration; must not be there yet.")
    ] = None,
) -> None:
    """Make an admin token, or a client's key. It is shown once; the gateway only ever needs its hash."""
    import secrets

    from pydantic import ValidationError

    from gateway.cli import refuse, say
    from gateway.core.identity import hashed
    from gateway.process import Exit
    from gateway.settings import NamedToken

    file = hash_file or Path(f"{name}.hash")
    try:
        NamedToken.model_validate({"name": name, "role": role, "file": file})
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise refuse(problems, Exit.CONFIG) from error
    made = f"tipstaff-{secrets.token_urlsafe(_WORDS)}"
    try:
        with file.open("x", encoding="utf-8") as out:
            file.chmod(0o600)
            out.write(f"{hashed(made)}\n")
    except OSError as error:
        raise refuse([f"{file}: {error.strerror}"], Exit.CONFIG) from error
    what, key, more = ("key", "client_keys", "") if client else ("token", "admin_tokens", f"role: {role}, ")
    typer.echo(f"the {what} of {name}, shown this once; its hash is in {file}. In the configuration:", err=True)
    typer.echo(f"{key}: [{{name: {json.dumps(name)}, {more}file: {json.dumps(str(file))}}}]", err=True)
    say(made)


def audit(
    *,
    actor: Annotated[str, typer.Option(help="Only what this one did.")] = "",
    action: Annotated[
        str | None,
        typer.Option(help="text.read, labels.sampled, labels.added, bundle.exported, config.loaded, ..."),
    ] = None,
    since: Annotated[str | None, typer.Option(help="RFC 3339.")] = None,
    until: Annotated[str | None, typer.Option(help="RFC 3339.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    admin: Admin = ADMIN,
    token_file: Annotated[Path | None, typer.Option(help="File with a token of an auditor or operator.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Who looked at texts, labelled, exported, forced an arm, loaded a configuration, or was refused."""
    from gateway.cli import refuse, say
    from gateway.commands.adminclient import AdminClient, AdminError
    from gateway.process import Exit

    wanted = {"actor": actor, "action": action, "since": since, "until": until}
    given = {name: value for name, value in wanted.items() if value}
    try:
        client = AdminClient(admin, token_file)
        for entry in client.pages("audit", "entries", limit, **given):
            say(json.dumps(entry) if as_json else _line(entry))
    except AdminError as error:
        raise refuse([str(error)], Exit.FAILED) from error


def _line(entry: dict[str, str]) -> str:
    who = entry["actor"] or "somebody"
    return f"{entry['time'][:19]}  {who:16} {entry['action']:16} {entry['subject']}  {entry['outcome']}"
