"""How `tipstaff rollout ...` is called; imports what it needs when it runs."""

import json
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.admin_option import ADMIN, Admin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from gateway.commands.adminclient import AdminClient

rollout_app = typer.Typer(help="Move users to a new version, on evidence.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(help="The model.")]
PlanOption = Annotated[str, typer.Option(help="cautious, balanced, fast, compare, or a YAML file.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept in the decision.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with the admin token.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@contextmanager
def asking(admin: str, token_file: Path | None) -> "Iterator[AdminClient]":
    """A client of the controller; what goes wrong is one line and an exit code."""
    from gateway.cli import refuse
    from gateway.commands.adminclient import AdminClient, AdminError
    from gateway.process import Exit

    try:
        with closing(AdminClient(admin, token_file)) as client:
            yield client
    except AdminError as error:
        raise refuse([str(error)], Exit.FAILED) from error
    except (OSError, ValueError) as error:
        raise refuse([str(error)], Exit.CONFIG) from error


def reasoned(reason: str) -> None:
    """Nothing is changed without one."""
    from gateway.cli import refuse
    from gateway.process import Exit

    if not reason.strip():
        raise refuse(["say why: --reason 'v2 of the assistant'; it is kept in the decision"], Exit.CONFIG)


def printed(answer: dict[str, Any], lines: "Callable[[dict[str, Any]], Iterable[str]]", *, as_json: bool) -> None:
    """As JSON for machines, or as lines for people."""
    for line in [json.dumps(answer)] if as_json else lines(answer):
        typer.echo(line)


def _now() -> "datetime":
    from gateway.clock import SystemClock
    from gateway.commands.words import moment

    return moment(SystemClock().now_us())


def _standing(answer: dict[str, Any]) -> list[str]:
    from gateway.commands.rollout_screen import status_screen

    return status_screen(answer, _now())


@rollout_app.command(epilog="Example: tipstaff rollout plan assistant --plan cautious")
def plan(
    model: Model,
    *,
    plan: PlanOption = "balanced",
    admin: Admin = ADMIN,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what a plan would take at this traffic, and whether it can finish. Starts nothing."""
    from gateway.commands import rollout
    from gateway.commands.rollout_screen import plan_lines

    with asking(admin, token_file) as client:
        answer = rollout.plan(client, model, rollout.plan_of(plan))
    printed(answer, plan_lines, as_json=as_json)


@rollout_app.command(epilog="Example: tipstaff rollout start assistant --to canary --plan fast --reason 'v2'")
def start(
    model: Model,
    *,
    to: Annotated[
        str | None, typer.Option(help="The arm that shall take over, with a `version`; default: the one other arm.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="The arm in force; default: the first.")] = None,
    plan: PlanOption = "balanced",
    reason: Reason = "",
    admin: Admin = ADMIN,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Start a rollout. Where its plan cannot finish at this traffic, that is said on standard error before."""
    from gateway.commands import rollout

    reasoned(reason)
    with asking(admin, token_file) as client:
        given = rollout.plan_of(plan)
        foreseen = rollout.plan(client, model, given)
        if foreseen["why_not"]:
            typer.echo(f"tipstaff: {foreseen['why_not']}", err=True)
        canary = to or rollout.other_arm(client, model)
        answer = rollout.start(client, model, {"to": canary, "from": start, "plan": given, "reason": reason})
    printed(answer, _standing, as_json=as_json)


@rollout_app.command(epilog="Example: tipstaff rollout drill assistant --share 0.2")
def drill(
    model: Model,
    *,
    share: Annotated[float, typer.Option(help="Of the canary's answers that are taken as harmful, in (0, 1].")],
    to: Annotated[str | None, typer.Option(help="The canary; default: the one arm beside the first.")] = None,
    plan: PlanOption = "fast",
    reason: Reason = "a drill",
    admin: Admin = ADMIN,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """See what a bad canary would do: real traffic, made-up harm. It is never promoted and ends where it began."""
    from gateway.cli import refuse
    from gateway.commands import rollout
    from gateway.process import Exit

    reasoned(reason)
    if not 0 < share <= 1:
        raise refuse([f"--share {share:g}: expected a share above 0 and at most 1, like 0.2"], Exit.CONFIG)
    with asking(admin, token_file) as client:
        canary = to or rollout.other_arm(client, model)
        wanted = {"to": canary, "plan": rollout.plan_of(plan), "reason": reason, "drill": share}
        answer = rollout.start(client, model, wanted)
    printed(answer, _standing, as_json=as_json)


@rollout_app.command(epilog="Example: tipstaff rollout status assistant")
def status(model: Model, admin: Admin = ADMIN, token_file: TokenFile = None, *, as_json: AsJson = False) -> None:
    """Show where the newest rollout stands: why it waits, what is left, the evidence, what you can say."""
    from gateway.commands import rollout

    with asking(admin, token_file) as client:
        answer = rollout.status(client, model)
    printed(answer, _standing, as_json=as_json)


@rollout_app.command(epilog="Example: tipstaff rollout wait assistant --for promoted --timeout 86400")
def wait(
    model: Model,
    *,
    until: Annotated[str, typer.Option("--for", help="promoted, ended, or stage=N.")] = "promoted",
    timeout: Annotated[float, typer.Option(min=0, help="Seconds.")] = 3600,
    admin: Admin = ADMIN,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Wait for a rollout, for CI. Exit code 0: it is there; 5: it went back; 6: the time is over."""
    from gateway.commands import rollout

    def tell(line: str) -> None:
        typer.echo(line, err=as_json)

    with asking(admin, token_file) as client:
        waited = rollout.wait(client, model, rollout.goal(until), timeout, tell)
    if as_json:
        typer.echo(json.dumps(waited.found))
    raise typer.Exit(waited.code)


_WORDS = {
    "suspend": "0 % for the canary, until you resume or roll back.",
    "resume": "Go on after suspend, freeze or the fast alarm, with the share of the stage.",
    "freeze": "Keep the canary's share: no advance; evidence goes on and may roll back.",
    "promote": "100 % for the canary, without waiting for the proof.",
    "approve": "Let the next stage begin, where the plan asks for a person.",
    "finish": "Close a promoted rollout; prints the YAML to commit, with the winner as first arm.",
    "undo": "Take a promotion back, within 7 days: all traffic to the old arm.",
    "retry": "Start the last rollout that ended again: everyone is dealt anew, with new evidence.",
}


def _add_word(word: str, said: str) -> None:
    @rollout_app.command(name=word, help=said, epilog=f"Example: tipstaff rollout {word} assistant --reason 'why'")
    def command(
        model: Model,
        *,
        reason: Reason = "",
        admin: Admin = ADMIN,
        token_file: TokenFile = None,
        as_json: AsJson = False,
    ) -> None:
        from gateway.commands import rollout

        reasoned(reason)
        with asking(admin, token_file) as client:
            answer = rollout.say(client, model, word, reason)
        printed(answer, _finished if answer["yaml"] else _standing, as_json=as_json)


def _finished(answer: dict[str, Any]) -> list[str]:
    head = f"# {answer['to']['arm']} ({answer['to']['version']}) is the baseline of {answer['model']}: commit this"
    return [head, str(answer["yaml"]).rstrip()]


for _word, _said in _WORDS.items():
    _add_word(_word, _said)


@rollout_app.command(epilog="Example: tipstaff rollout rollback assistant --reason 'users complain'")
def rollback(
    model: Model,
    *,
    reason: Reason = "",
    offline: Annotated[
        Path | None, typer.Option(help="The configuration: with the controller dead, do it without it.")
    ] = None,
    admin: Admin = ADMIN,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """0 % for the canary, and the rollout ends."""
    from gateway.commands import rollout

    reasoned(reason)
    if offline is not None:
        from gateway.app.offline import run_rollback

        raise typer.Exit(run_rollback(offline, model, reason, typer.echo, as_json=as_json))
    with asking(admin, token_file) as client:
        answer = rollout.say(client, model, "rollback", reason)
    printed(answer, _standing, as_json=as_json)


@rollout_app.command(epilog="Example: tipstaff rollout history assistant")
def history(model: Model, admin: Admin = ADMIN, token_file: TokenFile = None, *, as_json: AsJson = False) -> None:
    """List all rollouts of a model, newest first, and how each ended."""
    from gateway.commands import rollout
    from gateway.commands.rollout_screen import history_lines

    with asking(admin, token_file) as client:
        answer = rollout.history(client, model)
    printed(answer, history_lines, as_json=as_json)


@rollout_app.command(epilog="Example: tipstaff rollout decisions assistant")
def decisions(
    model: Model,
    rollout: Annotated[str | None, typer.Argument(help="A rollout's id; default: the newest.")] = None,
    *,
    admin: Admin = ADMIN,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List the decisions of a rollout, oldest first."""
    from gateway.commands import rollout as asked
    from gateway.commands.rollout_screen import decision_lines

    with asking(admin, token_file) as client:
        answer = asked.decisions(client, model, rollout)
    printed(answer, decision_lines, as_json=as_json)


@rollout_app.command(epilog="Example: tipstaff rollout decision 5f3a1c0e9b7d2468-4")
def decision(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="The decision's id.")],
    *,
    admin: Admin = ADMIN,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one decision on one screen: who, what, why, since when, on what evidence, how to undo it."""
    from gateway.commands import rollout
    from gateway.commands.decision_screen import decision_screen

    with asking(admin, token_file) as client:
        answer = rollout.decision(client, identifier)
    printed(answer, lambda detail: decision_screen(detail, _now()), as_json=as_json)
