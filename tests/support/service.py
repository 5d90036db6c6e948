"""A Service of Kubernetes, as far as clients see it: it sends each connection to one of the pods that are ready."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx

from tests.support.people import question
from tests.support.threads import beside

_REST = 0.02
_DEADLINE = 60.0


class Service:
    """Addresses of the pods that are ready. A client that was sent to one may get there after it was taken out."""

    def __init__(self, *urls: str) -> None:
        self._urls = list(urls)
        self._turn = 0
        self._on_the_way: Counter[str] = Counter()
        self._changed = threading.Condition()

    def add(self, url: str) -> None:
        with self._changed:
            self._urls.append(url)

    def remove(self, url: str) -> None:
        """No new connection goes there; returns once those that were sent there before have been let in.

        That is what a pod's preStop waits for, without knowing.
        """
        with self._changed:
            self._urls.remove(url)
            arrived = self._changed.wait_for(lambda: not self._on_the_way[url], _DEADLINE)
        assert arrived, f"somebody is still on the way to {url}"

    @contextmanager
    def connection(self) -> Iterator[str]:
        """Where to go; leave it once the connection is there."""
        with self._changed:
            self._turn += 1
            url = self._urls[self._turn % len(self._urls)]
            self._on_the_way[url] += 1
        try:
            yield url
        finally:
            with self._changed:
                self._on_the_way[url] -= 1
                self._changed.notify_all()


class Streams:
    """Users who read one stream after the other, each on its own connection. `broken`: why one did not end."""

    def __init__(self, service: Service) -> None:
        self.whole = 0
        self.broken: list[str] = []
        self.seen: Counter[str] = Counter()
        self._service = service
        self._lock = threading.Lock()
        self._enough = threading.Event()

    def has_read(self, number: int) -> bool:
        """Whether so many streams came whole."""
        return self.whole >= number

    def _read_on(self, number: int) -> None:
        while not self._enough.wait(_REST):
            url, trouble = self._read(number)
            with self._lock:
                self.seen[url] += 1
                self.whole += not trouble
                self.broken += [trouble] if trouble else []

    def _read(self, number: int) -> tuple[str, str]:
        """Where, and what went wrong."""
        body = question("assistant", stream=True)
        headers = {"x-user-id": f"user-{number}"}
        url = ""
        try:
            with httpx.Client(timeout=_DEADLINE) as client:
                with self._service.connection() as url:
                    answer = client.send(
                        client.build_request("POST", f"{url}/v1/chat/completions", json=body, headers=headers),
                        stream=True,
                    )
                said = answer.read()
        except httpx.TransportError as error:
            return url, f"{url}: {error!r}"
        if answer.status_code != 200 or not said.endswith(b"data: [DONE]\n\n"):
            return url, f"{url}: {answer.status_code} {said[-200:]!r}"
        return url, ""

    def reading(self, users: int) -> AbstractContextManager[None]:
        """So many at once, while the block runs."""
        return beside(self._read_on, users, self._enough, _DEADLINE)
