"""Pure values and functions: no I/O, no clock, no random source, nothing of ours imported."""
