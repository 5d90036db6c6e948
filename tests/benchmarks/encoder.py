"""What reading costs: exchanges a second of one core by length, one check's time, and memory; int8 beside fp32."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from classifiers.cascade import Cascade
from classifiers.constitution import default
from classifiers.encoder.encoding import Encoded
from classifiers.encoder.model import DEFAULT, Model, Precision, described
from classifiers.encoder.reader import EncoderReader
from classifiers.exchange import Answer, Exchange, Turn
from classifiers.rules import RulesReader
from tests.benchmarks.table import Row

_LENGTHS = (32, 128, 512)
_SECONDS = 3.0
_CHECKS = 200
_REQUEST = "Could you tell me how the harbour of a small town in the north works in winter? "
_ANSWER = "It freezes at the edges, so the boats lie further out, and a tug keeps a lane open for the ferry. "


def measure(_: Path) -> list[Row]:
    """Both precisions read the same texts in turns."""
    description = described(DEFAULT)
    models: dict[Precision, Model] = {name: Model(DEFAULT, description, name) for name in ("int8", "fp32")}
    rows = []
    for length in _LENGTHS:
        texts = _windows(models["int8"], length)
        for name, model in models.items():
            least = 100.0 if (name, length) == ("int8", 128) else None
            rows.append(Row(f"{length} tokens, {name}", _per_second(model, texts), "per CPU s", at_least=least))
    checks = _checks(models["int8"])
    rows += [
        Row("one check of 128 tokens, rules and encoder, p50", float(np.quantile(checks, 0.5)), "ms", at_most=12.0),
        Row("the same, p99", float(np.quantile(checks, 0.99)), "ms"),
        Row("a chat of 1,000 + 300 tokens", _chat(models["int8"]), "per CPU s"),
    ]
    return rows + [
        Row(f"memory of a process that reads, {name}", _memory(name), "MB", at_most=300.0) for name in models
    ]


def _windows(model: Model, tokens: int) -> list[Encoded]:
    """One text of so many tokens, in as many windows as it takes."""
    (read,) = model.encoding.tokens([(_REQUEST * 60, None)])
    whole = type(read)(read.request[: tokens - 2], None)
    return list(model.encoding.windows(whole, model.window))


def _per_second(model: Model, windows: list[Encoded]) -> float:
    model.probabilities(windows)
    began, count = time.process_time(), 0
    while time.process_time() - began < _SECONDS:
        model.probabilities(windows)
        count += 1
    return count / (time.process_time() - began)


def _cascade(model: Model) -> Cascade:
    return Cascade(default(), [RulesReader(default()), EncoderReader(default(), model)])


def _checks(model: Model) -> list[float]:
    """Milliseconds of CPU time for an exchange whose request and answer have 128 tokens together."""
    cascade, exchange = _cascade(model), _of_tokens(model, 128)
    found = []
    for _ in range(_CHECKS):
        began = time.process_time()
        cascade.classify([exchange])
        found.append(1e3 * (time.process_time() - began))
    return found


def _chat(model: Model) -> float:
    cascade, exchange = _cascade(model), _exchange(56, 13)
    began, count = time.process_time(), 0
    while time.process_time() - began < _SECONDS:
        cascade.classify([exchange])
        count += 1
    return count / (time.process_time() - began)


def _exchange(asked: int, answered: int) -> Exchange:
    return Exchange("0" * 32, (Turn("user", _REQUEST * asked),), (Answer(_ANSWER * answered),))


def _of_tokens(model: Model, tokens: int) -> Exchange:
    """A quarter of it the request."""
    words = (_ANSWER * 10).split()
    request = _REQUEST * round(tokens / 4 / 18)
    for size in range(len(words)):
        answer = " ".join(words[:size])
        (read,) = model.encoding.tokens([(request, answer)])
        if len(read.request) + len(read.answer or ()) >= tokens:
            break
    return Exchange("0" * 32, (Turn("user", request),), (Answer(answer),))


def _memory(precision: Precision) -> float:
    """Resident memory at most, of a process of its own."""
    code = f"from tests.benchmarks import encoder; encoder.read_one({precision!r})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ)
    return float(done.stdout)


def read_one(precision: Precision) -> None:
    """Print the memory that loading a model and reading one exchange took, in MB."""
    _cascade(Model(DEFAULT, described(DEFAULT), precision)).classify([_exchange(56, 13)])
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(int(peak.split()[1]) / 1024)
