"""How `tipstaff classify` and `evaluate` are called; imports what they need when they run."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.commands.classify import Evaluators

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Law = Annotated[Path | None, typer.Option("--constitution", help="Default: the one that ships.")]
Encoder = Annotated[str, typer.Option("--encoder", help="default, none, or a model folder.")]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", help="LABEL=HEAD: of a Hugging Face classifier, what a label speaks for; repeat it."),
]
Pairs = Annotated[bool, typer.Option("--pairs", help="A Hugging Face classifier reads answers behind requests.")]
TextFile = Annotated[Path | None, typer.Argument(help="A text: a request or a post. Default: standard input.")]
Prompt = Annotated[str | None, typer.Option(help="A request; with --response the exchange of both is read.")]
Response = Annotated[str | None, typer.Option(help="The answer to it.")]
Jsonl = Annotated[
    Path | None,
    typer.Option(help='Lines {"id", "prompt", "response"}, either text may be null; - is standard input.'),
]


def add_classify(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: tipstaff classify --prompt 'How do I bake bread?' --response 'With flour.'")(
        classify
    )
    app.command(epilog="Example: tipstaff evaluate labelled.jsonl --picture curves.svg")(evaluate)


def classify(  # noqa: PLR0913 - the words of a command line
    text: TextFile = None,
    *,
    prompt: Prompt = None,
    response: Response = None,
    jsonl: Jsonl = None,
    constitution: Law = None,
    encoder: Encoder = "default",
    label: Labels = None,
    pairs: Pairs = False,
    as_json: AsJson = False,
) -> None:
    """Say what the classifiers find in a text, an exchange, or a file of them."""
    import msgspec

    from gateway.cli import refuse, say
    from gateway.commands import classify as command
    from gateway.process import Exit
    from gateway.settings import ConfigError

    if (jsonl is not None) + (text is not None) + (prompt is not None or response is not None) > 1:
        raise refuse(["give one of: a text file, --prompt and --response, --jsonl"], Exit.CONFIG)
    try:
        by = _evaluators(constitution, encoder, label or [], pairs=pairs)
        if jsonl is not None:
            source = sys.stdin.buffer if str(jsonl) == "-" else jsonl.open("rb")
            with source:
                for found in command.classify(by, command.lines(source, str(jsonl))):
                    say(msgspec.json.encode(found.plain()).decode())
            return
        if prompt is None and response is None:
            read = sys.stdin.buffer.read() if text is None or str(text) == "-" else text.read_bytes()
            prompt = read.decode()
        (one,) = command.classify(by, [command.Line("text", prompt, response)])
    except ConfigError as error:
        raise refuse(error.problems, Exit.CONFIG) from error
    except (OSError, UnicodeDecodeError, command.LineError) as error:
        raise refuse([str(error)], Exit.CONFIG) from error
    if as_json:
        say(msgspec.json.format(msgspec.json.encode(one.plain()), indent=2).decode())
    else:
        for line in command.table(one):
            say(line)


def evaluate(
    rows: Annotated[Path, typer.Argument(help="Labelled rows, JSONL (docs/encoder.md).")],
    *,
    picture: Annotated[Path | None, typer.Option(help="Write curves of recall by false alarms, as SVG.")] = None,
    constitution: Law = None,
    encoder: Encoder = "default",
    label: Labels = None,
    pairs: Pairs = False,
    as_json: AsJson = False,
) -> None:
    """Say how good the classifiers are on labelled rows, with intervals."""
    import msgspec
    from rich.console import Console
    from rich.progress import Progress

    from classifiers.picture import curves
    from gateway.cli import refuse, say
    from gateway.commands import evaluate as command
    from gateway.process import Exit
    from gateway.settings import ConfigError

    console = Console(stderr=True)
    try:
        by = _evaluators(constitution, encoder, label or [], pairs=pairs)
        given = command.read(rows)
        if picture is not None and (picture.exists() or not picture.parent.is_dir()):
            raise refuse([f"--picture {picture}: it is there already, or its folder is not"], Exit.CONFIG)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("rows", total=len(given))
            found, cases = command.evaluate(by, given, lambda: progress.advance(task))
        if not found:
            raise refuse(
                [f"{rows}: nothing to measure: no label is a head of the encoder's, nor belongs to a principle"],
                Exit.CONFIG,
            )
        if picture is not None:
            picture.write_text(curves(command.scored(cases)), encoding="utf-8")
    except ConfigError as error:
        raise refuse(error.problems, Exit.CONFIG) from error
    except (OSError, ValueError) as error:
        raise refuse([str(error)], Exit.CONFIG) from error
    if as_json:
        say(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    for line in command.table(found):
        say(line)
    if picture is not None:
        say(f"wrote {picture}")


def _evaluators(constitution: Path | None, encoder: str, given: list[str], *, pairs: bool) -> "Evaluators":
    from gateway.app.classifier import encoder_for, rules_for
    from gateway.app.constitution import load_constitution
    from gateway.commands.classify import Evaluators
    from gateway.settings import ConfigError, Scoring

    labels: dict[str, list[str]] = {}
    for each in given:
        label, equals, head = each.partition("=")
        if not (label and equals and head):
            raise ConfigError([f"--label {each}: give LABEL=HEAD"])
        labels.setdefault(label, []).append(head)
    law = load_constitution(constitution)
    scoring = Scoring.model_validate({"encoder": encoder, "labels": labels, "pairs": pairs})
    return Evaluators(law, rules_for(law), encoder_for(law, scoring))
