"""How `tipstaff simulate` is called; imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.rollout_app import AsJson, PlanOption

World = Annotated[Path | None, typer.Option(help="YAML: traffic, users, rates, errors (docs/statistics.md).")]
PerDay = Annotated[float | None, typer.Option(min=1, help="Requests a day.")]
Users = Annotated[int | None, typer.Option(min=1, help="Users who come back.")]
Rate = Annotated[float | None, typer.Option(min=0, max=1, help="Of violations, for every guardrail.")]
Ratio = Annotated[list[str] | None, typer.Option(help="METRIC=TIMES: the canary's rate in stable's, like harm=2.")]


def add_simulate(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: tipstaff simulate --plan balanced --per-day 10000 --users 2000 --ratio harm=2")(
        simulate
    )


def simulate(  # noqa: PLR0913 - the options of a command
    *,
    plan: PlanOption = "balanced",
    world: World = None,
    per_day: PerDay = None,
    users: Users = None,
    rate: Rate = None,
    ratio: Ratio = None,
    runs: Annotated[int, typer.Option(min=1, help="Rollouts.")] = 20,
    days: Annotated[float, typer.Option(min=0.01, help="After which one is ended.")] = 30.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answer.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Say how long a plan takes, and what it finds, over made-up traffic. Asks nobody."""
    import msgspec
    from rich.console import Console
    from rich.progress import Progress

    from gateway.cli import refuse
    from gateway.commands import simulate as command
    from gateway.commands.rollout import plan_of
    from gateway.process import Exit
    from gateway.rollout.plan import parse

    given = {"per_day": per_day, "users": users, "rate": rate}
    try:
        parsed = parse(plan_of(plan))
        changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
        if ratio:
            changes["ratios"] = command.pairs("--ratio", ratio)
        made = command.world_of(world, changes)
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(f"{runs} rollouts", total=runs)
            found = command.simulate(parsed, made, runs, days, seed, lambda: progress.advance(task))
    except (ValueError, OSError) as error:
        raise refuse([str(error)], Exit.CONFIG) from error
    told = [msgspec.json.encode(found).decode()] if as_json else command.lines(parsed, made, found, days)
    for line in told:
        typer.echo(line)
