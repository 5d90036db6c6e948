"""What people say of exchanges: labels, and how the exchanges to be labelled are drawn."""
