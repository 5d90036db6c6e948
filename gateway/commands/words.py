"""Times, e-values and sentences as the screens of the command line write them."""

import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime

WIDTH = 80
LINES = 24
_LABEL = 8


def span(seconds: float) -> str:
    """A time span by its two largest units: `3 d 4 h`, `12 min`, `40 s`."""
    left = max(round(seconds), 0)
    if left < 120:
        return f"{left} s"
    days, hours, minutes = left // 86_400, left // 3600 % 24, left // 60 % 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def time_of(text: str) -> datetime:
    """A time of the API."""
    return datetime.fromisoformat(text).astimezone(UTC)


def moment(time_us: int) -> datetime:
    """Microseconds since the epoch as a time, UTC."""
    return datetime.fromtimestamp(time_us / 1e6, UTC)


def stamp(text: str) -> str:
    """A time of the API, to the second, in UTC."""
    return f"{time_of(text):%Y-%m-%d %H:%M:%S} UTC"


def percent(value: float) -> str:
    """A share that is in percent already."""
    return f"{value:g} %"


def labelled(label: str, text: str, most: int = 3) -> Iterator[str]:
    """`text` behind a label, wrapped; what is over `most` lines ends in dots."""
    lines = textwrap.wrap(text, WIDTH - _LABEL, max_lines=most, placeholder=" ...") or [""]
    for number, line in enumerate(lines):
        yield f"{label if number == 0 else '':<{_LABEL}}{line}".rstrip()
