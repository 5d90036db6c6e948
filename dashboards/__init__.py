"""What shows tipstaff: its own page, Grafana's dashboards, Prometheus's rules. Data, and what makes it."""
