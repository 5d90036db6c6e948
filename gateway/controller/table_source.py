"""Asks another gateway's controller for its routing table, by long poll."""

import ssl
from http import HTTPStatus

import httpx
import msgspec

from gateway.controller.followed import Refused, Unreachable
from gateway.core.routing import RoutingTable
from gateway.keys import read_secret
from gateway.settings import Control

_SLACK_SECONDS = 10.0


class Told(RoutingTable, frozen=True):
    """A routing table as the API gives it; `unit_key`: the fingerprint of the key that its store's units go by."""

    unit_key: str = ""


class ControlTables:
    """`gateway.controller.followed.Source`. `unit_key`: the fingerprint of our own. Raises ConfigError."""

    wait_seconds = 20.0

    def __init__(self, control: Control, unit_key: str) -> None:
        self.name = control.url
        self._unit_key = unit_key
        token = read_secret("control.token_file", control.token_file)
        self._http = httpx.Client(
            base_url=f"{control.url}/api/v1",
            headers={"authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cafile=control.ca),
            trust_env=False,  # the token goes to that address, never through a proxy of the environment
        )

    @property
    def elsewhere(self) -> str:
        """See Source."""
        return f"this gateway follows {self.name}: ask there, with --admin"

    def fetch(self, known: RoutingTable, wait: float) -> RoutingTable | None:
        """See Source."""
        asked: dict[str, str | float] = {
            "store_id": known.store_id,
            "epoch": known.epoch,
            "version": known.version,
            "wait": wait,
        }
        try:
            answer = self._http.get("/table", params=asked, timeout=wait + _SLACK_SECONDS)
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: closed meanwhile
            raise Unreachable(f"{self.name} does not answer ({error})") from error
        if answer.status_code == HTTPStatus.NO_CONTENT:
            return None
        if answer.status_code != HTTPStatus.OK:
            raise Unreachable(f"{self.name} answers {answer.status_code}: {_detail(answer)}")
        return self._table(answer.content)

    def _table(self, content: bytes) -> RoutingTable:
        try:
            told = msgspec.json.decode(content, type=Told)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unreachable(f"{self.name} gives no routing table: {error}; is it the admin port?") from error
        if told.unit_key != self._unit_key:
            said = f"its unit key is {told.unit_key or 'none yet'}, ours {self._unit_key}"
            raise Refused(f"{self.name} deals units otherwise: {said}; give both the same unit_key_file")
        return RoutingTable(told.store_id, told.epoch, told.version, told.models)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()


def _detail(answer: httpx.Response) -> str:
    try:
        found = answer.json()
    except ValueError:
        return answer.reason_phrase
    return str(found.get("detail", "")) if isinstance(found, dict) else ""
