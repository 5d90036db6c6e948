"""Every key of the configuration, its default and what it is for. `gateway.configfile` reads it."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from gateway.core.evidence import DecisionKind
from gateway.core.identity import RESERVED, Role, is_name

_UNITS = {"": 1, "B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([KMGT]iB|B)?\s*$", re.IGNORECASE)
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
_HEADER = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_BODY_KEY = re.compile(r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")


def _size(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _SIZE.match(value)
    if match is None:
        raise ValueError("a size is a number of bytes or like 64MiB, 2GiB")
    return int(float(match[1]) * _UNITS[(match[2] or "").upper()])


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError("an address is host:port, like 127.0.0.1:8080; port 0 takes a free one")
    if not host:
        raise ValueError("the host is missing: 127.0.0.1 for this machine only, 0.0.0.0 for all addresses")
    return value


def _endpoint(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an endpoint is a URL like http://127.0.0.1:8000")
    if parts.port == 0:  # reading it raises ValueError for what is no port at all
        raise ValueError("a server's port is 1 to 65535")
    if parts.username or parts.password:
        raise ValueError("no password in a URL: put the key in a file and name it in api_key_file")
    if parts.path.rstrip("/") or parts.query or parts.fragment:
        raise ValueError("an endpoint is a server, without a path: clients' paths are passed on as they are")
    return value.rstrip("/")


def _public_url(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
        raise ValueError("a public URL is like https://tipstaff.example.org, without ? and #")
    return value.rstrip("/")


def _postgres_url(value: str) -> str:
    if urlsplit(value).scheme not in ("postgresql", "postgres"):
        raise ValueError("expected a URL like postgresql://tipstaff@db.example.org/tipstaff")
    return value


def _encoder(value: object) -> object:
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError("expected default, none, or the folder of a model")
    return value


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("expected at least one URL like http://127.0.0.1:8000")
    return value


def _listed(value: object) -> object:
    if isinstance(value, str):
        raise ValueError(f"expected a list, like [{value}]")  # noqa: TRY004 - pydantic turns ValueError into its line
    return value


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _filled(value: dict[str, Any]) -> dict[str, Any]:
    if not value:
        raise ValueError("expected at least one")
    return value


def _unit_source(value: str) -> str:
    kind, _, name = value.partition(":")
    if kind not in ("header", "body", "conversation") or not name:
        raise ValueError("a unit source is header:NAME, body:KEY or conversation:first-turn")
    if kind == "conversation" and name != "first-turn":
        raise ValueError("the only conversation source is conversation:first-turn")
    if not (_HEADER if kind == "header" else _BODY_KEY).match(name):
        raise ValueError(
            f"{name!r} is no {kind} name: letters, digits, dash, underscore; body keys have dots between"
        )
    return f"header:{name.lower()}" if kind == "header" else value


def _person(value: str) -> str:
    if value.lower() in RESERVED:
        raise ValueError(f"{value!r} is what decisions call somebody else: take another name")
    if not is_name(value):
        raise ValueError(f"{value!r} is no person's name: letters, digits and . _ @ + -, at most 128")
    return value


def _network(value: object) -> object:
    try:
        found = ip_network(str(value))
    except ValueError as error:
        raise ValueError(f"expected addresses like 10.1.0.0/16: {error}") from error
    if not found.prefixlen:
        raise ValueError(f"{value} is everybody: name the proxy's own addresses")
    return found


def _header_name(value: str) -> str:
    if not _HEADER.match(value):
        raise ValueError(f"{value!r} is no header name: letters, digits, dash, underscore")
    if value.lower() in _TAKEN_HEADERS:
        raise ValueError(f"{value!r} means something else already: take a header of the proxy's own")
    return value.lower()


_TAKEN_HEADERS = frozenset(
    {"host", "authorization", "cookie", "origin", "connection", "content-type", "content-length"}
)


def _named_once(value: "tuple[_Named, ...]") -> "tuple[_Named, ...]":
    names = [each.name for each in value]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)}: named more than once")
    return value


_Named = TypeVar("_Named", "NamedToken", "NamedKey")
Size = Annotated[int, BeforeValidator(_size), Field(ge=1)]
Address = Annotated[str, AfterValidator(_address)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
UnitSource = Annotated[str, AfterValidator(_unit_source)]
Seconds = Annotated[float, Field(gt=0, le=86400, strict=True)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Arm(_Part):
    """One deployed version of a model."""

    endpoints: Annotated[tuple[Endpoint, ...], BeforeValidator(_listed), AfterValidator(_some)]
    """Servers of this version, each a URL without a path."""
    weight: Annotated[float, Field(ge=0, le=100, strict=True)] | None = None
    """Percent of units; the first arm takes the rest."""
    version: str = ""
    """Revision or image digest."""
    model: str = ""
    """The name that the arm's server knows; empty: the client's, or the only one that the server lists."""
    api_key_file: Path | None = None
    """The key sent to the endpoints; such an arm never sees the client's Authorization."""
    ca: Path | None = None
    """Certificate authorities (PEM) that the endpoints are checked against; None: the system's."""
    tls_verify: bool = True
    """False: the endpoints' certificates are not checked. For a lab only."""
    fail_over: str = ""
    """The arm that serves when no endpoint of this one can."""


