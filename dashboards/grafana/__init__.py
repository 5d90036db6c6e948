"""Grafana dashboards: what is on them, in values, and what writes them as JSON (`python -m dashboards.grafana`).

Development only: the JSON beside this file is committed, and nothing that runs imports these modules.
"""
