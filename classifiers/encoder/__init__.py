"""The encoder: a small network with one output for each thing that it knows, and what follows for principles.

`model` loads and runs it, `encoding` and `windows` lay texts out for it, `reader` makes signals of what it finds.
"""