class RolloutWish(_Part):
    """A rollout that the controller starts by itself, once for each plan and pair of versions."""

    to: str
    """The arm that shall take over; it needs a `version`."""
    start: str = Field(default="", alias="from")
    """The arm that it takes over from: the first one, also when left out."""
    plan: str | dict[str, Any] = "balanced"
    """A preset (cautious, balanced, fast, compare), or `preset` and what is changed of it: docs/rollouts.md."""


class Model(_Part):
    """A name that clients ask for, and the arms behind it."""

    arms: Annotated[dict[str, Arm], AfterValidator(_filled)]
    """The versions behind the name; the first is the baseline."""
    unit: tuple[UnitSource, ...] = (
        "header:x-user-id",
        "body:safety_identifier",
        "body:user",
        "header:x-session-id",
        "conversation:first-turn",
    )
    """Where the unit comes from, first match first: header:NAME, body:KEY, conversation:first-turn."""
    record: Literal["full", "metadata"] = "full"
    """`metadata`: no text of this model reaches a disk; without text nothing is evaluated."""
    rollout: RolloutWish | None = None
    """A rollout to be started; its arms have no `weight` then."""

    @property
    def baseline(self) -> str:
        """The first arm: it takes the rest of the traffic."""
        return next(iter(self.arms))

    @property
    def weights(self) -> dict[str, float]:
        """The wished shares in [0, 1] of the arms after the first."""
        return {name: (arm.weight or 0.0) / 100 for name, arm in list(self.arms.items())[1:]}

    @model_validator(mode="after")
    def _arms_fit(self) -> Self:
        for name, arm in self.arms.items():
            _check_name("arm", name)
            if arm.fail_over and (arm.fail_over == name or arm.fail_over not in self.arms):
                raise ValueError(f"arm {name!r} fails over to {arm.fail_over!r}: name another arm of this model")
        given = sum(self.weights.values()) * 100
        if given > 100:
            raise ValueError(f"the weights add up to {given:g} %: at most 100 can be given away")
        first = self.arms[self.baseline].weight
        if first is not None and abs(first - (100 - given)) > 1e-6:
            raise ValueError(
                f"{self.baseline!r} is the first arm and takes the rest, {100 - given:g} %: leave it out"
            )
        if sum(weight > 0 for weight in self.weights.values()) > 1:
            raise ValueError("at most two arms can have traffic: the first and one more; set the others to 0")
        return self

    @model_validator(mode="after")
    def _rollout_fits(self) -> Self:
        wish = self.rollout
        if wish is None:
            return self
        weighed = [name for name, arm in self.arms.items() if arm.weight is not None]
        if weighed:
            raise ValueError(f"arm {weighed[0]!r} has a weight, and the rollout sets it: leave one of them out")
        if wish.to not in self.arms or wish.to == self.baseline:
            others = ", ".join(list(self.arms)[1:]) or "none yet"
            raise ValueError(f"rollout.to: {wish.to!r}: expected another arm than the first ({others})")
        if wish.start not in ("", self.baseline):
            raise ValueError(f"rollout.from: {wish.start!r}: a rollout goes from {self.baseline!r}, the first arm")
        if not self.arms[wish.to].version:
            raise ValueError(f"arm {wish.to!r} has no `version`: give it one, so that a decision can name it")
        return self


