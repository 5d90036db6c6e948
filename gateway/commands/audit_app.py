"""How bundles, checks and other plans are asked for; imports what it needs when it runs."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.admin_option import ADMIN, Admin
from gateway.process import Exit

if TYPE_CHECKING:
    from gateway.commands.audit import Source, Telling

Wanted = Annotated[str, typer.Argument(help="A rollout's id, or a model for its newest; default: the newest.")]
Checked = Annotated[str, typer.Argument(help="The same, or a bundle's FILE.zip.")]
PlanOption = Annotated[str, typer.Option(help="cautious, balanced, fast, compare, or a YAML file.")]
Data = Annotated[Path | None, typer.Option(help="Read this data folder, without asking a controller.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with the admin token.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def add_audit(rollout_app: typer.Typer, app: typer.Typer) -> None:
    """Add the commands to `tipstaff rollout`, and `replay` to `tipstaff`."""
    for command, example in (
        (bundle, "tipstaff rollout bundle assistant -o rollout.zip"),
        (verify, "tipstaff rollout verify rollout.zip --head 60303ae2..."),
    ):
        rollout_app.command(epilog=f"Example: {example}")(command)
    rollout_app.command(name="what-if", epilog="Example: tipstaff rollout what-if assistant --plan cautious")(
        what_if
    )
    app.command(epilog="Example: tipstaff replay verdicts.jsonl --plan plan.yaml")(replay)


def bundle(
    rollout: Wanted = "",
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write.")],
    data: Data = None,
    admin: Admin = ADMIN,
    token_file: TokenFile = None,
) -> None:
    """Write all that a rollout's decisions rest on into one file, without any text of an exchange."""
    from gateway.commands import audit

    with _said():
        audit.save_to(_source(rollout, data, admin, token_file), output)
    typer.echo(f"wrote {output}; check it anywhere with: tipstaff rollout verify {output}")


def verify(
    rollout: Checked = "",
    *,
    head: Annotated[
        str | None, typer.Option(help="The hash of a decision that you know, as notifications carry it.")
    ] = None,
    data: Data = None,
    admin: Admin = ADMIN,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Check a rollout: bytes, chain, what decisions rest on; makes each again. Exit code 1: it does not hold."""
    import msgspec

    from gateway.commands import audit

    with _said():
        if head is not None and not re.fullmatch("[0-9a-f]{64}", head):
            raise ValueError(f"--head {head!r}: expected the whole hash, 64 hex digits, as notifications carry it")
        checks = audit.check(_source(rollout, data, admin, token_file), head or "")
    for line in [msgspec.json.encode(checks).decode()] if as_json else audit.check_lines(checks):
        typer.echo(line)
    if not all(each.holds for each in checks):
        raise typer.Exit(Exit.FAILED)


def what_if(
    rollout: Checked = "",
    *,
    plan: PlanOption,
    data: Data = None,
    admin: Admin = ADMIN,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Say when another plan's rules would have spoken, over the verdicts and stages of a rollout."""
    from gateway.commands import audit

    with _said():
        told = audit.over_rollout(_source(rollout, data, admin, token_file), plan)
    _tell(told, as_json=as_json)


def replay(
    verdicts: Annotated[Path, typer.Argument(help="Verdicts as JSON lines, in canonical order, of one model.")],
    *,
    plan: PlanOption,
    constitution: Annotated[Path | None, typer.Option(help="Which they were made under; default: ours.")] = None,
    canary: Annotated[str, typer.Option(help="The arm; default: the smaller one at the start.")] = "",
    as_json: AsJson = False,
) -> None:
    """Run a plan over recorded verdicts, and say when its rules would have spoken. Asks nobody."""
    from gateway.commands import audit

    with _said():
        told = audit.over_verdicts(verdicts, plan, constitution, canary)
    _tell(told, as_json=as_json)


def _source(wanted: str, data: Path | None, admin: str, token_file: Path | None) -> "Source":
    from gateway.commands.adminclient import AdminClient
    from gateway.commands.audit import Source

    return Source(wanted, AdminClient(admin, token_file), data)


def _tell(told: "Telling", *, as_json: bool) -> None:
    import msgspec

    from gateway.commands import audit

    for line in [msgspec.json.encode(told).decode()] if as_json else audit.telling_lines(told):
        typer.echo(line)


@contextmanager
def _said() -> Iterator[None]:
    """What goes wrong is said line by line; the exit code says that nothing was looked at."""
    from classifiers.problem import Refused
    from gateway.cli import refuse
    from gateway.commands.adminclient import AdminError
    from gateway.controller.bundle_file import DamagedBundle
    from gateway.controller.record import NoRecord
    from gateway.controller.what_if import BadVerdicts

    try:
        yield
    except (AdminError, DamagedBundle, NoRecord, BadVerdicts, OSError, ValueError, sqlite3.Error, Refused) as error:
        raise refuse(str(error).splitlines() or [type(error).__name__], Exit.CONFIG) from error
