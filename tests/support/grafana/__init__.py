"""What the dashboards' end-to-end test is made of: a run, its account from the event log, and what panels must show."""
