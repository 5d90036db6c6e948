"""Short ways to write constitutions and exchanges in tests."""

from textwrap import dedent, indent

from classifiers.constitution import Constitution, loads
from classifiers.exchange import Answer, Exchange, Turn
from classifiers.rules import RulesClassifier
from classifiers.verdict import PrincipleFinding, Verdict

HEAD = "version: 1\ntitle: A test\n"


def principle(name: str = "one", more: str = "", **keys: str) -> str:
    """The YAML of one principle in a list: `keys` replace the usual ones, `more` is added."""
    usual = {
        "tier": "harmlessness",
        "scope": "exchange",
        "severity": "high",
        "title": f"Title of {name}",
        "text": f"Twenty letters at least, about {name}.",
        "examples": "{violates: [], complies: []}",
    }
    lines = [f"{key}: {value}" for key, value in (usual | keys).items()]
    body = "\n".join([f"id: {name}", *lines, dedent(more).strip()])
    return "  - " + indent(body, "    ").lstrip()


def written(*principles: str, head: str = HEAD) -> str:
    """A whole file."""
    return head + "principles:\n" + "\n".join(principles) + "\n"


def constitution(*principles: str, head: str = HEAD) -> Constitution:
    """A loaded constitution."""
    return loads(written(*principles, head=head))


def exchange(request: str, *answers: str | Answer, system: str = "", model: str = "assistant") -> Exchange:
    """One user turn and its answers."""
    turns = ((Turn("system", system),) if system else ()) + (Turn("user", request),)
    said = tuple(Answer(answer) if isinstance(answer, str) else answer for answer in answers)
    return Exchange("x", turns, said, model)


def verdict(written_law: Constitution, about: Exchange) -> Verdict:
    """What rules alone say."""
    return RulesClassifier(written_law).classify([about])[0]


def finding(of: Verdict, name: str) -> PrincipleFinding:
    """The finding of that principle."""
    return next(found for found in of.findings if found.principle == name)
