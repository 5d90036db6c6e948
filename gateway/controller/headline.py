"""Three sentences for the person on call: is a rollout running, is it safe, is anything lost. Pure.

A lamp is never ok for want of news: where nothing was looked at, it says so. Drills say that they are drills, and
what they find is never bad: their harm is made up.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from gateway.rollout.state import COUNTING, ENDED, Status
from gateway.rollout.wording import bound, e_value

Level = Literal["ok", "notice", "bad", "none"]
LATELY_US = 86_400_000_000
"""For so long what went wrong is shown as news."""
LAGS_SECONDS = 60.0
"""From here on something is behind."""
_WORTH_A_WORD = 5.0
_LONGEST = 120
_LITTLE_ROOM = 0.05
_FEW = 5
"""Requests that may all fail without a word on it."""
_MOST_OF_THEM = 0.9
_FULL_BYTES = 64_000_000
_RANK: dict[Level, int] = {"bad": 3, "notice": 2, "ok": 1, "none": 0}
_GOES_ON = frozenset({"", "dwell", "units", "proof", "hours", "comparing", "stepping"})
"""What a rollout waits for without anybody's doing."""
_DOUBTS = frozenset({"blind", "mismatch", "shift", "unscored", "leaning", "labels"})
"""What it waits for because its evidence may not be believed, or leans."""
_WAYS = {
    "crash": "in a crash",
    "queue_full": "for want of room in the queue",
    "disk_full": "because the disk was full",
    "log_failed": "because the log failed",
    "log_lost": "with the log that held them",
    "shutdown": "at a shutdown",
    "corrupt": "damaged on the disk",
    "purged": "purged before they were read",
    "missing": "on the way from another gateway",
    "unwritable": "because they could not be written",
    "refused": "refused by their receiver",
}


class Lamp(msgspec.Struct, frozen=True):
    """One sentence, at most 120 characters, and how bad it is; `none`: there is nothing to say it of."""

    level: Level
    said: str


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A model's newest rollout and its last decision. Times in microseconds of the wall clock.

    `percent` of the canary. `alarmed`: the decision was the fast alarm's; `guardrail`: the one with most evidence.
    `waits_for`, `why`: why nothing changes just now. `evidence`, `needs`: the e-value of "worse" and its line.
    """

    canary: str
    status: Status
    percent: float
    stage: int
    count: int
    drill: bool
    by_tipstaff: bool
    decided_us: int
    reason: str
    alarmed: bool
    guardrail: str
    waits_for: str
    why: str
    evidence: float
    needs: float


class Answers(msgspec.Struct, frozen=True):
    """A model's answers from `since_us` on; `asked` and `failed`: of the last minutes, how many the model's servers
    did not answer.
    """

    since_us: int
    exchanges: int = 0
    evaluated: int = 0
    violating: int = 0
    asked: int = 0
    failed: int = 0


class Raised(msgspec.Struct, frozen=True):
    """A level alarm that nobody has acknowledged."""

    arm: str
    principle: str
    raised_us: int


class Lost(msgspec.Struct, frozen=True):
    """Events that were lost: how many, of which stream, why, and when the last of them."""

    stream: str
    reason: str
    count: int
    time_us: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger adds up to. `unbalanced`: streams of which it does not; `lost`: lately, the rest before.

    `lags`: seconds by consumer; `waiting`: events that wait, by consumer; `troubles`: why somebody gets
    nowhere now. `free`: share of the disk, and in bytes.
    """

    exchanges: int
    unbalanced: Sequence[str] = ()
    lost: Sequence[Lost] = ()
    lost_before: int = 0
    lags: Mapping[str, float] = {}
    waiting: Mapping[str, int] = {}
    troubles: Sequence[str] = ()
    free: float = 1.0
    free_bytes: int = sys.maxsize


def rollout_lamp(trial: Trial | None, now_us: int) -> Lamp:
    """Is one running, and does it move."""
    if trial is None:
        return Lamp("none", "no rollout is running")
    if trial.status in ENDED:
        what = "drill" if trial.drill else "rollout"
        ended = trial.status.replace("_", " ")
        return _lamp("none", f"no rollout is running; the last {what} was {ended} {_ago(trial.decided_us, now_us)}")
    level: Level = "ok" if trial.status == "promoted" or _moves(trial) else "notice"
    return _lamp(level, f"{_drill(trial)}{_STANDS[trial.status](trial, _clock(trial.decided_us, now_us))}")


def elsewhere_lamp(said: str) -> Lamp:
    """Where another controller decides: `said` names it."""
    return _lamp("none", said)


def _moves(trial: Trial) -> bool:
    return trial.status in ("running", "holdout") and trial.waits_for in _GOES_ON


def _place(trial: Trial) -> str:
    return f"stage {trial.stage} of {trial.count}"


