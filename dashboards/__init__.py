"""What other systems show of tipstaff: Grafana's dashboards, Prometheus's rules. Data, and what makes it."""
