"""The runbook that ships, section by section: what an alert means and what to do."""

from importlib.resources import files

_HEADING = "## "


def sections() -> dict[str, str]:
    """Alert -> its section, as it is written; the text before the first one is under the empty name."""
    found: dict[str, list[str]] = {"": []}
    name = ""
    for line in (files("dashboards") / "prometheus" / "runbook.md").read_text(encoding="utf-8").splitlines():
        if line.startswith(_HEADING):
            name = line.removeprefix(_HEADING).strip()
            found[name] = []
        found[name].append(line)
    return {each: "\n".join(lines).strip() + "\n" for each, lines in found.items()}
