"""Where the commands find the controller."""

from typing import Annotated

import typer

Admin = Annotated[str, typer.Option(envvar="TIPSTAFF__ADMIN", help="Address of the admin port.")]
ADMIN = "127.0.0.1:9191"
"""Where it listens unless the configuration says otherwise."""
