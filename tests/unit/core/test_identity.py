"""Tokens are known by their hashes, and how long a wrong one takes does not tell how wrong it is."""

from random import Random
from time import perf_counter_ns

import pytest
from scipy.stats import mannwhitneyu  # type: ignore[import-untyped]  # scipy ships no types

from gateway.core.identity import Identity, Right, Role, Tokens, digest, hashed

TOKEN = "tipstaff-1234567890abcdef1234567890abcdef"
ADA = Identity("ada", Role.OPERATOR)


def test_a_token_is_known_by_itself_or_by_its_hash() -> None:
    for held in (TOKEN, hashed(TOKEN)):
        tokens = Tokens({digest(held): ADA})
        assert tokens.of(TOKEN.encode()) == ADA
        assert tokens.of(b"") is None
        assert tokens.of(TOKEN.encode() + b" ") is None
        assert tokens.of(hashed(TOKEN).encode()) is None, "the hash opens nothing"
        assert TOKEN not in repr(vars(tokens))
    assert bool(Tokens({})) is False


@pytest.mark.parametrize("written", ["sha256:", "sha256:12", f"sha256:{'g' * 64}", f"sha256:{'0' * 65}"])
def test_a_hash_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"hex"):
        digest(written)


def test_the_hash_of_nothing_opens_nothing() -> None:
    with pytest.raises(ValueError, match="hash of nothing"):
        digest(hashed(""))
    assert digest(hashed(TOKEN).upper()) == digest(TOKEN)


def test_each_role_may_all_that_the_one_before_it_may() -> None:
    proxy, viewer, auditor, operator = (Role(name).rights for name in ("proxy", "viewer", "auditor", "operator"))
    assert proxy == {Right.TABLE}
    assert viewer == {Right.TABLE, Right.READ}
    assert proxy < viewer < auditor < operator == set(Right)
    assert Right.CHANGE not in auditor


def test_the_time_of_a_wrong_token_does_not_tell_how_much_of_it_is_right() -> None:
    """Mann and Whitney's test on looks in a random order; it fails one run in a million where times are alike."""
    tokens = Tokens({digest(held): ADA for held in (TOKEN, *(f"another {number}" for number in range(9)))})
    random = Random(1)
    rights = [0, len(TOKEN) - 4] * 4000
    random.shuffle(rights)  # before tokens are made: where they lie in memory must not tell them apart either
    wrong = [(right, (TOKEN[:right] + random.randbytes(32).hex())[: len(TOKEN)].encode()) for right in rights]
    times: dict[int, list[int]] = {right: [] for right, _ in wrong}
    for right, token in wrong:
        began = perf_counter_ns()
        found = tokens.of(token)
        ended = perf_counter_ns()
        times[right].append(ended - began)  # to look the list up takes longer for one of them: not before `ended`
        assert found is None
    assert mannwhitneyu(*times.values()).pvalue > 1e-6
