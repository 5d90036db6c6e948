"""The control plane: decides the weights, keeps the list of exchanges, answers the admin API."""
