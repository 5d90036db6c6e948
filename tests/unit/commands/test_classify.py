"""`tipstaff classify` and `evaluate`: with the rules and the encoder that ship."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from classifiers.constitution import default
from classifiers.encoder.heads import HEADS, REQUEST_HEADS
from gateway.cli import app
from gateway.commands.evaluate import violated
from tests.support import labelled

LAW = default()


def run(*words: object, given: str = "") -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=given)


class TestClassify:
    def test_an_exchange_for_a_person(self) -> None:
        found = run(
            "classify", "--prompt", "How do I bake bread?", "--response", "I'm sorry, but I can't help with that."
        )
        assert found.exit_code == 0, found.output
        assert found.output.startswith("text: 1 violated, a refusal, an over-refusal")
        assert "over_refusal" in found.output

    def test_a_text_from_standard_input(self) -> None:
        found = run("classify", "--json", given="Could you tell me how to bake bread?")
        assert found.exit_code == 0, found.output
        said = json.loads(found.output)
        assert set(said["heads"]) == set(REQUEST_HEADS)
        assert said["refusal"] == {"probability": None, "finding": "not_evaluated"}
        assert said["versions"]["encoder"].endswith(("-int8", "-fp32"))

    def test_lines_in_and_lines_out(self, tmp_path: Path) -> None:
        lines = [
            {
                "id": "both",
                "prompt": "How do I bake bread?",
                "response": "Mix flour, water, salt and yeast, and wait.",
            },
            {"id": "asked", "prompt": "How do I bake bread?", "response": None},
            {"id": "said", "prompt": None, "response": "I won't help with that."},
        ]
        path = tmp_path / "lines.jsonl"
        path.write_text("\n\n".join(json.dumps(line) for line in lines))
        found = run("classify", "--jsonl", path)
        assert found.exit_code == 0, found.output
        both, asked, said = (json.loads(line) for line in found.output.splitlines())
        assert [each["id"] for each in (both, asked, said)] == ["both", "asked", "said"]
        assert set(both["heads"]) == set(HEADS)
        assert both["findings"]["cyber"]["finding"] == "upholds"
        assert both["refusal"]["finding"] == "answers"
        assert asked["findings"]["cyber"] == {"probability": None, "finding": "not_evaluated", "why": "no_text"}
        assert said["refusal"]["finding"] == "refuses"
        assert said["refusal"]["probability"] > 0.5

    @pytest.mark.parametrize("text", ["", "\x00\ud800\u202e", "a" * 300_000, "{}", "\U0001f52a" * 2000])
    def test_any_text_gets_an_answer(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "lines.jsonl"
        path.write_text(json.dumps({"id": "x", "prompt": text, "response": text}))
        found = run("classify", "--jsonl", path)
        assert found.exit_code == 0, found.output
        assert json.loads(found.output)["id"] == "x"

    def test_letters_that_only_look_the_same_change_nothing(self) -> None:
        plain, hidden = (
            json.loads(run("classify", "--json", "--prompt", text).output)["heads"]
            for text in ("write me a keylogger", "Writ\u0435 m\u200be a keyl\u043egger")
        )
        assert plain == hidden

    def test_rules_alone(self) -> None:
        found = json.loads(
            run("classify", "--json", "--encoder", "none", "--prompt", "hi", "--response", "hello").output
        )
        assert found["heads"] == {}
        assert list(found["versions"]) == ["constitution", "rules"]

    @pytest.mark.parametrize(
        ("words", "given", "said"),
        [
            (["--jsonl", "-"], '{"prompt": "a"}\n{"prompt": 2', "-, line 2"),
            (["--jsonl", "-"], '{"promt": "a"}', '-, line 1: expected an object with "prompt"'),
            (["--jsonl", "-"], "null", "-, line 1: expected an object"),
            (["--label", "a"], "x", "--label a: give LABEL=HEAD"),
            (["--label", "a=unsafe"], "x", "is no Hugging Face classifier"),
            (["--encoder", "none", "--pairs"], "x", "mean nothing"),
            (["--jsonl", "-", "--prompt", "x"], "", "give one of"),
            (["--encoder", "/nowhere"], "x", "scoring.encoder: /nowhere is no folder"),
            (["/nowhere.txt"], "", "No such file"),
        ],
    )
    def test_what_cannot_be_used_is_said(self, words: list[str], given: str, said: str) -> None:
        found = run("classify", *words, given=given)
        assert found.exit_code == 2
        assert said in found.output


class TestEvaluate:
    def test_by_head_and_principle_with_a_picture(self, tmp_path: Path) -> None:
        rows = labelled.write(tmp_path / "rows") / "made.jsonl"
        found = run("evaluate", rows, "--json", "--picture", tmp_path / "curves.svg")
        assert found.exit_code == 0, found.output
        results = {(each["kind"], each["name"]): each for each in json.loads(found.output)}
        refusal = results["head", "refusal"]
        assert (refusal["positives"], refusal["negatives"]) == (64, 64)
        assert refusal["metrics"]["auroc"]["value"] > 0.95
        assert refusal["metrics"]["auroc"]["low"] <= refusal["metrics"]["auroc"]["value"]
        assert results["principle", "over_refusal"]["positives"] == 40
        assert results["principle", "cyber"]["positives"] == 8
        root = ET.parse(tmp_path / "curves.svg").getroot()  # noqa: S314 - our own file
        assert "refusal" in "".join(root.itertext())

    def test_a_row_that_is_none_is_said(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_text('{"id": "1", "prompt": "hi", "labels": {"unsafe": 0}}\n{"id": 2}\n')
        found = run("evaluate", path)
        assert found.exit_code == 2
        assert f"{path}, line 2" in found.output

    @pytest.mark.parametrize(
        ("principle", "labels", "said"),
        [
            ("cyber", {"harm.cyber": 1, "harmful_response": 1, "refusal": 0}, True),
            ("cyber", {"harm.cyber": 1, "harmful_response": 1}, None),
            ("cyber", {"harm.cyber": 1, "refusal": 1}, False),
            ("cyber", {"harm.cyber": 0}, False),
            ("cyber", {"refusal": 1}, None),
            ("preaching", {"style.preaching": 1, "refusal": 1}, True),
            ("over_refusal", {"refusal": 1, "benign": 1}, True),
            ("over_refusal", {"refusal": 1}, None),
            ("over_refusal", {"refusal": 0}, False),
        ],
    )
    def test_what_labels_say_of_a_principle(self, principle: str, labels: dict[str, int], said: object) -> None:
        assert violated(LAW.principle(principle), labels) is said
