"""A small client of the admin API, for the command line and the demo."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import httpx

_PAGE = 500


class AdminError(Exception):
    """The admin API could not be reached or refused; the message is its own."""


class AdminClient:
    """Talks to one controller. Every call has a deadline and raises AdminError."""

    def __init__(self, address: str, token_file: Path | None = None, deadline: float = 10.0) -> None:
        headers = {}
        if token_file is not None:
            try:
                headers["authorization"] = f"Bearer {token_file.read_text(encoding='utf-8').strip()}"
            except (OSError, UnicodeDecodeError) as error:
                raise AdminError(f"{token_file}: cannot be read ({error}); give the admin token's file") from error
        self._address = (address if "://" in address else f"http://{address}").rstrip("/")
        self._http = httpx.Client(
            base_url=f"{self._address}/api/v1", headers=headers, timeout=deadline, trust_env=False
        )  # trust_env: the token goes to that address, never through a proxy of the environment

    def weights(self, model: str) -> dict[str, Any]:
        """The split of a model's units: `weights` in percent, `decided_by`, `reason`."""
        return self._call("GET", _weights(model))

    def set_weights(self, model: str, percent: dict[str, float], reason: str) -> dict[str, Any]:
        """Set it as the operator; the first arm takes the rest."""
        return self._call("PUT", _weights(model), {"weights": percent, "reason": reason})

    def get(self, path: str, **parameters: str | int) -> dict[str, Any]:
        """Any other read under /api/v1."""
        return self._call("GET", path, parameters=parameters)

    def pages(self, path: str, name: str, most: int, **parameters: str | int) -> Iterator[dict[str, Any]]:
        """At most `most` of a list that comes in pages; `name`: the list's key in each."""
        left, cursor = most, None
        while left > 0:
            page = {**parameters, "limit": min(left, _PAGE)} | ({} if cursor is None else {"cursor": cursor})
            got = self.get(path, **page)
            yield from got[name]
            left, cursor = left - len(got[name]), got["next"]
            if cursor is None:
                return

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Any other change under /api/v1."""
        return self._call("POST", path, body)

    def download(self, path: str, target: IO[bytes]) -> None:
        """Write a file that is read under /api/v1 to `target`."""
        try:
            with self._http.stream("GET", path) as answer:
                if answer.is_error:
                    answer.read()
                    raise AdminError(_problem(answer))
                for piece in answer.iter_bytes():
                    target.write(piece)
        except httpx.HTTPError as error:
            raise AdminError(f"{self._address}: the answer ended early, or there is none ({error})") from error

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, parameters: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, json=body, params=parameters)
        except httpx.HTTPError as error:
            raise AdminError(f"{self._address}: no answer ({error}); is `tipstaff serve` running there?") from error
        if answer.is_error:
            raise AdminError(_problem(answer))
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise AdminError(f"{self._address} answers, but not as tipstaff's admin port does; see `admin:`")
        return found


def _weights(model: str) -> str:
    return f"/models/{quote(model, safe='/')}/weights"


def _problem(answer: httpx.Response) -> str:
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        problem = answer.json()
        return f"{problem.get('title', answer.status_code)}: {problem.get('detail', '')}"
    return f"{answer.request.url}: {answer.status_code} {answer.reason_phrase}"
