import base64
import json
from typing import Any

import pytest

from agent.messages import MAX_BODY_BYTES, Refusal
from agent.trust import kind_in, open_body

TYPE = "application/vnd.framezero.cue.v1+json"


def envelope(**changes: Any) -> bytes:
    whole = {"payloadType": TYPE, "payload": base64.b64encode(b'{"v":1}').decode(), "signatures": []}
    return json.dumps({**whole, **changes}).encode()


def test_without_trust_bare_bodies_pass_as_they_are() -> None:
    assert open_body(b'{"v": 1}', "cue", require=False) == b'{"v": 1}'
    assert open_body(b"no json at all", "cue", require=False) == b"no json at all"


def test_without_trust_envelopes_are_opened() -> None:
    assert open_body(envelope(), "cue", require=False) == b'{"v":1}'


@pytest.mark.parametrize("data", [b'{"v": 1}', envelope()])
def test_with_trust_nothing_passes_that_cannot_be_verified(data: bytes) -> None:
    refused = open_body(data, "cue", require=True)
    assert isinstance(refused, Refusal)
    assert refused.code == "signature"
    assert "trust.require" in refused.detail


@pytest.mark.parametrize(
    ("data", "code", "word"),
    [
        (b" " * (MAX_BODY_BYTES + 1), "size", "at most"),
        (envelope(payloadType="application/vnd.framezero.program.v1+json"), "schema", "payloadType"),
        (envelope(payload="%%%"), "schema", "payload"),
        (envelope(payload="é"), "schema", "payload"),
        (envelope(extra=1), "schema", "extra"),
        (envelope(signatures=None), "schema", "signatures"),
    ],
)
def test_what_is_no_envelope_of_its_kind_is_refused(data: bytes, code: str, word: str) -> None:
    refused = open_body(data, "cue", require=False)
    assert isinstance(refused, Refusal)
    assert (refused.code, word in refused.detail) == (code, True)


def test_an_envelope_says_its_kind_and_whatever_else_comes_says_none() -> None:
    assert kind_in(envelope()) == "cue"
    assert kind_in(envelope(payloadType="application/vnd.framezero.lift.v1+json")) == "lift"
    for data in (b'{"lift": 1}', b"{", b"[]", envelope(filler="x" * MAX_BODY_BYTES)):
        assert kind_in(data) == ""
    assert kind_in(envelope(payloadType=5)) == "5", "no kind of ours, and open_body refuses it"