_STANDS: dict[Status, Callable[[Trial, str], str]] = {
    "running": lambda trial, _: f"{trial.canary} at {trial.percent:g} %, {_place(trial)}: {trial.why}",
    "holdout": lambda trial, _: f"holdout, {trial.percent:g} % have {trial.canary}, {_place(trial)}: {trial.why}",
    "frozen": lambda trial, at: (
        f"{trial.canary} frozen at {trial.percent:g} %, {_place(trial)}, since {at}: resume or roll back"
    ),
    "suspended": lambda trial, at: f"{trial.canary} suspended in {_place(trial)} since {at}: resume or roll back",
    "promoted": lambda trial, at: f"promoted: everyone has {trial.canary} since {at}; finish it or undo it",
}


def safety_lamp(
    trial: Trial | None, answers: Answers, lag_seconds: float | None, raised: Sequence[Raised], now_us: int
) -> Lamp:
    """Is the model safe, as far as anybody looked. `lag_seconds`: of the scorer; None: none runs."""
    return (
        _failing(answers)
        or _level_alarm(raised, now_us)
        or _frozen(trial, now_us)
        or _unseen(lag_seconds)
        or _withdrawn(trial, now_us)
        or _doubted(trial)
        or _looked_at(trial, answers, lag_seconds, now_us)
    )


def _failing(answers: Answers) -> Lamp | None:
    """Nobody is safe with a gateway that does not answer."""
    if answers.asked < _FEW or 2 * answers.failed < answers.asked:
        return None
    said = f"{answers.failed:,} of the last {answers.asked:,} requests failed: the model's servers do not answer"
    return _lamp("bad", said)


def _level_alarm(raised: Sequence[Raised], now_us: int) -> Lamp | None:
    if not raised:
        return None
    first = min(raised, key=lambda each: each.raised_us)
    more = f" (and {len(raised) - 1} more)" if len(raised) > 1 else ""
    at = _clock(first.raised_us, now_us)
    what = f"{first.principle} on {first.arm} is violated more often than in earlier weeks"
    return _lamp("bad", f"level alarm{more}: {what}, since {at}")


def _frozen(trial: Trial | None, now_us: int) -> Lamp | None:
    """Users still have what was found to be bad: somebody must act, unless an operator said so or it is a drill."""
    if trial is None or trial.status != "frozen":
        return None
    level: Level = "bad" if trial.by_tipstaff and not trial.drill else "notice"
    return _lamp(level, f"{_drill(trial)}{trial.percent:g} % still have {trial.canary}: {_halted(trial, now_us)}")


def _withdrawn(trial: Trial | None, now_us: int) -> Lamp | None:
    """No user has it any more: to be known while it stands still, and for a day after its end."""
    if trial is None or (trial.status in ENDED and now_us - trial.decided_us > LATELY_US):
        return None
    who, ago = "" if trial.by_tipstaff else " by an operator", _ago(trial.decided_us, now_us)
    said = {
        "suspended": f"nobody has {trial.canary}: {_halted(trial, now_us)}",
        "rolled_back": f"nobody has {trial.canary}, rolled back{who} {ago}: {trial.reason}",
        "undone": f"nobody has {trial.canary}, its promotion undone{who} {ago}: {trial.reason}",
    }.get(trial.status)
    return None if said is None else _lamp("notice", f"{_drill(trial)}{said}")


def _halted(trial: Trial, now_us: int) -> str:
    at = _clock(trial.decided_us, now_us)
    if trial.alarmed:
        return f"{trial.status} by the fast alarm on {trial.guardrail}, {at}"
    who = "" if trial.by_tipstaff else " by an operator"
    return f"{trial.status}{who} at {at}: {trial.reason}"


def _unseen(lag_seconds: float | None) -> Lamp | None:
    if lag_seconds is None:
        return Lamp("notice", "no scorer runs: nothing is checked")
    if lag_seconds > LAGS_SECONDS:
        return Lamp("notice", f"scoring is {_span(lag_seconds)} behind: newer answers are not checked yet")
    return None


def _doubted(trial: Trial | None) -> Lamp | None:
    if trial is None or trial.status not in COUNTING or trial.waits_for not in _DOUBTS:
        return None
    return _lamp("notice", f"{_drill(trial)}{trial.why}")


