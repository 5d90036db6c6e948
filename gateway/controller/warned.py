"""What people should know of, a sentence each: empty when all is well."""

from gateway.controller import overview
from gateway.controller.parts import ControllerParts
from gateway.core.routing import RoutingTable
from gateway.core.status import ProxyStatus
from gateway.processes import configured
from gateway.telemetry.exposition import Children


def warnings(
    parts: ControllerParts, table: RoutingTable, totals: dict[str, Children], statuses: list[ProxyStatus]
) -> list[str]:
    """The gravest first. Blocks for the files of every process."""
    waiting = [f"{name}: {route.reason}" for name, route in table.models.items() if route.decided_by == "safety"]
    units = [overview.unit_warning(name, overview.units(totals, name)) for name in table.models]
    proxies = [
        f"{status.process}: {problem}"
        for status in statuses
        for problem in (
            *(("says nothing any more: is it wedged?",) if parts.statuses.stale(status) else ()),
            *(("acts on another routing table",) if overview.behind(status, table) else ()),
            *status.warnings,
        )
    ]
    levels = [
        f"{each.model}: {each.principle} on {each.arm} is violated more often than in earlier weeks"
        for each in parts.levels.shown()
        if each.raised_us
    ]
    wanted = configured(parts.configuration.settings())
    processes = overview.up(totals)
    down = [f"{name} does not run" for name, is_up in processes.items() if not is_up and name in wanted]
    running = [name for name, is_up in processes.items() if is_up]
    troubles = [f"{name}: {trouble}" for name in running if (trouble := parts.statuses.trouble(name))]
    loading = parts.configuration.loading()
    refused = [f"{loading.source} was read again and refused: {problem}" for problem in loading.problems]
    own = [*parts.folder.troubles(), *parts.healthy(), *parts.tables.warnings, *refused]
    return [*own, *levels, *waiting, *(warning for warning in units if warning), *proxies, *troubles, *down]
