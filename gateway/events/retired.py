"""What producers left that no process writes for any more: a worker that the configuration no longer has.

Their time goes on, so that nobody waits for what they might still say.
"""

from collections.abc import Callable, Iterable
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
    for producer in producers(root, stream):
        if producer in living or gathered(producer):
            continue
        try:
            with closing(opened(producer)) as log:
                log.roll(stream)
                log.tick(stream)
        except ProducerTaken:
            continue  # it lives, under another configuration
