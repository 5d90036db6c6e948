import json
from hashlib import sha256

import msgspec

from gateway.controller import chain
from tests.contract.state_store import decision


def test_the_canonical_form_is_what_another_language_would_write() -> None:
    value = msgspec.structs.replace(decision(3), reason='ünï "quoted"\n', previous=chain.GENESIS)
    plain = json.loads(msgspec.json.encode(value))
    assert plain["type"] == "dev.tipstaff.decision.v1"
    expected = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert chain.canonical(value) == expected
    assert chain.decision_hash(value) == sha256(expected).hexdigest()


def test_a_chain_of_none_is_whole() -> None:
    assert chain.first_break([]) is None


def test_a_cut_at_the_start_shows() -> None:
    linked = chain.link([decision(1), decision(2)], chain.GENESIS)
    assert chain.first_break(linked) is None
    assert chain.first_break(linked[1:]) == 0
    assert chain.first_break(linked[1:], chain.decision_hash(linked[0])) is None
