"""The API on one page, made from its own description: no script, nothing from another site."""

from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

_STYLE = "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}dt{margin-top:1rem}"
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>tipstaff API</title><style>{style}</style>
<h1>tipstaff {version}</h1><p>{about}</p>
<p>Described for machines in <a href="/api/v1/openapi.json">openapi.json</a>.</p>
<dl>{operations}</dl></html>"""


def docs_router(app: FastAPI) -> APIRouter:
    """/docs."""
    router = APIRouter()

    @router.get("/docs", include_in_schema=False, response_class=HTMLResponse)
    def docs() -> HTMLResponse:
        """Every operation in a line."""
        described = app.openapi()
        operations = "".join(
            _operation(method.upper(), path, operation)
            for path, methods in described["paths"].items()
            for method, operation in methods.items()
        )
        info = described["info"]
        about = escape(info["description"])
        return HTMLResponse(
            _PAGE.format(style=_STYLE, version=escape(info["version"]), about=about, operations=operations)
        )

    return router


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    asked = ", ".join(
        parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"
    )
    query = f" <small>?{escape(asked)}</small>" if asked else ""
    words = escape(f"{operation['summary']}. {operation.get('description', '')}")
    return f"<dt><code>{method} {escape(path)}</code>{query}</dt><dd>{words}</dd>"
