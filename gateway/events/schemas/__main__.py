"""`python -m gateway.events.schemas`: write the schemas that are committed beside this file."""

import sys

from gateway.events.schemas import write

for path in write():
    sys.stdout.write(f"{path.name}\n")