class Deadlines(_Part):
    """Seconds. `first_byte`: until the arm's answer starts; `idle`: between two pieces of it."""

    header: Seconds = 10
    """From a request's first byte to the end of its headers."""
    connect: Seconds = 2
    """For a connection to an endpoint."""
    first_byte: Seconds = 300
    """From the request's last byte to the first of its answer."""
    idle: Seconds = 60
    """Between two pieces of an answer, or of a request's body."""
    total: Seconds = 1800
    """For the whole exchange."""
    drain: Seconds = 60
    """At the end: how long running answers may still take."""
    keep_alive: Seconds = 75
    """How long an idle client connection stays open."""


class Limits(_Part):
    """Bounds that nothing grows over."""

    header_bytes: Size = 64 << 10
    """Request line and headers together."""
    body_bytes: Size = 32 << 20
    """One request's body."""
    buffered_bytes: Size = 1 << 30
    """All request bodies held at once, so that a retry can send them again."""
    connections: Annotated[int, Field(ge=1, strict=True)] = 20_000
    """Open client connections per worker."""
    record_bytes: Size = 8 << 20
    """What a record keeps of each body."""
    queue_bytes: Size = 64 << 20
    """Records that wait for the writer thread."""


class Tls(_Part):
    """Certificate chain and key, PEM; read again when the files change."""

    cert: Path
    """The certificate chain."""
    key: Path
    """Its private key."""


class Retention(_Part):
    """How long, and how much, is kept."""

    days: Annotated[float, Field(gt=0, le=3650, strict=True)] = 7
    """Age at which redacted text goes."""
    bytes: Size = 2 << 30
    """Size over which the oldest text goes."""
    flagged_days: Annotated[float, Field(gt=0, le=3650, strict=True)] = 90
    """Age at which texts go that were flagged, labelled or drawn for the sample; `days` where that is longer."""
    flagged_bytes: Size = 2 << 30
    """Size over which the oldest of those go."""
    sample: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] = 1000
    """Texts of each day that stay although nothing was found in them, stratified by model and arm."""
    numbers_days: Annotated[float, Field(ge=30, le=3650, strict=True)] = 400
    """Age at which verdicts without text, feedback, labels, decisions' streams and the audit stream go."""


Name = Annotated[str, AfterValidator(_person)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_listed), Field(min_length=1)]


class NamedToken(_Part):
    """Somebody's token on the admin port."""

    name: Name
    """As decisions and the audit stream name them."""
    role: Role
    """proxy (a gateway that follows, see `control`), viewer, auditor or operator."""
    file: Path
    """A file with the token, or with sha256:HEX of it, as `tipstaff token` prints it."""


class NamedKey(_Part):
    """A client's key on the data port."""

    name: Name
    """Whose it is."""
    file: Path
    """A file with the key, or with sha256:HEX of it, as `tipstaff token --client` prints it."""
    models: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)] = ()
    """The models that it opens; left out: all."""


class UserHeader(_Part):
    """A proxy in front of the admin port that signs people in and says who they are."""

    header: Annotated[str, AfterValidator(_header_name)] = "x-forwarded-user"
    """The header with the user's name; the proxy must drop what clients send under it."""
    trusted: Networks
    """Addresses of the proxy: from anywhere else the header means nothing."""
    roles: Annotated[dict[Name, Role], Field(min_length=1)]
    """User -> role."""
    others: Role | None = None
    """The role of users that are not in `roles`; None: they may not ask."""


class Proxy(_Part):
    """The data plane's processes."""

    workers: Annotated[int, Field(ge=1, le=64, strict=True)] = 1
    """Processes that share the data port."""


class Scoring(_Part):
    """How exchanges are scored."""

    sample: Annotated[float, Field(gt=0, le=1, strict=True)] = 1.0
    """Share of units whose exchanges are scored, the same on every arm."""
    encoder: Annotated[Literal["default", "none"] | Path, BeforeValidator(_encoder)] = "default"
    """The encoder that reads besides the rules: the one that ships, none, a model folder from `tipstaff train`, or
    the folder of a Hugging Face sequence classifier.
    """
    labels: dict[str, Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]] = {}
    """Of a Hugging Face classifier: its label -> the heads that it speaks for."""
    pairs: bool = False
    """Of a Hugging Face classifier: it reads an answer behind its request, not alone."""
    max_windows: Annotated[int, Field(ge=2, le=64, strict=True)] = 8
    """Windows of text that the encoder reads of one exchange."""
    budget: Annotated[float, Field(gt=0, le=60)] = 2.0
    """Seconds that a stage may take for one exchange, on average over a batch; what is left then is not
    evaluated.
    """


