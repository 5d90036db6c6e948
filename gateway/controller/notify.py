"""Tells people of decisions and level alarms: posts each to URLs of the configuration, in threads of their own.

Nothing here holds a decision up or can lose one: what cannot be told is counted and is in the chain all the same.
"""

import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException
from urllib.parse import quote, urlsplit

import msgspec
import structlog

from gateway.controller import chain
from gateway.controller.notification import LevelAlarm, Told, written
from gateway.keys import read_secret
from gateway.ports import StateStore
from gateway.settings import ConfigError, Form, Notified, Notify
from gateway.telemetry.metrics import NOTIFICATIONS, Meters

log = structlog.get_logger(__name__)

_WAITING = 200
"""Decisions that may wait for one receiver; what comes then is dropped and counted."""
_SECONDS = 5.0
_TRIES = 6
_FIRST_PAUSE = 1.0
"""Seconds before the second try; doubled each time, so that a receiver may be away for half a minute."""
_AGAIN = frozenset({408, 425, 429})
_PAGE = 500


class Receiver(msgspec.Struct, frozen=True):
    """One of the configuration's `notify`, with the secret `url` that its file holds. Never print it."""

    number: int
    url: str
    on: frozenset[Notified]
    form: Form

    def __repr__(self) -> str:
        return f"notify[{self.number}]"


def receivers(notify: Sequence[Notify]) -> list[Receiver]:
    """All of the configuration's. Raises ConfigError."""
    return [receiver(number, each) for number, each in enumerate(notify)]


def receiver(number: int, given: Notify) -> Receiver:
    """One, with the URL that its file holds. Raises ConfigError, which does not show it."""
    key = f"notify[{number}].url_file"
    url = read_secret(key, given.url_file)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError([f"{key}: {given.url_file} holds no URL like https://hooks.example.org/..."])
    return Receiver(number, url, frozenset(given.on), given.form)


class ChainHead:
    """The hash of the newest decision. One thread at a time."""

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._number = 0
        self._hash = chain.GENESIS

    def read(self) -> str:
        """As it is now. Raises StateStore's errors."""
        while page := self._store.decisions(self._number, _PAGE):
            self._number, newest = page[-1]
            self._hash = chain.decision_hash(newest)
        return self._hash


class Notifier:
    """See the module. `head`: the hash of the chain's newest decision; asked by one thread after another.

    `first_pause`: seconds between the first try and the second.
    """

    def __init__(
        self,
        receivers: Sequence[Receiver],
        public_url: str,
        head: Callable[[], str],
        meters: Meters,
        *,
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        self._boxes = [_Outbox(each, self._text, meters, first_pause) for each in receivers]
        self._public_url = public_url.rstrip("/")
        self._head = head
        self._asking = threading.Lock()

    def start(self) -> None:
        """Begin to post; once."""
        for box in self._boxes:
            box.start()

    def tell(self, decision: Told) -> None:
        """Of a decision or a level alarm that was saved. Never waits, never raises."""
        for box in self._boxes:
            box.put(decision)

    def close(self, grace: float = _SECONDS) -> None:
        """Post what waits, once more at most, within `grace` seconds; the rest counts as failed."""
        for box in self._boxes:
            box.end()
        for box in self._boxes:
            box.join(grace)

    def _text(self, decision: Told, form: Form) -> bytes:
        with self._asking:
            head = self._head()
        return written(decision, form, head, self._link(decision))

    def _link(self, decision: Told) -> str:
        """The dashboard's page of it; it says all that the API does, to people."""
        alarm = isinstance(decision, LevelAlarm)
        page = "violations" if alarm else f"decisions/{quote(decision.id)}"
        shown = f"{page}?model={quote(decision.model, safe='')}"
        return f"{self._public_url}/dashboard/{shown}" if self._public_url else ""


class _Failed(Exception):
    """The text says why, without the URL; `again`: another try may go better."""

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


class _Outbox:
    """What one receiver is to be told, in order: so one that is away holds up no other."""

    def __init__(
        self, receiver: Receiver, text: Callable[[Told, Form], bytes], meters: Meters, first_pause: float
    ) -> None:
        self._receiver = receiver
        self._text = text
        self._first_pause = first_pause
        self._queue: queue.Queue[Told | None] = queue.Queue(_WAITING)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"notify-{receiver.number}", daemon=True)
        self._sent = meters.counter(NOTIFICATIONS, str(receiver.number), "sent")
        self._failed = meters.counter(NOTIFICATIONS, str(receiver.number), "failed")
        self._dropped = meters.counter(NOTIFICATIONS, str(receiver.number), "dropped")
        self._opener = _opener()

    def start(self) -> None:
        self._thread.start()

    def put(self, decision: Told) -> None:
        if decision.kind not in self._receiver.on:
            return
        try:
            self._queue.put_nowait(decision)
        except queue.Full:
            self._dropped.inc()

    def end(self) -> None:
        self._ending.set()
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return  # it sees that it is to end when the queue is empty

    def join(self, grace: float) -> None:
        if self._thread.ident is not None:
            self._thread.join(grace)

    def _run(self) -> None:
        while not (self._ending.is_set() and self._queue.empty()):
            decision = self._queue.get()
            if decision is not None:
                self._tell(decision)

    def _tell(self, decision: Told) -> None:
        try:
            self._post(self._text(decision, self._receiver.form))
        except _Failed as error:
            self._failed.inc()
            log.warning("not notified", receiver=repr(self._receiver), decision=decision.id, reason=str(error))
        except Exception as error:  # noqa: BLE001 - the counter and the log hear of it, and the next is told
            self._failed.inc()
            log.warning("not notified", receiver=repr(self._receiver), reason=type(error).__name__)
        else:
            self._sent.inc()

    def _post(self, body: bytes) -> None:
        pause = self._first_pause
        for left in reversed(range(_TRIES)):
            try:
                return self._try(body)
            except _Failed as error:
                if not (left and error.again) or self._ending.wait(pause):
                    raise
            pause *= 2
        return None

    def _try(self, body: bytes) -> None:
        request = urllib.request.Request(  # noqa: S310 - the configuration takes http and https only
            self._receiver.url, body, {"content-type": "application/json", "user-agent": "tipstaff"}, method="POST"
        )
        try:
            with self._opener.open(request, timeout=_SECONDS):
                return
        except urllib.error.HTTPError as error:
            with error:
                again = error.code >= 500 or error.code in _AGAIN
                raise _Failed(f"it answered {error.code}", again=again) from None
        except (OSError, HTTPException) as error:
            raise _Failed(type(error).__name__, again=True) from None  # its text may hold the URL


def _opener() -> urllib.request.OpenerDirector:
    """With the environment's proxies, without redirects: nothing goes where an answer points."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener
