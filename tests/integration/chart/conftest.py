"""The chart, and every example as it is rendered."""

import pytest

from tests.support.chart import EXAMPLES, Chart, Rendered, example


@pytest.fixture(scope="session")
def examples(chart: Chart) -> dict[str, Rendered]:
    return {name: chart.render(example(name), name) for name in EXAMPLES}


@pytest.fixture(params=EXAMPLES)
def rendered(request: pytest.FixtureRequest, examples: dict[str, Rendered]) -> Rendered:
    """Each example in turn."""
    return examples[request.param]