class Feedback(_Part):
    """What clients may say of exchanges."""

    per_minute: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 600
    """Feedback that one client may send, per worker; a client is its credentials, else its address."""


Notified = Literal[DecisionKind, "level"]
"""Kinds of decisions, and the level alarm."""
_NOTIFIED: tuple[Notified, ...] = tuple(
    kind for kind in get_args(Notified) if kind not in ("wait", "weights", "approve")
)
Form = Literal["json", "slack"]


class Notify(_Part):
    """Somebody who is told of decisions."""

    url_file: Path
    """A file with the URL that each is posted to; often it is a secret."""
    on: Annotated[tuple[Notified, ...], BeforeValidator(_listed), Field(min_length=1)] = _NOTIFIED
    """Kinds of decisions, and `level`, the level alarm; left out: all but `wait`, `approve` and `weights`."""
    form: Form = "json"
    """`slack`: the form of Slack's incoming webhooks."""


class Sasl(_Part):
    """How tipstaff signs in at Kafka."""

    username: Annotated[str, Field(min_length=1)]
    """The user's name."""
    password_file: Path
    """A file with the password."""
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """PLAIN shows the password to the broker, so use it over TLS only."""


class KafkaTls(_Part):
    """TLS to Kafka's brokers; `tls: {}` checks them against the system's authorities."""

    ca: Path | None = None
    """Certificate authorities (PEM) that the brokers are checked against; None: the system's."""
    cert: Path | None = None
    """Our own certificate chain (PEM), where the brokers ask for one."""
    key: Path | None = None
    """Its private key."""

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key belong together: give both, or none")
        return self


RelayedStream = Literal["verdicts", "feedback", "decisions", "audit"]


class Kafka(_Part):
    """Where events are relayed to."""

    bootstrap: Annotated[tuple[Address, ...], BeforeValidator(_split), Field(min_length=1)]
    """Brokers to begin with, host:port; several with commas between, or a list."""
    streams: Annotated[tuple[RelayedStream, ...], BeforeValidator(_listed), Field(min_length=1)] = get_args(
        RelayedStream
    )
    """What is relayed: none of it holds any text of an exchange."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")] = "tipstaff."
    """A topic's name is this and the stream's name."""
    create: bool = True
    """Topics that are missing are created; False: the relay waits for them."""
    partitions: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 6
    """Of topics that are created."""
    replication: Annotated[int, Field(ge=1, le=32, strict=True)] | None = None
    """Of topics that are created; None: the brokers' own default."""
    compression: Literal["gzip", "none"] = "none"
    """gzip: a sixth of the bytes, and more of the processor's time."""
    request_bytes: Size = 1 << 20
    """Largest request; a single event beyond it is set aside."""
    tls: KafkaTls | None = None
    """TLS to the brokers."""
    sasl: Sasl | None = None
    """Signing in at the brokers."""


class Control(_Part):
    """Another gateway's controller, which decides how units are split: here its routing table is followed."""

    url: Endpoint
    """Its admin port, like https://tipstaff-control:9191."""
    token_file: Path
    """A file with a token of the role proxy."""
    ca: Path | None = None
    """Certificate authorities (PEM) that it is checked against; None: the system's."""


class State(_Part):
    """A PostgreSQL database for the controller's state, that several gateways share: one of them leads."""

    url: Annotated[str, AfterValidator(_postgres_url)]
    """Like postgresql://tipstaff@db.example.org/tipstaff?sslmode=verify-full, without a password."""
    password_file: Path | None = None
    """A file with the password; None: none is needed."""
    take_over_after: Annotated[float, Field(ge=0.1, le=3600)] = 5.0
    """Seconds without anybody who leads until a gateway that stands by does."""

    @model_validator(mode="after")
    def _keeps_its_secret(self) -> Self:
        parts = urlsplit(self.url)
        secret = {"password", "sslpassword"} & parse_qs(parts.query).keys()
        if parts.password is not None or secret:  # said of the whole part, so that nobody shows it
            raise ValueError("url: put the password into a file, and name that in password_file")
        return self


