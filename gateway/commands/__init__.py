"""What the commands of the command line do; `gateway.cli` says how they are called."""
