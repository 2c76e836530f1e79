import base64
import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from makers import ANYBODY, T0, S, key_of, private

from agent import trust
from agent.messages import MAX_BODY_BYTES, Refusal
from agent.trust import KINDS, MAY_SIGN, UNDATED, Kind, Opened, PublicKey, Role, Trust, open_body, seal, signable
from agent.units import UtcUs

TYPE = "application/vnd.framezero.cue.v1+json"
SHOW, OTHER_SHOW, CONTENT, PANIC = key_of(1), key_of(2), key_of(3, "content"), key_of(4, "panic")
ALL = Trust((SHOW, OTHER_SHOW, CONTENT, PANIC))
NOW = UtcUs(T0)


def envelope(**changes: Any) -> bytes:
    whole = {"payloadType": TYPE, "payload": base64.b64encode(b'{"v":1}').decode(), "signatures": []}
    return json.dumps({**whole, **changes}).encode()


def refusal(data: bytes, asked: Trust = ALL, kinds: tuple[Kind, ...] = ("cue",), utc: UtcUs | None = NOW) -> Refusal:
    refused = open_body(data, kinds, asked, utc)
    assert isinstance(refused, Refusal), refused
    return refused


def test_the_pre_authentication_encoding_is_that_of_dsse() -> None:
    """The example of the protocol's page, with our type: lengths in bytes, blanks between."""
    assert signable("cue", b"hello world") == b"DSSEv1 37 application/vnd.framezero.cue.v1+json 11 hello world"


def test_a_signature_is_one_that_other_tools_make() -> None:
    """RFC 8032, section 7.1, test 1: the key of that page signs as that page says."""
    key = Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    assert key.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a")
    assert trust.key_id(key.public_key().public_bytes_raw()) == "21fe31dfa154a261"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", [SHOW, CONTENT, PANIC])
def test_each_kind_is_taken_from_the_roles_that_may_sign_it_and_from_no_other(kind: Kind, key: PublicKey) -> None:
    made = open_body(seal(kind, b"body", [private({"show": 1, "content": 3, "panic": 4}[key.role])]), KINDS, ALL, NOW)
    if key.role in MAY_SIGN[kind]:
        assert made == Opened(kind, b"body", frozenset([key.id]))
    else:
        assert isinstance(made, Refusal)
        assert (made.code, key.name in made.detail, kind in made.detail) == ("role", True, True)


def test_only_the_kinds_that_a_topic_may_bring_are_opened() -> None:
    assert refusal(seal("lift", b"{}", [private(1)]), kinds=("cue",)).code == "schema"


def test_a_signature_of_one_kind_is_none_of_another() -> None:
    made = json.loads(seal("panic", b"{}", [private(1)]))
    made["payloadType"] = trust.payload_type("lift")
    assert refusal(json.dumps(made).encode(), kinds=("panic", "lift")).code == "signature"


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_of_a_signed_message_can_be_changed(place: int, change: int) -> None:
    sealed = seal("cue", b'{"cue": "whatever it says"}', [private(1)])
    at = place % len(sealed)
    mutated = sealed[:at] + bytes([sealed[at] ^ change]) + sealed[at + 1 :]
    opened = open_body(mutated, ("cue",), ALL, NOW)
    # The hint, and how JSON and base64 write the same bytes, are nobody's business.
    assert isinstance(opened, Refusal) or opened.body == b'{"cue": "whatever it says"}'


def test_a_cue_needs_as_many_different_show_keys_as_the_threshold_says() -> None:
    two = Trust(ALL.keys, threshold=2)
    assert isinstance(open_body(seal("cue", b"{}", [private(1), private(2)]), ("cue",), two, NOW), Opened)
    one = refusal(seal("cue", b"{}", [private(1)]), two)
    assert (one.code, "1 of 2" in one.detail) == ("signature", True)
    assert refusal(seal("cue", b"{}", [private(1), private(1)]), two).code == "signature"
    assert refusal(seal("cue", b"{}", [private(1), private(4)]), two).code == "signature", "a panic key is no show key"
    twice = Trust((SHOW, PublicKey("the-same", "show", SHOW.raw)), threshold=2)
    assert refusal(seal("cue", b"{}", [private(1)]), twice).code == "signature", "one key under two names is one"
    for kind, number in (("program", 3), ("panic", 4), ("lift", 1)):
        assert isinstance(open_body(seal(kind, b"{}", [private(number)]), KINDS, two, NOW), Opened)  # type: ignore[arg-type]  # literals in a loop


def test_the_hint_is_no_proof_and_needs_not_be_there() -> None:
    made = json.loads(seal("cue", b"{}", [private(1)]))
    for hint in ("", "show-2", "nonsense"):
        made["signatures"][0]["keyid"] = hint
        assert isinstance(open_body(json.dumps(made).encode(), ("cue",), ALL, NOW), Opened)
    del made["signatures"][0]["keyid"]
    assert isinstance(open_body(json.dumps(made).encode(), ("cue",), ALL, NOW), Opened)
    forged = json.loads(seal("cue", b"{}", [private(9)]))
    forged["signatures"][0]["keyid"] = SHOW.id
    assert refusal(json.dumps(forged).encode()).code == "signature"


NOT_ASCII = envelope(signatures=[{"sig": "AAAé"}])