GatewayName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")]


class Events(_Part):
    """Where events go besides the data folder."""

    source: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,128}$")] = ""
    """This gateway's name in the events that leave it; empty: the machine's host name."""
    kafka: Kafka | None = None
    """Kafka that events are relayed to."""
    gather: Annotated[tuple[GatewayName, ...], BeforeValidator(_listed)] = ()
    """Other gateways, by their `events.source`, whose verdicts and feedback this controller decides on too."""
    content: Literal["omit", "include"] = "omit"
    """include: exchanges with their raw texts go to Kafka, where scorers of their own read them."""

    @property
    def scorers(self) -> Kafka | None:
        """Where scorers of their own read exchanges; None: the gateway's does it."""
        return self.kafka if self.content == "include" else None

    @model_validator(mode="after")
    def _gathers_others(self) -> Self:
        if self.gather and self.kafka is None:
            raise ValueError("gather: needs `kafka`, where the others' events are")
        if self.content == "include" and (self.kafka is None or not self.source):
            raise ValueError("content: needs `kafka`, where the scorers are, and `source`, this gateway's own name")
        if self.gather and not self.source:
            raise ValueError("gather: needs `source`, this gateway's own name among them")
        if self.source in self.gather or len(set(self.gather)) < len(self.gather):
            raise ValueError("gather: name each of the other gateways once, and not this one")
        return self


