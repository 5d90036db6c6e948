"""Who asks: what the guard found out about a request."""

from typing import Annotated

from fastapi import Depends, Request

from gateway.core.identity import Identity


def _who(request: Request) -> Identity:
    found: Identity = request.state.identity
    return found


Who = Annotated[Identity, Depends(_who)]
