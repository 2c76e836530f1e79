"""From received bytes to a body that may be read: the place where signatures are judged.

Envelopes are DSSE (`{"payloadType", "payload", "signatures"}`). This version does not verify signatures yet: with
`trust.require` everything is refused, so that nobody takes an unsigned channel for a signed one; without it,
which is for labs only, envelopes are opened unverified and bare bodies are taken as they are.
"""

import base64
import json

from pydantic import Field

from agent.messages import MAX_BODY_BYTES, Model, Refusal, decode

NO_SIGNATURES = "trust.require is true and this version cannot verify signatures; a lab sets trust.require = false"


class Signature(Model):
    """One signature over the pre-authentication encoding; `keyid` is a hint, not proof."""

    keyid: str
    sig: str


class Envelope(Model):
    """A signed body, byte for byte."""

    payload_type: str = Field(alias="payloadType")
    payload: str
    signatures: list[Signature]


def open_body(data: bytes, kind: str, *, require: bool) -> bytes | Refusal:
    """The body of a message of this kind (`cue`, `program`, `panic` or `lift`), or why it is not taken.

    With `require` nothing passes: see the module's text.
    """
    if len(data) > MAX_BODY_BYTES:
        return Refusal(code="size", detail=f"{len(data)} bytes; a message has at most {MAX_BODY_BYTES}")
    if require:
        return Refusal(code="signature", detail=NO_SIGNATURES)
    if not _looks_like_envelope(data):
        return data
    envelope = decode(Envelope, data)
    if isinstance(envelope, Refusal):
        return envelope
    wanted = f"application/vnd.framezero.{kind}.v1+json"
    if envelope.payload_type != wanted:
        return Refusal(code="schema", detail=f"payloadType: {envelope.payload_type!r} is not {wanted!r}")
    try:
        return base64.b64decode(envelope.payload, validate=True)
    except ValueError as error:
        return Refusal(code="schema", detail=f"payload: not base64: {error}")


def kind_in(data: bytes) -> str:
    """The kind that an envelope says its body has: no proof, and to be given to `open_body`; '' where it says none.

    A role hangs on it: who may sign a panic may not sign its lift.
    """
    if len(data) > MAX_BODY_BYTES or not _looks_like_envelope(data):
        return ""
    named = str(json.loads(data)["payloadType"])
    return named.removeprefix("application/vnd.framezero.").removesuffix(".v1+json")


def _looks_like_envelope(data: bytes) -> bool:
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(tree, dict) and "payloadType" in tree
