"""The dashboard's page and its files, for everybody: they hold no data, and ask the API for it."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from gateway.controller.problems import not_found
from gateway.controller.shell import Asset, Shell

_READS = ["GET", "HEAD"]
_FOR_EVER = "public, max-age=31536000, immutable"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)


def dashboard_router(shell: Shell) -> APIRouter:
    """/dashboard/ and all below it is the same page, which finds its way by itself."""
    router = APIRouter(include_in_schema=False)
    etag = f'W/"{shell.version}"'

    @router.api_route("/", methods=_READS)
    @router.api_route("/dashboard", methods=_READS)
    def lead(request: Request) -> RedirectResponse:
        query = request.url.query
        return RedirectResponse(f"/dashboard/?{query}" if query else "/dashboard/")

    @router.api_route("/dashboard/static/{version}/{name:path}", methods=_READS)
    def static(version: str, name: str, request: Request) -> Response:
        """What it holds never changes; another version has another path."""
        asset = shell.assets.get(name) if version == shell.version else None
        if asset is None:
            raise not_found("file", f"{name!r} is none of this version's: load the page anew")
        headers = {"cache-control": _FOR_EVER, "etag": etag}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return _answer(asset, request, headers)

    @router.api_route("/dashboard/{place:path}", methods=_READS)
    def page(place: str, request: Request) -> Response:  # noqa: ARG001 - the page reads it from the address
        return _answer(shell.page, request, {"content-security-policy": _POLICY})

    return router


def _answer(asset: Asset, request: Request, headers: dict[str, str]) -> Response:
    headers = {**headers, "vary": "accept-encoding"}
    if not _takes_gzip(request.headers.get("accept-encoding", "")):
        return Response(asset.content, media_type=asset.media_type, headers=headers)
    headers["content-encoding"] = "gzip"
    return Response(asset.zipped, media_type=asset.media_type, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    for each in accepted.lower().split(","):
        coding, _, quality = each.replace(" ", "").partition(";")
        if coding == "gzip":
            return quality.rstrip("0.") != "q="
    return False
