"""What gauges must stand at: from the last decision in the log, which states its evidence, and from verdicts."""

from collections.abc import Iterator

from classifiers.constitution import default
from gateway.core.evidence import Evidence, EvidenceRow, Rates
from gateway.events.schema import DecisionV1
from tests.support.grafana.account import Account
from tests.support.grafana.expected import Between
from tests.support.grafana.labels import Labels, of

MODEL, STABLE, CANARY = "assistant", "stable", "canary"
Values = dict[Labels, float]
MILLI = 1000


def _trial(**labels: str) -> Labels:
    return of(model=MODEL, arm=CANARY, **labels)


def _last(account: Account) -> DecisionV1:
    return account.decisions[-1]


def _evidence(account: Account) -> Evidence:
    evidence = _last(account).evidence
    assert evidence is not None
    return evidence


def state(account: Account) -> Values:
    """After a freeze it waits for an operator."""
    assert (account.decisions[-2].kind, _last(account).waits_for) == ("freeze", "operator")
    return {_trial(state="frozen"): 1}


def decided(account: Account) -> dict[Labels, Between]:
    """In milliseconds, by the clock on the wall: after the time that the decision is for, since it waits for what
    happened until then, and before all is over.
    """
    made = {each.kind: each for each in account.decisions if each.rollout == _last(account).rollout}
    return {
        _trial(kind=kind): Between(MILLI * (each.time_us / 1e6), MILLI * account.end) for kind, each in made.items()
    }


def weights(account: Account) -> Values:
    """Of the rollout by its last decision; of the others by the configuration."""
    rollout = {of(model=MODEL, arm=arm): share for arm, share in _last(account).weights.after.items()}
    others = {("spare", "away"): 1.0, ("spare", "backup"): 0.0, ("faulty", "only"): 1.0}
    return rollout | {of(model=model, arm=arm): share for (model, arm), share in others.items()}


def worse(account: Account) -> Values:
    found = _evidence(account)
    return {_trial(hypothesis="worse"): found.mean, _trial(hypothesis="alarm"): found.alarm}


def worse_needed(account: Account) -> Values:
    found = _evidence(account)
    return {_trial(hypothesis="worse"): found.needs, _trial(hypothesis="alarm"): found.alarm_needs}


def no_worse(account: Account) -> Values:
    return {_trial(guardrail=row.guardrail): row.no_worse for row in _evidence(account).rows}


def no_worse_needed(account: Account) -> Values:
    """Only what promotes needs any."""
    return {_trial(guardrail=row.guardrail): row.no_worse_needs for row in _evidence(account).rows if row.promotes}


def by_guardrail(account: Account) -> Values:
    return {
        _trial(guardrail=row.guardrail, hypothesis=hypothesis): value
        for row in _evidence(account).rows
        for hypothesis, value in (("worse", row.worse), ("alarm", row.alarm))
    }


def estimates(account: Account) -> Values:
    return {
        of(model=MODEL, arm=arm, guardrail=row.guardrail, bound=bound): value
        for row in _evidence(account).rows
        for arm, rates in _arms(row)
        for bound, value in (("mean", rates.mean), ("low", rates.low), ("high", rates.high))
    }


def _arms(row: EvidenceRow) -> Iterator[tuple[str, Rates]]:
    yield STABLE, row.stable
    yield CANARY, row.canary


def differences(account: Account) -> Values:
    return {
        _trial(guardrail=row.guardrail, bound=bound): value
        for row in _evidence(account).rows
        for bound, value in (("low", row.low), ("high", row.high))
    }


def units(account: Account) -> Values:
    """Counted anew: everybody who was dealt to an arm, once. The rollout has run from the start."""
    found = [each.assignment for each in account.all_verdicts if each.model == MODEL]
    return {
        of(model=MODEL, arm=arm): len({each.unit_hash for each in found if each.assigned == arm})
        for arm in (STABLE, CANARY)
    }


def budget(account: Account) -> Values:
    return {_trial(): _evidence(account).budget_spent / _evidence(account).budget}


def sample_ratio(account: Account) -> Values:
    return {_trial(): _evidence(account).mismatch}


def table_version(account: Account) -> Values:
    """That of the last decision that moved a weight; other decisions have later versions and change no table. The
    newest exchange was dealt by it.
    """
    moved = [each for each in account.decisions if each.weights.before != each.weights.after]
    newest = max(account.exchanges, key=lambda each: each.id).assignment
    assert moved[-1].table_version == newest.table_version
    return {of(): moved[-1].table_version}


def in_flight(_: Account) -> Values:
    """The one request that the faulty model held on to."""
    return {of(model="faulty", arm="only"): 1}


def connections(account: Account) -> Values:
    """Those that the test held open."""
    return {of(): account.others.connections}


def waiting(account: Account) -> Values:
    """The exchanges in the log less the verdicts, while the scorer was paused."""
    assert account.others.waiting
    return {of(stream="exchanges", consumer="scorer-0"): account.others.waiting}


def alive(account: Account) -> Values:
    """The processes that are there, by their locks."""
    return {of(process=name): 1 for name in account.others.alive}


def build(account: Account) -> Values:
    """The constitution that the verdicts name; the others by what was started."""
    (constitution,) = {each.verdict.constitution for each in account.all_verdicts}
    return {of(version="0.1.0", constitution=constitution, classifier="rules"): 1}


def models(account: Account) -> Values:
    """Whatever an exchange was of."""
    return {of(model=each.model): 1 for each in account.exchanges}


def arms(account: Account) -> Values:
    """Those that were assigned or served."""
    named = [arm for each in account.exchanges for arm in (each.assignment.assigned, each.assignment.served)]
    return {of(arm=arm): 1 for arm in named}


def principles(_: Account) -> Values:
    """Those of the constitution that comes along."""
    return {of(principle=each.id): 1 for each in default().principles}


def one(_: Account) -> Values:
    """A line to hold others against."""
    return {of(): 1}


def three(_: Account) -> Values:
    """The same."""
    return {of(): 3}
