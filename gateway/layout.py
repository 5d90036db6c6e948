"""Where things lie in the data folder. Every process writes only the files that carry its own name."""

from pathlib import Path

import msgspec

FORMAT = 2
"""Version of everything under the data folder."""


class DataFolder(msgspec.Struct, frozen=True):
    """Paths under one data folder; nothing here touches the disk."""

    root: Path

    @property
    def format(self) -> Path:
        """Holds FORMAT as decimal digits."""
        return self.root / "format"

    @property
    def migrated(self) -> Path:
        """The name of the folder beside this one that is this one before its last migration, if there was one."""
        return self.root / "migrated"

    @property
    def lock(self) -> Path:
        """Held with flock by whoever supervises the processes that write here."""
        return self.root / "lock"

    @property
    def configurations(self) -> Path:
        """What every process that is supervised starts from (`gateway.configinforce`)."""
        return self.root / "config"

    @property
    def forgetting(self) -> Path:
        """People who are to be forgotten, until every process has done its part (`gateway.forgetting`)."""
        return self.root / "forget"

    @property
    def table(self) -> Path:
        """The routing table, JSON, replaced atomically by the controller, polled by the proxies."""
        return self.root / "table.json"

    @property
    def unit_key(self) -> Path:
        """The unit key made here when no `unit_key_file` is given."""
        return self.root / "keys" / "unit.key"

    @property
    def unit_key_in_use(self) -> Path:
        """Which key hashes are made with, by its fingerprint (`gateway.unitkeys`)."""
        return self.unit_key.parent / "in-use.json"

    @property
    def unit_key_told(self) -> Path:
        """Which keys the audit stream has heard of. The controller's."""
        return self.unit_key.parent / "told.json"

    @property
    def unit_key_lock(self) -> Path:
        """Shared with flock by whoever makes hashes; no process is called like it."""
        return self.locks / "unit-key"

    @property
    def log(self) -> Path:
        """Root of the event log: <stream>/<producer>/ segments."""
        return self.root / "log"

    @property
    def texts(self) -> Path:
        """Redacted text, kept as long and as much as `retention` says: <producer>/ segments."""
        return self.root / "texts"

    @property
    def state(self) -> Path:
        """The controller's StateStore."""
        return self.root / "controller" / "state.sqlite"

    @property
    def index(self) -> Path:
        """The controller's list of exchanges, made anew from verdicts when it is lost."""
        return self.root / "controller" / "index.sqlite"

    @property
    def feedback(self) -> Path:
        """The controller's feedback by exchange, made anew from its stream when it is lost."""
        return self.root / "controller" / "feedback.sqlite"

    @property
    def labels(self) -> Path:
        """What people said of exchanges, and which of them were drawn for it. Kept nowhere else."""
        return self.root / "controller" / "labels.sqlite"

    @property
    def sessions(self) -> Path:
        """Who is signed in at the admin port, JSON, replaced atomically. The controller's; no backup has it."""
        return self.root / "sessions" / "open.json"

    @property
    def counters(self) -> Path:
        """All counter files."""
        return self.root / "counters"

    def counter_file(self, process: str) -> Path:
        """Numbers of one process that survive its death (`gateway.telemetry.counterfile`)."""
        return self.counters / f"{process}.bin"

    @property
    def statuses(self) -> Path:
        """All status files."""
        return self.root / "status"

    def status(self, process: str) -> Path:
        """What a process says of itself, JSON, replaced atomically about once a second."""
        return self.statuses / f"{process}.json"

    def mark(self, process: str) -> Path:
        """What a scorer is working on, so that an exchange that kills it is known afterwards."""
        return self.statuses / f"{process}.mark"

    def hung(self, process: str) -> Path:
        """Where a scorer hung when its watchdog ended it; empty when it did not."""
        return self.statuses / f"{process}.hung"

    def trouble(self, process: str) -> Path:
        """A sentence on why a process gets nowhere just now; empty when it does."""
        return self.statuses / f"{process}.trouble"

    @property
    def gathered(self) -> Path:
        """Whose events have been gathered since the last start, JSON. The supervisor's."""
        return self.root / "gather" / "gateways.json"

    @property
    def gather_offsets(self) -> Path:
        """Where to go on in other gateways' streams, JSON, replaced atomically. The gatherer's."""
        return self.root / "gather" / "offsets.json"

    @property
    def dead_letters(self) -> Path:
        """Which events could not be relayed, and why, a JSON line each. The relay's."""
        return self.root / "relay" / "dead-letters.jsonl"

    @property
    def locks(self) -> Path:
        """All files that processes lock."""
        return self.root / "locks"

    def process_lock(self, process: str) -> Path:
        """Held with flock by the one process of that name."""
        return self.locks / f"{process}.lock"
