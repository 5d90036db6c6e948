"""How `tipstaff observe` is called; imports what it needs when it runs."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.commands.observe import Around
    from gateway.settings import Settings


def add_observe(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: tipstaff observe config.yaml --output /etc/tipstaff-observe")(observe)


def observe(  # noqa: PLR0913 - one argument for each option
    config: Annotated[Path, typer.Argument(help="The YAML configuration.", show_default=True)] = Path(
        "config.yaml"
    ),
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write to.")] = Path("observe"),
    target: Annotated[
        list[str] | None, typer.Option(help="An admin port, host:port, once for each gateway; default: this one's.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with a viewer's token, as Prometheus sees it.")
    ] = None,
    prometheus: Annotated[str, typer.Option(help="Where Grafana reaches Prometheus.")] = "http://127.0.0.1:9090",
    grafana: Annotated[str, typer.Option(help="Where people reach Grafana, for links in alerts.")] = "",
    alertmanager: Annotated[list[str] | None, typer.Option(help="An Alertmanager, host:port.")] = None,
    traces_uid: Annotated[str, typer.Option(help="Grafana's data source of traces, for links in exemplars.")] = "",
    force: Annotated[bool, typer.Option(help="Overwrite what somebody has changed.")] = False,
) -> None:
    """Write what Prometheus and Grafana need to watch this gateway: scraping, rules, alerts, dashboards."""
    from gateway.cli import refuse, say
    from gateway.commands.observe import Around, files_for
    from gateway.commands.observe_folder import write
    from gateway.configfile import load
    from gateway.process import Exit
    from gateway.settings import ConfigError

    around = Around(
        folder=output.absolute(),
        prometheus=prometheus,
        targets=tuple(target or ()),
        token_file=token_file,
        grafana=grafana,
        alertmanagers=tuple(alertmanager or ()),
        traces=traces_uid,
    )
    try:
        settings = load(config)
        if problems := around.problems():
            raise refuse(problems, Exit.CONFIG)
        edited = write(around.folder, files_for(settings, around), force=force)
    except ConfigError as error:
        raise refuse(error.problems, Exit.CONFIG) from error
    except (OSError, UnicodeDecodeError) as error:
        raise refuse([str(error)], Exit.CONFIG) from error
    if edited:
        words = "somebody has changed since: give another --output, or --force to overwrite them"
        raise refuse([f"{around.folder}: {', '.join(edited)}: {words}"], Exit.CONFIG)
    for line in _next(around.folder):
        say(line)
    for hint in _hints(settings, around):
        say(f"  {hint}")


def _hints(settings: "Settings", around: "Around") -> list[str]:
    """What to think of where others than this machine look at it."""
    hints = []
    if around.token_file is None and settings.admin_asks_who:
        hints.append("from other machines /metrics needs a token: --token-file with one of the role viewer")
    if not settings.public_url and not settings.admin_is_local:
        hints.append("links in alerts and dashboards lead to this machine: set public_url")
    return hints


def _next(folder: Path) -> list[str]:
    """What to do with them."""
    prometheus = shlex.quote(str(folder / "prometheus"))
    provisioning = shlex.quote(str(folder / "grafana" / "provisioning"))
    said = {
        "a new Prometheus": f"prometheus --config.file={prometheus}/prometheus.yml"
        " --enable-feature=exemplar-storage",
        "one that you have": f"rule_files: [{prometheus}/*.rules.yml] and"
        f" scrape_config_files: [{prometheus}/tipstaff.scrape.yml] (from 2.43 on; else copy its jobs)",
        "Alertmanager": f"{prometheus}/alertmanager.example.yml",
        "Grafana": f"copy {provisioning} into its provisioning folder",
    }
    return [f"wrote {folder}", *(f"  {what + ':':20}{how}" for what, how in said.items())]
