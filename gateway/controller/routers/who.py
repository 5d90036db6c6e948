"""Who asks: what the guard found out about a request."""

from typing import Annotated

from fastapi import Depends, Request

from gateway.controller.access import Asker
from gateway.core.identity import Identity


def _asker(request: Request) -> Asker:
    found: Asker = request.state.asker
    return found


Asking = Annotated[Asker, Depends(_asker)]
"""With how that is known."""


def _who(asking: Asking) -> Identity:
    return asking.who


Who = Annotated[Identity, Depends(_who)]
