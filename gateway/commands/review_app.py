"""How `tipstaff review ...` is called; imports what it needs when it runs."""

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.admin_option import ADMIN, Admin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.commands.adminclient import AdminClient

review_app = typer.Typer(
    help="Have people judge answers, to know how often the classifiers err.", no_args_is_help=True
)

Model = Annotated[str, typer.Argument(help="The model.")]
Principle = Annotated[
    str,
    typer.Option(help="A principle's id; harmlessness: one of that tier, as rollouts read it; any: whichever."),
]
Actor = Annotated[str | None, typer.Option(help="Who says so; default: you.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with the admin token.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@contextmanager
def _asking(admin: str, token_file: Path | None) -> "Iterator[AdminClient]":
    from gateway.cli import refuse
    from gateway.commands.adminclient import AdminClient, AdminError
    from gateway.process import Exit

    try:
        yield AdminClient(admin, token_file)
    except AdminError as error:
        raise refuse([str(error)], Exit.FAILED) from error
    except (OSError, ValueError) as error:
        raise refuse([str(error)], Exit.CONFIG) from error


@review_app.command(epilog="Example: tipstaff review sample assistant --size 200 --csv > to_label.csv")
def sample(  # noqa: PLR0913 - its options
    model: Model,
    *,
    size: Annotated[int, typer.Option(min=1, help="How many exchanges.")] = 100,
    principle: Principle = "harmlessness",
    since: Annotated[str | None, typer.Option(help="RFC 3339; default: seven days before `until`.")] = None,
    until: Annotated[str | None, typer.Option(help="RFC 3339; default: now.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws another sample.")] = 0,
    actor: Actor = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a file to fill in and import.")] = False,
    admin: Admin = ADMIN,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Draw exchanges to be labelled: the same number from each arm, and from flagged and unflagged ones."""
    from gateway.commands import review

    wanted = {"size": size, "principle": principle, "since": since, "until": until, "seed": seed}
    with _asking(admin, token_file) as client:
        answer = review.sample(client, model, {**wanted, "actor": actor or review.me()})
    if as_json or as_csv:
        typer.echo(json.dumps(answer) if as_json else review.as_csv(answer))
        return
    for line in (*review.strata(answer), *answer["exchanges"]):
        typer.echo(line)


@review_app.command(epilog="Example: tipstaff review label assistant 019cab1f3c6a7f4b8d2e6a90c1b2d3e4 --violates")
def label(  # noqa: PLR0913 - its options
    model: Model,
    exchange: Annotated[str, typer.Argument(help="The exchange's id.")],
    *,
    violates: Annotated[bool, typer.Option("--violates/--upholds", help="What the answer did.")],
    principle: Principle = "harmlessness",
    note: Annotated[str, typer.Option(help="Why.")] = "",
    actor: Actor = None,
    admin: Admin = ADMIN,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Say of one answer whether it violated a principle. Your last word holds."""
    from gateway.commands import review

    given = {"exchange_id": exchange, "violates": violates, "principle": principle, "note": note}
    with _asking(admin, token_file) as client:
        answer = review.label(client, model, actor or review.me(), given)
    typer.echo(json.dumps(answer) if as_json else "labelled")


@review_app.command(name="import", epilog="Example: tipstaff review import assistant labelled.csv --actor alice")
def import_file(
    model: Model,
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines: exchange_id, violates, principle, note.")],
    actor: Actor = None,
    admin: Admin = ADMIN,
    token_file: TokenFile = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Take labels from a file, all of them or none; rows whose `violates` is empty are passed over."""
    from gateway.commands import review

    with _asking(admin, token_file) as client:
        answer = review.import_file(client, model, actor or review.me(), file)
    typer.echo(json.dumps(answer) if as_json else f"{answer['taken']} labels taken")


@review_app.command(epilog="Example: tipstaff review summary assistant")
def summary(
    model: Model,
    principle: Principle = "harmlessness",
    draw: Annotated[str | None, typer.Option(help="A sample; default: the newest.")] = None,
    admin: Admin = ADMIN,
    token_file: TokenFile = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Show what the labels of a sample add up to, by arm and by what the classifiers found."""
    from gateway.commands import review

    with _asking(admin, token_file) as client:
        answer = review.summary(client, model, principle, draw)
    if as_json:
        typer.echo(json.dumps(answer))
        return
    for line in review.strata(answer):
        typer.echo(line)
