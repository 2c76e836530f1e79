"""From received bytes to a body that may be read: the place where signatures are judged. Pure.

A signed message is a DSSE envelope, `{"payloadType", "payload", "signatures"}`; the signatures cover DSSE's
pre-authentication encoding over type and exact bytes (github.com/secure-systems-lab/dsse, protocol.md), so that no JSON
has to be written canonically, and a cue's signature is none of a program's. Keys are Ed25519 (RFC 8032).

Who may sign what hangs on a key's role alone, never on its name or on the hint in an envelope. A key that has expired
signs nothing new, and what it signed before goes on; a key that is gone signs nothing and takes back what has not begun
(agent.conductor).
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Annotated, Literal, get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import Field, StringConstraints

from agent.messages import MAX_BODY_BYTES, Model, Refusal, decode
from agent.units import EPOCH, UtcUs, format_utc

Role = Literal["show", "content", "panic"]
Kind = Literal["cue", "program", "panic", "lift", "claim"]
KeyId = str
"""The first 16 hexadecimal digits of the sha256 of a public key's 32 bytes."""

MAY_SIGN: Mapping[Kind, frozenset[Role]] = {
    "cue": frozenset({"show"}),
    "program": frozenset({"content"}),
    "panic": frozenset({"panic", "show"}),
    "lift": frozenset({"show"}),
    "claim": frozenset({"show"}),
}
KINDS: tuple[Kind, ...] = get_args(Kind)
MAX_SIGNATURES = 8
MAX_VERIFICATIONS = 64
"""So many pairs of signature and key are tried for a message at most: an enemy's message costs some milliseconds."""

# What a schema can say of the texts in an envelope, which are judged when it is opened.
_BASE64_PATTERN = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_SIG_PATTERN = r"^[A-Za-z0-9+/]{86}==$"

UNDATED = "key_undated"
"""The code of a refusal that is none yet: the key would do if it has not expired, and nobody knows the time.

What the brokers keep is asked for again with the time; only what they do not keep is refused so.
"""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key that a venue trusts. `raw` are its 32 bytes; from `not_after` on it signs nothing new."""

    name: str
    role: Role
    raw: bytes
    not_after: UtcUs | None = None

    @property
    def id(self) -> KeyId:
        """What names the key in envelopes, in the journal and to people."""
        return key_id(self.raw)


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose messages count. `threshold`: so many show keys a cue needs. Without `require` unsigned ones count too."""

    keys: tuple[PublicKey, ...] = ()
    threshold: int = 1
    require: bool = True

    def wanted(self, kind: Kind) -> int:
        """How many different keys have to sign a message of a kind."""
        return self.threshold if kind == "cue" else 1

    def suffice(self, kind: Kind, signers: frozenset[KeyId]) -> bool:
        """Whether these keys, as they are trusted now, are enough for what was accepted before: expiry aside."""
        if not self.require:
            return True
        able = {key.id for key in self.keys if key.role in MAY_SIGN[kind]}
        return len(able & signers) >= self.wanted(kind)


@dataclass(frozen=True, slots=True)
class Opened:
    """The exact body of a message, what its envelope says it is (None: a bare body) and whose signatures hold."""

    kind: Kind | None
    body: bytes
    signers: frozenset[KeyId]


def payload_type(kind: Kind) -> str:
    """The `payloadType` of an envelope with a body of this kind."""
    return f"application/vnd.framezero.{kind}.v1+json"


class Signature(Model):
    """One signature over the pre-authentication encoding; `keyid` is a hint, not proof."""

    keyid: Annotated[str, StringConstraints(max_length=255)] = ""
    """The first 16 hexadecimal digits of the sha256 of the public key's 32 bytes."""
    sig: Annotated[str, StringConstraints(max_length=128), Field(json_schema_extra={"pattern": _SIG_PATTERN})]
    """Ed25519 over the pre-authentication encoding of `payloadType` and the body, in base64."""


class Envelope(Model):
    """A signed body, byte for byte."""

    payload_type: Annotated[str, Field(alias="payloadType", json_schema_extra={"enum": [*map(payload_type, KINDS)]})]
    """What the body is; it is signed too, so that no cue can pass for a program."""
    payload: Annotated[str, Field(json_schema_extra={"contentEncoding": "base64", "pattern": _BASE64_PATTERN})]
    """The exact bytes of the body, in base64."""
    signatures: Annotated[list[Signature], Field(max_length=MAX_SIGNATURES)]
    """By as many different keys of the right role as the venue asks for."""


def trust_faults(trust: Trust) -> list[Refusal]:
    """What these keys will have to refuse altogether, with the remedy: a venue with such a fault is not ready."""
    shows = len({key.id for key in trust.keys if key.role == "show"})
    faults = []
    if shows < trust.threshold:
        detail = f"{shows} of the {trust.threshold} show keys that a cue needs are trusted: every cue is refused"
        faults.append(Refusal(code="trust", detail=f"{detail}; put the show's public keys into trust.keys"))
    if not any(key.role == "content" for key in trust.keys):
        detail = "no content key is trusted: every program is refused; put the content's public key into trust.keys"
        faults.append(Refusal(code="trust", detail=detail))
    return faults


def key_id(raw: bytes) -> KeyId:
    """The id of the public key with these 32 bytes."""
    return sha256(raw).hexdigest()[:16]


def signable(kind: Kind, body: bytes) -> bytes:
    """What is signed for a body: DSSE's PAE(type, body)."""
    named = payload_type(kind).encode()
    return b"DSSEv1 %d %b %d %b" % (len(named), named, len(body), body)


