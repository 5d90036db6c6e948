"""The command line. Each command imports what it needs when it runs, so that `--help` is fast."""

import json
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway import __version__
from gateway.commands.admin_option import ADMIN, Admin
from gateway.commands.audit_app import add_audit
from gateway.commands.backup_app import add_backup
from gateway.commands.classify_app import add_classify
from gateway.commands.constitution_app import constitution_app
from gateway.commands.forget_app import add_forget
from gateway.commands.identity_app import add_identity
from gateway.commands.observe_app import add_observe
from gateway.commands.reload_app import add_reload
from gateway.commands.review_app import review_app
from gateway.commands.rollout_app import rollout_app
from gateway.commands.rotate_app import add_rotate
from gateway.commands.simulate_app import add_simulate
from gateway.commands.tail_app import add_tail
from gateway.commands.train_app import add_train

app = typer.Typer(
    name="tipstaff",
    help="A gateway in front of vLLM that moves traffic between versions of a model on evidence about safety.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(constitution_app, name="constitution")
app.add_typer(review_app, name="review")
app.add_typer(rollout_app, name="rollout")
add_audit(rollout_app, app)
add_backup(app)
add_classify(app)
add_forget(app)
add_identity(app)
add_observe(app)
add_reload(app)
add_rotate(app)
add_simulate(app)
add_tail(app)
add_train(app)

Config = Annotated[Path, typer.Argument(help="The YAML configuration.", show_default=True)]
ParentFd = Annotated[int | None, typer.Option(hidden=True, help="Socket to the supervisor.")]
ListenFd = Annotated[int | None, typer.Option(hidden=True, help="Listening socket that the supervisor bound.")]
Adopt = Annotated[bool, typer.Option("--adopt", help="Take a routing table of another store than the last.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


class Where(StrEnum):
    """Where a scorer finds exchanges."""

    LOG = "log"
    KAFKA = "kafka"


def say(line: str = "") -> None:
    """One line for a person."""
    typer.echo(line)


def refuse(problems: list[str], code: int) -> typer.Exit:
    """One line per problem on standard error; raise what this returns."""
    for problem in problems:
        typer.echo(f"tipstaff: {problem}", err=True)
    return typer.Exit(code)


@app.command(epilog="Example: tipstaff init http://127.0.0.1:8001 http://127.0.0.1:8002")
def init(
    urls: Annotated[list[str], typer.Argument(help="One or two servers: stable, then canary.")],
    name: Annotated[
        str | None, typer.Option(help="The model name for clients; default: the first server's.")
    ] = None,
    api_key_file: Annotated[
        list[str] | None, typer.Option(help="ARM=FILE with the key of that arm's server.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write.")] = Path("config.yaml"),
    force: Annotated[bool, typer.Option(help="Overwrite an existing file.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Ask servers what they serve and write the configuration for them."""
    from gateway.commands.init import ARM_NAMES, InitError, ask, configuration, write
    from gateway.process import Exit

    if len(urls) > len(ARM_NAMES):
        raise refuse(
            [f"{len(urls)} servers given: give one or two, and add more endpoints in the file"], Exit.CONFIG
        )
    if output.exists() and not force:
        raise refuse([f"{output} exists: give another --output, or --force to overwrite it"], Exit.CONFIG)
    try:
        files = _key_files(api_key_file or [])
        keys = {arm: path.read_text(encoding="utf-8").strip() for arm, path in files.items()}
        served = [ask(url, arm, keys.get(arm)) for url, arm in zip(urls, ARM_NAMES, strict=False)]
        write(output, configuration(served, name, files))
    except (InitError, OSError, UnicodeDecodeError) as error:
        raise refuse([str(error)], Exit.CONFIG) from error
    for server in served:
        say(f"{server.url} serves {', '.join(server.names)}")
    say(f"wrote {output}; start with: tipstaff serve {output}")


def _key_files(given: list[str]) -> dict[str, Path]:
    from gateway.commands.init import ARM_NAMES, InitError

    files = {}
    for item in given:
        arm, equals, path = item.partition("=")
        if not equals or arm not in ARM_NAMES:
            raise InitError(
                f"--api-key-file {item}: give it as {' or '.join(f'{name}=FILE' for name in ARM_NAMES)}"
            )
        files[arm] = Path(path).resolve()
    return files


@app.command(epilog="Example: tipstaff serve config.yaml")
def serve(config: Config = Path("config.yaml"), adopt: Adopt = False) -> None:  # noqa: FBT002 - a flag
    """Run the gateway: proxies, scorer and controller, supervised."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is a configuration to be read again
    from gateway.app.serve import serve as run

    raise typer.Exit(run(config, say, adopt=adopt))


@app.command(epilog="Example: tipstaff proxy config.yaml --worker 0")
def proxy(
    config: Config = Path("config.yaml"),
    worker: Annotated[int, typer.Option(min=0, help="Which of the workers: names its files.")] = 0,
    adopt: Adopt = False,  # noqa: FBT002 - a flag
    listen_fd: ListenFd = None,
    parent_fd: ParentFd = None,
    pin_fd: Annotated[list[int] | None, typer.Option(hidden=True, help="Sockets between workers.")] = None,
) -> None:
    """Run one proxy alone: the data port."""
    from gateway.app.proxy import Inheritance, run_proxy

    inheritance = Inheritance(listen_fd, parent_fd, tuple(pin_fd or ()))
    raise typer.Exit(run_proxy(config, worker, inheritance, adopt=adopt))


@app.command(epilog="Example: tipstaff scorer scorer.yaml --from kafka")
def scorer(
    config: Config = Path("config.yaml"),
    source: Annotated[Where, typer.Option("--from", help="Where exchanges come from.")] = Where.LOG,
    parent_fd: ParentFd = None,
) -> None:
    """Run a scorer alone: on what the proxies of its data folder recorded, or for all gateways of a Kafka."""
    if source is Where.KAFKA:
        from gateway.app.worker import run_worker

        raise typer.Exit(run_worker(config))
    from gateway.app.scorer import run_scorer

    raise typer.Exit(run_scorer(config, parent_fd))


@app.command(epilog="Example: tipstaff controller config.yaml")
def controller(
    config: Config = Path("config.yaml"),
    adopt: Adopt = False,  # noqa: FBT002 - a flag
    listen_fd: ListenFd = None,
    parent_fd: ParentFd = None,
) -> None:
    """Run the controller alone: the admin port, metrics, the routing table."""
    from gateway.app.controller import run_controller

    raise typer.Exit(run_controller(config, listen_fd, parent_fd, adopt=adopt))


@app.command(epilog="Example: tipstaff relay config.yaml")
def relay(config: Config = Path("config.yaml"), parent_fd: ParentFd = None) -> None:
    """Run the relay alone: it takes events from the data folder to Kafka."""
    from gateway.app.relay import run_relay

    raise typer.Exit(run_relay(config, parent_fd))


@app.command(epilog="Example: tipstaff gather config.yaml")
def gather(config: Config = Path("config.yaml"), parent_fd: ParentFd = None) -> None:
    """Run the gatherer alone: it takes other gateways' events from Kafka into the data folder."""
    from gateway.app.gather import run_gather

    raise typer.Exit(run_gather(config, parent_fd))


@app.command(epilog="Example: tipstaff check config.yaml")
def check(
    config: Config = Path("config.yaml"),
    keys: Annotated[bool, typer.Option("--keys", help="List every configuration key and stop.")] = False,  # noqa: FBT002 - a flag
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Validate a configuration without starting, and measure how much this machine can score."""
    from gateway.commands.check import check_config, key_list

    if keys:
        for line in key_list():
            say(line)
        return
    report = check_config(config)
    if as_json:
        say(json.dumps(report.as_dict()))
    else:
        for line in report.lines():
            say(line)
    if report.problems:
        raise refuse(report.problems, report.exit_code)


@app.command(epilog="Example: tipstaff weights assistant canary=25 --reason 'looks fine at 10'")
def weights(
    model: Annotated[str, typer.Argument(help="The model.")],
    changes: Annotated[list[str] | None, typer.Argument(help="ARM=PERCENT; nothing: show them.")] = None,
    reason: Annotated[str, typer.Option(help="Why; needed to set them, and kept in the decision.")] = "",
    admin: Admin = ADMIN,
    token_file: Annotated[Path | None, typer.Option(help="File with the admin token.")] = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag
) -> None:
    """Show how a model's units are split, or set it as the operator."""
    from gateway.commands.adminclient import AdminClient, AdminError
    from gateway.process import Exit

    if changes and not reason.strip():
        raise refuse(["say why: --reason 'no harm seen at 10 %'; it is kept in the decision"], Exit.CONFIG)
    try:
        client = AdminClient(admin, token_file)
        answer = client.set_weights(model, _percentages(changes), reason) if changes else client.weights(model)
    except AdminError as error:
        raise refuse([str(error)], Exit.FAILED) from error
    except ValueError as error:
        raise refuse([str(error)], Exit.CONFIG) from error
    if as_json:
        say(json.dumps(answer))
        return
    for arm, percent in answer["weights"].items():
        say(f"{arm:<12} {percent:g} %")
    say(f"decided by {answer['decided_by']}: {answer['reason'] or 'no reason given'}")


def _percentages(changes: list[str]) -> dict[str, float]:
    wished = {}
    for change in changes:
        arm, equals, percent = change.partition("=")
        if arm in wished:
            raise ValueError(f"{arm!r} is given twice")
        try:
            wished[arm] = float(percent.removesuffix("%"))
        except ValueError:
            equals = ""
        if not equals:
            raise ValueError(f"{change!r}: give ARM=PERCENT, like canary=25")
    return wished


@app.command(epilog="Example: tipstaff demo --exit")
def demo(
    exit_after: Annotated[bool, typer.Option("--exit", help="End by itself after the story.")] = False,  # noqa: FBT002 - a flag
    model: Annotated[str, typer.Option(help="simulated, or vllm: two real servers on the CPU.")] = "simulated",
    seed: Annotated[int, typer.Option(help="Of the simulated models and users.")] = 7,
) -> None:
    """Watch a rollout, live in the terminal: the canary turns bad and goes back by evidence."""
    from gateway.demo.story import Options, run

    raise typer.Exit(run(Options(exit_after=exit_after, model=model, seed=seed)))


@app.command()
def version() -> None:
    """Print the version."""
    say(__version__)


def main() -> None:
    """The console script."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())  # type: ignore[func-returns-value] # typer ends the process by itself