def _collector(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("an OTLP/HTTP collector is a URL like http://127.0.0.1:4318")
    if parts.username or parts.password:
        raise ValueError("no password in a URL: put headers into the variable OTEL_EXPORTER_OTLP_HEADERS")
    if parts.port == 0:  # reading it raises ValueError for what is no port at all
        raise ValueError("a collector's port is 1 to 65535")
    return value if parts.path.strip("/") else f"{value.rstrip('/')}/v1/traces"


class Traces(_Part):
    """OpenTelemetry traces: one span for each exchange that is sampled, and for each that violates."""

    endpoint: Annotated[str, AfterValidator(_collector)]
    """An OTLP/HTTP collector, like http://127.0.0.1:4318; spans go to /v1/traces there."""
    sample: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the exchanges whose client did not bring a trace; with one the client's own flag counts."""


class Settings(_Part):
    """The whole configuration."""

    models: Annotated[dict[str, Model], AfterValidator(_filled)]
    """The names that clients ask for."""
    listen: Address = "127.0.0.1:8080"
    """The data port, host:port."""
    admin: Address = "127.0.0.1:9191"
    """The admin port; beyond loopback it needs `admin_tokens`, `admin_users` or `admin_token_file`."""
    data: Path = Path("data")
    """The folder for everything that is kept."""
    constitution: Path | None = None
    """None: the default constitution that ships."""
    classifiers: Annotated[tuple[Literal["rules"], ...], Field(min_length=1)] = ("rules",)
    """What reads the answers."""
    audit: Literal["batched", "strict"] = "batched"
    """When the log cannot take a record: `batched` drops it and counts, `strict` refuses new traffic."""
    expose_arm: bool = False
    """True: answers carry x-tipstaff-arm."""
    admin_token_file: Path | None = None
    """The admin token, of an operator without a name; with no token of any kind, loopback clients need none."""
    admin_tokens: Annotated[tuple[NamedToken, ...], BeforeValidator(_listed), AfterValidator(_named_once)] = ()
    """Tokens of people and programs, each with a name and a role."""
    admin_users: UserHeader | None = None
    """Who signs in at a proxy in front of the admin port."""
    admin_session_hours: Annotated[float, Field(gt=0, le=720, strict=True)] = 12
    """How long whoever signs in with a token at the dashboard stays signed in, from then on."""
    client_keys: Annotated[tuple[NamedKey, ...], BeforeValidator(_listed), AfterValidator(_named_once)] = ()
    """Keys that clients need on the data port; none: whoever reaches it may ask, and Authorization is passed on."""
    unit_key_file: Path | None = None
    """None: a key is made in the data folder."""
    old_unit_key_files: Annotated[tuple[Path, ...], BeforeValidator(_listed)] = ()
    """Unit keys that were in use before, so that `tipstaff forget` finds what they hid."""
    deadlines: Deadlines = Deadlines()
    """Seconds."""
    limits: Limits = Limits()
    """Sizes and counts."""
    retention: Retention = Retention()
    """How long what is kept stays."""
    proxy: Proxy = Proxy()
    """The data plane."""
    scoring: Scoring = Scoring()
    """The scorer."""
    feedback: Feedback = Feedback()
    """Feedback on the data port."""
    events: Events = Events()
    """Where events go besides the data folder."""
    control: Control | None = None
    """Who decides how units are split; None: this gateway's own controller."""
    state: State | None = None
    """Where the controller's state is kept; None: in the data folder."""
    notify: Annotated[tuple[Notify, ...], Field(max_length=16)] = ()
    """Who is told of decisions."""
    public_url: Annotated[str, AfterValidator(_public_url)] = ""
    """Where people reach the admin port, like https://tipstaff.example.org: for links in notifications."""
    tls: Tls | None = None
    """TLS on the data port."""
    traces: Traces | None = None
    """Where traces go; None: no spans are made."""

    @property
    def admin_asks_who(self) -> bool:
        """Whether there is a way to say who one is on the admin port, so that others than this machine may ask."""
        return bool(self.admin_token_file or self.admin_tokens or self.admin_users)

    @property
    def admin_is_local(self) -> bool:
        """Whether only this machine reaches the admin port."""
        host = self.admin.rpartition(":")[0].strip("[]")
        return host in ("localhost", "::1") or host.startswith("127.")

    @field_validator("models")
    @classmethod
    def _names_fit(cls, models: dict[str, Model]) -> dict[str, Model]:
        for name in models:
            if not name or len(name) > 256 or any(ord(char) < 33 or char in '"\\' for char in name):
                raise ValueError(f"{name!r} is no model name: 1 to 256 visible characters without quotes")
        return models

    @model_validator(mode="after")
    def _keys_fit(self) -> Self:
        for each in self.client_keys:
            if unknown := sorted(set(each.models) - set(self.models)):
                raise ValueError(f"client_keys: {each.name!r} opens {', '.join(unknown)}: there is no such model")
        return self

    @model_validator(mode="after")
    def _shares_the_state(self) -> Self:
        if self.state is not None and self.control is not None:
            raise ValueError(
                "state: this gateway follows another controller, which is the one that keeps the state"
            )
        if self.state is not None and self.unit_key_file is None:
            raise ValueError("state: needs unit_key_file, the same on all gateways, so that all deal alike")
        return self

    @model_validator(mode="after")
    def _follower_decides_nothing(self) -> Self:
        if self.control is None:
            return self
        if self.events.gather:
            raise ValueError("events.gather: this gateway follows another controller, which is the one to gather")
        if self.unit_key_file is None:
            raise ValueError("control: needs unit_key_file, the same on all gateways, so that all deal alike")
        for name, model in self.models.items():
            if model.rollout is not None or any(arm.weight is not None for arm in model.arms.values()):
                raise ValueError(
                    f"models.{name}: weights and rollout are decided at {self.control.url}: leave them out"
                )
        return self

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        (host, _, port), (admin_host, _, admin_port) = self.listen.rpartition(":"), self.admin.rpartition(":")
        everywhere = {"0.0.0.0", "[::]"}
        if port == admin_port != "0" and (host == admin_host or everywhere & {host, admin_host}):
            raise ValueError(f"admin: {self.admin} is the data port's address too: give it another port")
        return self

    @model_validator(mode="after")
    def _admin_is_guarded(self) -> Self:
        if not self.admin_asks_who and not self.admin_is_local:
            raise ValueError(f"admin: {self.admin} is open to others: set admin_tokens, or listen on 127.0.0.1")
        return self


class ConfigError(Exception):
    """The configuration cannot be used; `problems` has one line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _check_name(what: str, name: str) -> None:
    if not _NAME.match(name):
        raise ValueError(f"{name!r} is no {what} name: letters, digits, dot, dash, underscore, at most 63")
