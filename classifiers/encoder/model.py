"""The encoder itself: a model folder, checked, and what its heads say of texts. Needs neither torch nor a network.

A folder holds two graphs over one file of int8 weights: `int8` computes in whole numbers, `fp32` unpacks the
weights first. Whole numbers are faster where the processor does them right (older AVX2 kernels overflow silently),
so a sample with known answers is read when a model is loaded; where they differ, `fp32` takes over.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from classifiers.encoder.encoding import Encoded, Encoding, Joined, Text

Array = NDArray[np.float32]
Precision = Literal["int8", "fp32"]
_Struct = TypeVar("_Struct", bound=msgspec.Struct)
FILES = ("tokenizer.json", "encoder.data", "encoder.int8.onnx", "encoder.fp32.onnx")
"""What a model rests on; model.json names their digests."""
_LEAST_WINDOW = 64
DEFAULT = Path(__file__).parents[1] / "models" / "encoder"
"""The model that ships."""
_LEAST = 1e-6
_AGREES = 0.05
"""The most that a probability of the sample may differ from the one that was stored."""


class ModelError(Exception):
    """The model folder cannot be used; the text says which file and why."""


class Calibration(msgspec.Struct, frozen=True):
    """Of one head: probability = sigmoid(slope x logit + offset), so that 0.5 is where it is taken to be so.

    escalate: from this probability on a judge is worth asking. clear: below it the head clearly says no.
    """

    slope: float = 1.0
    offset: float = 0.0
    escalate: float = 0.5
    clear: float = 0.5


class Description(msgspec.Struct, frozen=True):
    """model.json. files: SHA-256 by name. window: tokens that are read at once."""

    format: int
    version: str
    window: int
    heads: dict[str, Calibration]
    files: dict[str, str]
    data: str = ""
    code: str = ""
    seed: int = 0


class Sample(msgspec.Struct, frozen=True):
    """sample.json: texts that were read when the model was made, and the probabilities that each way to compute
    gave then, shape (texts, heads).
    """

    texts: list[Text]
    probabilities: dict[Precision, list[list[float]]]


class Model:
    """A loaded model. One thread of computation; not for two threads at once."""

    def __init__(self, folder: Path, description: Description, precision: Precision) -> None:
        self.description = description
        self.precision = precision
        self.heads = tuple(description.heads)
        self.window = description.window
        self.encoding = Encoding(Tokenizer.from_file(str(folder / "tokenizer.json")))
        self._session = _session(folder / f"encoder.{precision}.onnx")
        self._slopes, self._offsets = np.array(
            [[each.slope, each.offset] for each in description.heads.values()], dtype=np.float32
        ).T

    @property
    def version(self) -> str:
        """Of what it says: weights, calibration and the way it computes."""
        return f"{self.description.version}-{self.precision}"

    def probabilities(self, texts: Sequence[Encoded]) -> Array:
        """Shape (texts, heads), in [0, 1]; each text of at most `window` tokens."""
        logits = self._run("logits", texts)
        return np.asarray(1.0 / (1.0 + np.exp(-(self._slopes * logits + self._offsets))), dtype=np.float32)

    def clear(self, head: str) -> float:
        """The probability below which a head clearly says no, in (0, 0.5]."""
        return max(self.description.heads[head].clear, _LEAST)

    def features(self, texts: Sequence[Encoded]) -> Array:
        """What all heads read, shape (texts, width): a further head is fitted on it."""
        return self._run("features", texts)

    def _run(self, output: Literal["logits", "features"], texts: Sequence[Encoded]) -> Array:
        """One text after another: int8 scales its numbers by all that it is given at once, so that a text in a
        batch would get other probabilities than alone, and others again beside other texts. Batches save a tenth
        of the time at 16 tokens and nothing from 64 on (make bench).
        """
        found = [self._session.run([output], msgspec.structs.asdict(Joined.of([text])))[0] for text in texts]
        return np.concatenate(found) if found else np.zeros((0, len(self.heads)), dtype=np.float32)


def load(folder: Path, precision: Precision | None = None) -> Model:
    """The model in a folder, its files and its answers checked. `precision` None: int8 where it is right here.

    Raises ModelError.
    """
    description = described(folder)
    sample = read_sample(folder)
    chosen: tuple[Precision, ...] = ("int8", "fp32") if precision is None else (precision,)
    worst = 0.0
    for each in chosen:
        model = Model(folder, description, each)
        worst = disagreement(model, sample)
        if worst <= _AGREES:
            return model
    raise ModelError(
        f"{folder}: on this machine a probability of its sample differs by {worst:.2f} from the stored one"
    )


def described(folder: Path) -> Description:
    """What the folder says of itself, when its files are those. Raises ModelError."""
    description = _read(folder / "model.json", Description)
    if description.format != 1:
        raise ModelError(
            f"{folder}: a model of format {description.format}; this version of tipstaff reads format 1"
        )
    if not description.heads or description.window < _LEAST_WINDOW:
        raise ModelError(f"{folder / 'model.json'}: no heads, or a window of less than {_LEAST_WINDOW} tokens")
    if missing := sorted(set(FILES) - set(description.files)):
        raise ModelError(f"{folder / 'model.json'} names no {', '.join(missing)}")
    for name, digest in description.files.items():
        try:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError as error:
            raise ModelError(f"{folder / name}: {error.strerror}") from error
        if found != digest:
            raise ModelError(f"{folder / name} is not the file that model.json names: it was changed or swapped")
    return description


def read_sample(folder: Path) -> Sample:
    """Raises ModelError."""
    path = folder / "sample.json"
    sample = _read(path, Sample)
    if not sample.texts or any(len(rows) != len(sample.texts) for rows in sample.probabilities.values()):
        raise ModelError(f"{path}: it has no texts, or not as many probabilities")
    return sample


def disagreement(model: Model, sample: Sample) -> float:
    """The most that a probability differs from the stored one."""
    tokens = model.encoding.tokens(sample.texts)
    found = model.probabilities([model.encoding.cut(each, model.window) for each in tokens])
    stored = sample.probabilities.get(model.precision, [])
    if [len(row) for row in stored] != [len(model.heads)] * len(found):
        raise ModelError(f"its sample has no probabilities of {len(model.heads)} heads by {model.precision}")
    return float(np.abs(found - np.array(stored, dtype=np.float32)).max())


def _read(path: Path, kind: type[_Struct]) -> _Struct:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"{path}: {error}") from error


_SLOWER = ["SkipLayerNormFusion"]
"""What the runtime would make faster, and makes slower (1.32, CPU): a fifth of all time."""


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry(
        "session.disable_quant_qdq", "1"
    )  # fp32: unpack the weights once, not each time
    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOWER
    )
