"""What producers left that no process writes for any more: a worker that the configuration no longer has.

Their time goes on, so that nobody waits for what they might still say.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from gateway.events.folder import producers
from gateway.events.gathering import gathered
from gateway.events.schema import Stream
from gateway.events.sqlite import SqliteEventLog
from gateway.events.tip import ProducerTaken

Open = Callable[[str], SqliteEventLog]


def tidy_retired(root: Path, stream: Stream, living: Iterable[str], opened: Open) -> None:
    """Close and unlink, once consumed, what producers other than `living` left of the stream.

    `opened` makes the log of a producer. Raises LogFull, OSError.
    """
    retired = [each for each in producers(root, stream) if each not in living and not gathered(each)]
    for log in _opened(retired, opened):
        log.roll(stream)
        log.tick(stream)


def tidy_gathered(root: Path, opened: Open) -> None:
    """Unlink what is old of other gateways' events, where nobody gathers any more. As for `tidy_retired`."""
    for log in _opened(filter(gathered, producers(root, "verdicts")), opened):
        log.upkeep()


def _opened(wanted: Iterable[str], opened: Open) -> Iterator[SqliteEventLog]:
    """One after another, those that nobody writes: what lives does so itself, under whatever configuration."""
    for producer in wanted:
        try:
            log = opened(producer)
        except ProducerTaken:
            continue
        with closing(log):
            yield log
