"""tipstaff: a gateway in front of vLLM that moves traffic between versions of a model on evidence."""

__version__ = "0.1.0"
