from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.plainplane import PlainPlane


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[PlainPlane]:
    """A data plane off the network."""
    plane = PlainPlane(tmp_path)
    yield plane
    plane.close()
