"""How `tipstaff observe` is called; imports what it needs when it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
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
    force: Annotated[bool, typer.Option(help="Overwrite files that say something else.")] = False,
) -> None:
    """Write what Prometheus and Grafana need to watch this gateway: scraping, rules, alerts, dashboards."""
    from gateway.cli import refuse, say
    from gateway.commands.observe import Around, files_for
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
        different = _written(around.folder, files_for(settings, around), force=force)
    except ConfigError as error:
        raise refuse(error.problems, Exit.CONFIG) from error
    except (OSError, UnicodeDecodeError) as error:
        raise refuse([str(error)], Exit.CONFIG) from error
    if different:
        words = "say something else: give another --output, or --force to overwrite them"
        raise refuse([f"{around.folder}: {', '.join(different)} {words}"], Exit.CONFIG)
    for line in _next(around.folder, guarded=_guarded(settings) and token_file is None):
        say(line)


def _written(folder: Path, made: dict[str, str], *, force: bool) -> list[str]:
    """Write them all; or, unless `force`, none where some say something else: those. Raises OSError."""
    different = [] if force else [name for name, text in made.items() if _differs(folder / name, text)]
    if not different:
        for name, text in made.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return different


def _guarded(settings: "Settings") -> bool:
    return bool(settings.admin_tokens or settings.admin_users or settings.admin_token_file)


def _differs(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") != text


def _next(folder: Path, *, guarded: bool) -> list[str]:
    """What to do with them."""
    prometheus = folder / "prometheus"
    scrape = f"{prometheus}/tipstaff.scrape.yml"
    said = {
        "a new Prometheus": f"prometheus --config.file={prometheus}/prometheus.yml"
        " --enable-feature=exemplar-storage",
        "one that you have": f"rule_files: [{prometheus}/*.rules.yml] and scrape_config_files: [{scrape}]"
        " (from 2.43 on; else copy its jobs)",
        "Alertmanager": f"{prometheus}/alertmanager.example.yml",
        "Grafana": f"copy {folder}/grafana/provisioning into its provisioning folder",
    }
    lines = [f"wrote {folder}", *(f"  {what + ':':20}{how}" for what, how in said.items())]
    if guarded:
        lines.append("  from other machines /metrics needs a token: --token-file with one of the role viewer")
    return lines