def seal(kind: Kind, body: bytes, keys: Sequence[Ed25519PrivateKey]) -> bytes:
    """The envelope of a body, signed by each of the keys."""
    signed = signable(kind, body)
    signatures = [
        {
            "keyid": key_id(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
            "sig": base64.b64encode(key.sign(signed)).decode(),
        }
        for key in keys
    ]
    whole = {"payloadType": payload_type(kind), "payload": base64.b64encode(body).decode(), "signatures": signatures}
    return json.dumps(whole, separators=(",", ":")).encode()


def open_body(
    data: bytes, kinds: Sequence[Kind], trust: Trust, utc: UtcUs | None, *, floor: UtcUs = EPOCH
) -> Opened | Refusal:
    """The body of a message of one of these kinds, or why it is not taken.

    `utc` is the time that somebody vouches for, None where nobody does; `floor` has surely passed. Without
    `trust.require` bare bodies and any signatures pass, and the signers are those that hold all the same.
    """
    if len(data) > MAX_BODY_BYTES:
        return Refusal(code="size", detail=f"{len(data)} bytes; a message has at most {MAX_BODY_BYTES}")
    if not _looks_like_envelope(data):
        if trust.require:
            return Refusal(code="signature", detail="the message is not signed; send it with --key FILE")
        return Opened(None, data, frozenset())
    envelope = decode(Envelope, data)
    if isinstance(envelope, Refusal):
        return envelope
    kind = next((kind for kind in kinds if payload_type(kind) == envelope.payload_type), None)
    if kind is None:
        wanted = " or ".join(payload_type(kind) for kind in kinds)
        return Refusal(code="schema", detail=f"payloadType: {envelope.payload_type[:80]!r} is not {wanted}")
    try:
        body = base64.b64decode(envelope.payload, validate=True)
    except ValueError as error:
        return Refusal(code="schema", detail=f"payload: not base64: {error}")
    good = list(_good_keys(envelope.signatures, signable(kind, body), trust.keys))
    if trust.require and (short := _short(kind, good, envelope.signatures, trust, utc, floor)):
        return short
    return Opened(kind, body, frozenset(key.id for key in good if key.role in MAY_SIGN[kind]))


def unverified_body(data: bytes) -> bytes | None:
    """The body in an envelope that was refused, to tell whether it is known from before; None where there is none."""
    if len(data) > MAX_BODY_BYTES or not _looks_like_envelope(data):
        return None
    envelope = decode(Envelope, data)
    if isinstance(envelope, Refusal):
        return None
    try:
        return base64.b64decode(envelope.payload, validate=True)
    except ValueError:
        return None


def _short(
    kind: Kind,
    good: Sequence[PublicKey],
    signatures: Sequence[Signature],
    trust: Trust,
    utc: UtcUs | None,
    floor: UtcUs,
) -> Refusal | None:
    """What the signatures lack, if they are not enough."""
    able = [key for key in good if key.role in MAY_SIGN[kind]]
    # Time servers that turn the time back bring no key back to life.
    past = floor if utc is None else max(utc, floor)
    valid = [key for key in able if key.not_after is None or past < key.not_after]
    wanted = trust.wanted(kind)
    sure = {key.id for key in valid if key.not_after is None or utc is not None}
    if len(sure) >= wanted:
        return None
    if len({key.id for key in valid}) >= wanted:
        detail = (
            "whether the key has expired shows when a time server has answered: then what brokers keep is asked for"
        )
        detail += " again, and what they do not keep is to be sent again"
        return Refusal(code=UNDATED, detail=detail)
    roles = " or ".join(sorted(MAY_SIGN[kind]))
    if not signatures:
        return Refusal(code="signature", detail="the envelope holds no signature; send it with --key FILE")
    if not good:
        detail = "no signature is by a key in trust.keys of this venue; sign with one of them, or install the key there"
        return Refusal(code="signature", detail=detail)
    if not able:
        names = ", ".join(sorted({f"{key.name} ({key.role})" for key in good}))
        return Refusal(code="role", detail=f"signed by {names}; a {kind} is signed by a {roles} key")
    if not valid:
        ends = "; ".join(sorted({f"{key.name} expired {format_utc(key.not_after)}" for key in able if key.not_after}))
        return Refusal(code="signature", detail=f"{ends}; sign with a key that is still good")
    names = ", ".join(sorted({key.name for key in valid}))
    detail = f"{len({key.id for key in valid})} of {wanted} signatures: {names}; this venue asks for {wanted} show keys"
    return Refusal(code="signature", detail=detail)


def _good_keys(signatures: Sequence[Signature], signed: bytes, keys: Sequence[PublicKey]) -> Iterator[PublicKey]:
    """The keys by which one of the signatures holds; those that the hints name are tried first."""
    hinted: list[tuple[Signature, PublicKey]] = []
    others: list[tuple[Signature, PublicKey]] = []
    for signature in signatures:
        for key in keys:
            (hinted if signature.keyid in (key.id, key.name) else others).append((signature, key))
    for signature, key in islice([*hinted, *others], MAX_VERIFICATIONS):
        try:
            Ed25519PublicKey.from_public_bytes(key.raw).verify(base64.b64decode(signature.sig, validate=True), signed)
        except (InvalidSignature, ValueError):  # no base64: binascii.Error, or its base where the text is not ASCII
            continue
        yield key


def _looks_like_envelope(data: bytes) -> bool:
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(tree, dict) and "payloadType" in tree
