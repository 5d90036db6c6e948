"""All dashboards, and the files that they are in."""

from dashboards.grafana.gateway import GATEWAY
from dashboards.grafana.pipeline import PIPELINE
from dashboards.grafana.rollout import ROLLOUT
from dashboards.grafana.violations import VIOLATIONS
from dashboards.grafana.writing import written

BOARDS = (ROLLOUT, VIOLATIONS, GATEWAY, PIPELINE)


def files() -> dict[str, str]:
    """File name -> text."""
    return {
        f"{board.uid.removeprefix('tipstaff-')}.json": written(board, [other for other in BOARDS if other != board])
        for board in BOARDS
    }
