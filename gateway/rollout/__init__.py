"""Statistics and decisions of rollouts: pure. Events in, evidence and decisions out."""
