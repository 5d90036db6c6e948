"""TLS on both sides: the data port's certificate, read again when its files change, and trust in an arm's."""

import asyncio
import ssl
from pathlib import Path

import structlog

from gateway.settings import Arm, ConfigError, Tls

log = structlog.get_logger(__name__)

POLL_SECONDS = 5.0
_ALPN = ["http/1.1"]


class ServerTls:
    """The data port's TLS. `context` is one object for good: its handshakes use the newest certificate.

    A new pair of files is read into a context of its own, so that a pair half written changes nothing.
    Raises ConfigError when the first pair cannot be used.
    """

    def __init__(self, files: Tls) -> None:
        self._files = files
        self.warnings: tuple[str, ...] = ()
        self._seen = _signature(files)
        try:
            self._current = _loaded(files)
            self.context = _loaded(files)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError([f"tls: {_problem(files, error)}"]) from error
        self.context.sni_callback = self._choose

    def follow(self, files: Tls) -> None:
        """Use another pair of files from now on. Raises ConfigError, with the last certificate still in use."""
        seen = _signature(files)
        try:
            self._current = _loaded(files)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError([f"tls: {_problem(files, error)}"]) from error
        self._files, self._seen, self.warnings = files, seen, ()

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def reload(self) -> bool:
        """Read the files again if they have changed; True when there is a new certificate."""
        seen = _signature(self._files)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self._current = _loaded(self._files)
        except (OSError, ssl.SSLError) as error:
            self.warnings = (f"tls: {_problem(self._files, error)}; the last certificate stays in use",)
            log.warning("certificate not reloaded", problem=self.warnings[0])
            return False
        self.warnings = ()
        log.info("certificate reloaded", cert=str(self._files.cert))
        return True

    async def run(self) -> None:
        """Look for new files for ever, every POLL_SECONDS."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.reload()


def client_context(arm: Arm) -> ssl.SSLContext:
    """How connections to an arm's https endpoints are verified. Raises ConfigError for a `ca` that is none."""
    try:
        context = ssl.create_default_context(cafile=None if arm.ca is None else str(arm.ca))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError([f"ca: {arm.ca} holds no certificates that can be used ({error})"]) from error
    if not arm.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(_ALPN)
    return context


def _loaded(files: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(_ALPN)
    # A key with a pass phrase must fail here: OpenSSL would ask for it on the terminal.
    context.load_cert_chain(files.cert, files.key, password="")
    return context


def _problem(files: Tls, error: Exception) -> str:
    return (
        f"{files.cert} and {files.key} are no pair of PEM certificate chain and key without a pass phrase ({error})"
    )


def _signature(files: Tls) -> tuple[tuple[int, int, int] | None, ...]:
    return tuple(_stamp(path) for path in (files.cert, files.key))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return (seen.st_mtime_ns, seen.st_ino, seen.st_size)