@pytest.mark.parametrize(
    "data", [b'{"v": 1}', b"no json at all", envelope(), envelope(signatures=[{"sig": "AAAA"}]), NOT_ASCII]
)
def test_where_trust_is_required_nothing_unsigned_passes(data: bytes) -> None:
    assert refusal(data).code == "signature"


def test_an_unknown_key_is_told_from_none() -> None:
    assert "trust.keys" in refusal(seal("cue", b"{}", [private(9)])).detail
    assert "not signed" in refusal(b"{}").detail
    assert "no signature" in refusal(envelope()).detail


def ending(end: int) -> Trust:
    return Trust((PublicKey("old", "show", SHOW.raw, UtcUs(end)),))


def test_an_expired_key_signs_nothing_new() -> None:
    made = seal("cue", b"{}", [private(1)])
    assert isinstance(open_body(made, ("cue",), ending(T0 + 1), NOW), Opened)
    expired = refusal(made, ending(T0))
    assert (expired.code, "old expired 2025-06-02" in expired.detail) == ("signature", True)


def test_without_a_time_a_key_that_may_have_expired_waits_and_others_do_not() -> None:
    made = seal("cue", b"{}", [private(1)])
    assert refusal(made, ending(T0), utc=None).code == UNDATED
    assert isinstance(open_body(made, ("cue",), ALL, None), Opened)
    past = open_body(made, ("cue",), ending(T0), None, floor=UtcUs(T0 + S))
    assert isinstance(past, Refusal)
    assert past.code == "signature", "it has surely expired"


def test_turning_the_time_back_brings_no_expired_key_to_life() -> None:
    made = seal("cue", b"{}", [private(1)])
    past = open_body(made, ("cue",), ending(T0), UtcUs(T0 - S), floor=UtcUs(T0 + S))
    assert isinstance(past, Refusal)
    assert past.code == "signature"


def test_what_was_accepted_goes_on_as_long_as_its_keys_are_trusted_expired_or_not() -> None:
    assert ending(T0 - S).suffice("cue", frozenset([SHOW.id]))
    assert not ALL.suffice("cue", frozenset())
    assert not ALL.suffice("cue", frozenset([CONTENT.id]))
    assert not Trust(ALL.keys, threshold=2).suffice("cue", frozenset([SHOW.id]))
    assert ANYBODY.suffice("cue", frozenset())


def test_without_trust_bare_bodies_and_envelopes_pass_and_good_signatures_are_known() -> None:
    lab = Trust(ALL.keys, require=False)
    assert open_body(b'{"v": 1}', ("cue",), lab, NOW) == Opened(None, b'{"v": 1}', frozenset())
    assert open_body(b"no json at all", ("cue",), lab, NOW) == Opened(None, b"no json at all", frozenset())
    assert open_body(envelope(), ("cue",), lab, NOW) == Opened("cue", b'{"v":1}', frozenset())
    signed = open_body(seal("cue", b"{}", [private(1), private(4), private(9)]), ("cue",), lab, NOW)
    assert signed == Opened("cue", b"{}", frozenset([SHOW.id]))


@pytest.mark.parametrize(
    ("data", "code", "word"),
    [
        (b" " * (MAX_BODY_BYTES + 1), "size", "at most"),
        (envelope(payloadType="application/vnd.framezero.program.v1+json"), "schema", "payloadType"),
        (envelope(payloadType=5), "schema", "payloadType"),
        (envelope(payload="%%%"), "schema", "payload"),
        (envelope(payload="é"), "schema", "payload"),
        (envelope(extra=1), "schema", "extra"),
        (envelope(signatures=None), "schema", "signatures"),
        (envelope(signatures=[{"sig": "AAAA"}] * 9), "schema", "signatures"),
        (envelope()[:-1] + b',"payload":""}', "schema", "stands twice"),
    ],
)
@pytest.mark.parametrize("asked", [ANYBODY, ALL])
def test_what_is_no_envelope_of_its_kind_is_refused(data: bytes, code: str, word: str, asked: Trust) -> None:
    refused = refusal(data, asked)
    assert (refused.code, word in refused.detail) == (code, True)


def test_an_enemys_message_costs_a_bounded_number_of_verifications(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bytes] = []

    class Counting:
        @classmethod
        def from_public_bytes(cls, raw: bytes) -> "Counting":
            tried.append(raw)
            return cls()

        def verify(self, signature: bytes, signed: bytes) -> None:
            raise InvalidSignature

    monkeypatch.setattr(trust, "Ed25519PublicKey", Counting)
    many = Trust(tuple(key_of(number) for number in range(64)))
    sealed = seal("cue", b"{}", [private(63)] + [private(100 + number) for number in range(7)])
    assert refusal(sealed, many).code == "signature"
    assert len(tried) == trust.MAX_VERIFICATIONS
    assert tried[0] == key_of(63).raw, "the hint is followed first"


@pytest.mark.parametrize(
    ("roles", "threshold", "words"),
    [
        ([], 1, ["0 of the 1 show keys", "no content key"]),
        (["show"], 1, ["no content key"]),
        (["show", "content"], 2, ["1 of the 2 show keys"]),
        (["show", "content"], 1, []),
    ],
)
def test_keys_that_can_take_nothing_are_a_fault(roles: list[Role], threshold: int, words: list[str]) -> None:
    keys = tuple(key_of(number, role) for number, role in enumerate(roles))
    faults = [fault.detail for fault in trust.trust_faults(Trust(keys, threshold))]
    assert len(faults) == len(words)
    assert all(word in fault for word, fault in zip(words, faults, strict=True))
