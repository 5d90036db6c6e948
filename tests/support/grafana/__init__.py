"""For the dashboards' end-to-end test: a run, its account from the event log, and what panels must show."""
