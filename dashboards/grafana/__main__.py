"""`python -m dashboards.grafana`: write the dashboards beside this file, as they are committed."""

from pathlib import Path

from dashboards.grafana.boards import files

for name, text in files().items():
    Path(__file__).with_name(name).write_text(text)