def _looked_at(trial: Trial | None, answers: Answers, lag_seconds: float | None, now_us: int) -> Lamp:
    since = _clock(answers.since_us, now_us)
    counting = trial is not None and trial.status in COUNTING
    if not answers.exchanges:
        return Lamp("notice" if counting else "none", f"no answers since {since}: nothing was looked at")
    if answers.evaluated < _MOST_OF_THEM * answers.exchanges:
        some = f"only {answers.evaluated:,}" if answers.evaluated else "none"
        return _lamp("notice", f"{some} of {answers.exchanges:,} answers since {since} could be checked")
    checked = f"{answers.evaluated:,} of {answers.exchanges:,} answers since {since} checked"
    said = f"{checked}, {answers.violating:,} violate ({answers.violating / answers.evaluated:.1%})"
    behind = f" ({_span(lag_seconds)} behind)" if lag_seconds and lag_seconds >= _WORTH_A_WORD else ""
    return _lamp("ok", f"{said}{behind}; {_compared(trial)}" if trial is not None and counting else said + behind)


def _compared(trial: Trial) -> str:
    """Half of the way to "worse", as evidence adds up, is worth a word."""
    if trial.evidence >= trial.needs**0.5:
        leans = f"leans towards worse (E {e_value(trial.evidence)} of {bound(trial.needs)})"
        return f"{_drill(trial)}{trial.canary} {leans}"
    return f"{_drill(trial)}no sign that {trial.canary} is worse"


def loss_lamp(account: Account, now_us: int) -> Lamp:
    """Is anything lost, or about to be."""
    return _losing(account, now_us) or _pressed(account) or _whole(account)


def _losing(account: Account, now_us: int) -> Lamp | None:
    if account.unbalanced:
        return _lamp("bad", f"the ledger does not add up for {', '.join(account.unbalanced)}: look at Pipeline")
    if account.free_bytes < _FULL_BYTES:
        return _lamp("bad", f"the disk is full: {account.free_bytes / 1e6:.0f} MB are free, and what comes is lost")
    return _lamp("bad", _lost(account, now_us)) if account.lost else None


def _pressed(account: Account) -> Lamp | None:
    if account.troubles:
        return _lamp("notice", f"nothing lost, but {account.troubles[0]}")
    if account.free < _LITTLE_ROOM:
        return _lamp("notice", f"nothing lost yet, but only {account.free:.1%} of the disk is free")
    name = max(account.lags, key=lambda each: account.lags[each], default="")
    if account.lags.get(name, 0.0) <= LAGS_SECONDS:
        return None
    waits = f": {account.waiting[name]:,} events wait for it" if account.waiting.get(name) else ""
    return _lamp("notice", f"nothing lost, but {name} is {_span(account.lags[name])} behind{waits}")


def _whole(account: Account) -> Lamp:
    if account.lost_before:
        said = f"nothing lost today; {account.lost_before:,} events earlier, of {account.exchanges:,} exchanges"
        return _lamp("ok", f"{said}; all are accounted for")
    return _lamp("ok", f"nothing lost: {account.exchanges:,} exchanges, all accounted for")


def _lost(account: Account, now_us: int) -> str:
    most = max(account.lost, key=lambda each: each.count)
    way = _WAYS.get(most.reason, f"({most.reason.replace('_', ' ')})")
    what = most.stream if most.count > 1 or most.stream == "exchanges" else most.stream.removesuffix("s")
    rest = sum(each.count for each in account.lost) - most.count
    more = f", and {rest:,} other events" if rest else ""
    of = f" of {account.exchanges:,}" if most.stream == "exchanges" else ""
    return f"{most.count:,}{of} {what} lost {way}, {_clock(most.time_us, now_us)}{more}"


def over_all(lamps: Mapping[str, Lamp]) -> Lamp:
    """The worst of all models', with its model's name; said once where all say the same."""
    if not lamps:
        return Lamp("none", "no models are configured")
    if len({lamp.said for lamp in lamps.values()}) == 1 and len(lamps) > 1:
        return next(iter(lamps.values()))
    worst = max(lamps, key=lambda model: _RANK[lamps[model].level])
    found = lamps[worst]
    same = sum(lamp.level == found.level for lamp in lamps.values()) - 1
    more = f" (and {same} more)" if same and found.level != "none" else ""
    return Lamp(found.level, _clipped(f"{worst}: {found.said}", _LONGEST - len(more)) + more)


def _drill(trial: Trial) -> str:
    return "drill: " if trial.drill else ""


def _lamp(level: Level, said: str) -> Lamp:
    return Lamp(level, _clipped(said, _LONGEST))


def _clipped(said: str, longest: int) -> str:
    return said if len(said) <= longest else f"{said[: longest - 1].rstrip()}…"


def _clock(time_us: int, now_us: int) -> str:
    """The time of the day, with the day where it is not today's."""
    time, now = _moment(time_us), _moment(now_us)
    day = "" if time.date() == now.date() else f"{time.day} {time:%b} "
    return f"{day}{time:%H:%M} UTC"


def _ago(time_us: int, now_us: int) -> str:
    return f"{_span(max(now_us - time_us, 0) / 1e6)} ago"


def _span(seconds: float) -> str:
    for length, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:  # so that it says one number, and not a rough one
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


def _moment(time_us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
