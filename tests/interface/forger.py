"""Messages for a venue, most of them bad in one way or another, each with what was truly signed in the making of it."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from makers import S, item_body, key_of, private, uuid_of
from mutations import BASE64, bend, read, scratch, write
from schemas import examples

from agent.trust import KeyId, Kind, PublicKey, payload_type, seal, signable
from agent.units import UtcUs, format_utc

SHOWS, CONTENT, PANIC, EXPIRED, STRANGER = (1, 2), 3, 4, 5, 6
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of Ed25519's base point: a signature's second half plus this is one too where nobody looks (RFC 8032, 5.1.7)."""
IDS = 16
TOLD = ("ack", "answer", "asrun", "presence", "status")
WAYS = {
    "whole": 3,
    "bare": 5,
    "body bent, signed": 20,
    "envelope bent": 20,
    "bytes": 20,
    "signatures": 25,
    "base64": 7,
}


def keys_of(utc: int) -> tuple[PublicKey, ...]:
    """The keys that the venue trusts: two of the show, one of the content, one for panics, and one that has expired."""
    shows = [key_of(number) for number in SHOWS]
    return (*shows, key_of(CONTENT, "content"), key_of(PANIC, "panic"), key_of(EXPIRED, not_after=utc - 3600 * S))


@dataclass(frozen=True, slots=True)
class Good:
    """A body of a kind that this key has truly signed."""

    kind: Kind
    body: bytes
    signer: KeyId


@dataclass(frozen=True, slots=True)
class Made:
    """One message: where it goes (below the root), its bytes, how it was made, and all that is signed in it.

    Not `spoilt`: it is whole, and signed by those who may.
    """

    topic: str
    payload: bytes
    way: str
    good: tuple[Good, ...]
    spoilt: bool


class Forger:
    """Makes the messages of one seed: `make(n, utc)` is the same each time. `threshold` show keys sign a good cue."""

    def __init__(self, seed: int, show: str, venue: str, threshold: int = 1) -> None:
        self._seed = seed
        self._show = show
        self._venue = venue
        self._threshold = threshold
        self._told = [json.dumps(example).encode() for name in TOLD for example in examples(name)]

    def make(self, number: int, utc: int) -> Made:
        """The message of this number, for an agent whose clock says so."""
        return _Hand(Random(f"{self._seed}/{number}"), self._show, self._venue, self._threshold, utc).make(self._told)


class _Hand:
    """Makes one message."""

    def __init__(self, rng: Random, show: str, venue: str, threshold: int, utc: int) -> None:
        self._rng, self._show, self._venue, self._threshold, self._utc = rng, show, venue, threshold, utc
        self._good: list[Good] = []

    def make(self, told: list[bytes]) -> Made:
        rng = self._rng
        what = rng.choices(("cue", "program", "panic", "lift", "ask", "told"), (40, 15, 10, 10, 10, 15))[0]
        if what in ("ask", "told"):
            body = self._ask() if what == "ask" else rng.choice(told)
            # Of what venues tell an agent hears its own presence: a second agent of its name would be seen by it.
            topic = f"ask/{rng.choice((self._venue, 'all'))}" if what == "ask" else f"venue/{self._venue}/presence"
            way = rng.choice(("whole", "bytes", "body bent"))
            bent = (
                scratch(body, rng) if way == "bytes" else write(bend(read(body), rng), rng) if way != "whole" else body
            )
            return Made(topic, bent, f"{what}: {way}", (), way != "whole")
        kind: Kind = what  # type: ignore[assignment]  # the four kinds are left
        way = rng.choices(tuple(WAYS), tuple(WAYS.values()))[0]
        body, topic = self._body(kind)
        payload = self._payload(way, kind, body)
        if way != "whole" and rng.random() < 0.05:
            topic = self._other_topic(topic)
        return Made(topic, payload, way, tuple(self._good), way != "whole")

    # --- bodies -------------------------------------------------------------------------------

    def _id(self) -> str:
        return uuid_of(self._rng.randrange(IDS))

    def _at(self, ahead_s: float) -> str:
        return format_utc(UtcUs(self._utc + round(ahead_s * S)))

    def _fresh_id(self) -> str:
        return uuid_of(self._rng.getrandbits(40))

    def _body(self, kind: Kind) -> tuple[bytes, str]:
        rng = self._rng
        head = {"v": 1, "show": self._show, "venues": rng.choice((["*"], [self._venue], ["@west", "x"]))}
        match kind:
            case "cue":
                cue = self._fresh_id()
                action = rng.choice(
                    (
                        {"action": "play", "program": "reel", "rev": rng.randrange(1, 4), "loop": rng.random() < 0.5},
                        {"action": "black"},
                        {"action": "stop"},
                        {"action": "cancel", "cue": self._id()},
                        {"action": "identify", "seconds": 20},
                    )
                )
                times = {"at": self._at(rng.uniform(-5, 10)), "issued": self._at(-9), "expires": self._at(15)}
                return json.dumps({**head, "cue": cue, **times, "do": action}).encode(), rng.choice(
                    ("cue", f"cue/{cue}")
                )
            case "program":
                rev = rng.randrange(1, 4)
                items = [item_body(letter) for letter in "abc"[:rev]]
                made = {"v": 1, "program": "reel", "rev": rev, "show": self._show}
                # The same each time: another body under a revision is refused, and said so.
                return json.dumps(
                    {**made, "issued": "2025-06-02T12:00:00Z", "items": items}
                ).encode(), f"program/reel/{rev}"
            case "panic":
                panic = self._id()
                body = {**head, "panic": panic, "issued": self._at(0), "to": rng.choice(("black", "slate"))}
            case "lift":
                panic = self._id()
                body = {**head, "lift": panic, "issued": self._at(0)}
        return json.dumps(body).encode(), rng.choice(("panic", f"panic/{panic}"))

    def _ask(self) -> bytes:
        want = {"want": self._rng.choice(("poll", "shot", "asrun")), "program": "reel", "issued": self._at(0)}
        return json.dumps({"v": 1, "ask": self._fresh_id(), **want}).encode()

    def _other_topic(self, topic: str) -> str:
        others = (
            "cue",
            "cue/_hello",
            f"cue/{uuid_of(1)}",
            "cue/x",
            "cue/a/b",
            "program/reel/01",
            "program//1",
            "program/reel",
        )
        return self._rng.choice(
            (*others, "panic", "panic/x", f"{topic}/", f"{topic}é", f"ask/{self._venue}", "", "/", "x")
        )

    # --- envelopes ----------------------------------------------------------------------------

    def _signers(self, kind: Kind) -> Sequence[int]:
        """Who may sign it, as many as it takes."""
        match kind:
            case "cue":
                return self._rng.sample(SHOWS, self._threshold)
            case "program":
                return (CONTENT,)
            case "panic":
                return (self._rng.choice((PANIC, *SHOWS)),)
            case "lift" | "claim":
                return (self._rng.choice(SHOWS),)

    def _sign(self, kind: Kind, body: bytes, number: int) -> bytes:
        """A true signature; that it was given is written down."""
        self._good.append(Good(kind, body, key_of(number).id))
        return private(number).sign(signable(kind, body))

    def _sealed(self, kind: Kind, body: bytes, signers: Sequence[int]) -> bytes:
        self._good += [Good(kind, body, key_of(number).id) for number in signers]
        return seal(kind, body, [private(number) for number in signers])

    def _payload(self, way: str, kind: Kind, body: bytes) -> bytes:
        rng = self._rng
        match way:
            case "bare":
                return body
            case "body bent, signed":
                # The ids stay: what was truly signed and taken is kept, and a venue need not keep millions.
                tree = bend(read(body), rng, frozenset({"panic", "lift", "program", "rev", "expires", "issued"}))
                bent = scratch(body, rng) if rng.random() < 0.3 and kind == "cue" else write(tree, rng)
                return self._sealed(kind, bent, self._signers(kind))
            case "envelope bent":
                tree = read(self._sealed(kind, body, self._signers(kind)))
                for _ in range(rng.choice((1, 1, 2, 5))):
                    tree = bend(tree, rng)
                return write(tree, rng)
            case "bytes":
                return scratch(self._sealed(kind, body, self._signers(kind)), rng)
            case "signatures":
                return self._odd_signatures(kind, body)
            case "base64":
                whole = json.loads(self._sealed(kind, body, self._signers(kind)))
                box, key = rng.choice(((whole, "payload"), (whole["signatures"][0], "sig")))
                box[key] = rng.choice(BASE64)(box[key], rng)
                return json.dumps(whole).encode()
        return self._sealed(kind, body, self._signers(kind))

    def _envelope(self, kind: str, body: bytes, *signatures: tuple[Any, bytes]) -> bytes:
        named = [{"keyid": hint, "sig": base64.b64encode(sig).decode()} for hint, sig in signatures]
        whole = {"payloadType": kind, "payload": base64.b64encode(body).decode(), "signatures": named}
        return json.dumps(whole).encode()

    def _odd_signatures(self, kind: Kind, body: bytes) -> bytes:
        """A well-formed envelope whose signatures are not what they seem."""
        rng, named = self._rng, payload_type(kind)
        first = self._signers(kind)[0]
        hint = key_of(first).id
        everyone = (*SHOWS, CONTENT, PANIC, EXPIRED, STRANGER)
        match rng.randrange(13):
            case 0:  # by somebody else, with the hint of one who may
                number = rng.choice((EXPIRED, STRANGER, *set(everyone) - set(self._signers(kind))))
                return self._envelope(named, body, (hint, self._sign(kind, body, number)))
            case 1:  # of another kind
                other: Kind = rng.choice(("cue", "program", "panic", "lift"))
                return self._envelope(named, body, (hint, self._sign(other, body, first)))
            case 2:  # said to be of another kind
                other = rng.choice(("cue", "program", "panic", "lift"))
                return self._envelope(payload_type(other), body, (hint, self._sign(kind, body, first)))
            case 3:  # of another body
                other_body = scratch(body, rng)
                return self._envelope(named, body, (hint, self._sign(kind, other_body, first)))
            case 4:  # of something that is not the pre-authentication encoding
                pae, text = signable(kind, body), base64.b64encode(body)
                what = rng.choice(
                    (body, text, pae[7:], pae + b"\0", named.encode() + body, pae.replace(b"DSSEv1", b"DSSEv2"))
                )
                return self._envelope(named, body, (hint, private(first).sign(what)))
            case 5:  # the same twin of a true one
                true = self._sign(kind, body, first)
                twin = int.from_bytes(true[32:], "little") + ORDER
                return self._envelope(named, body, (hint, true[:32] + twin.to_bytes(32, "little")))
            case 6:  # of the wrong length, or of no substance
                true = self._sign(kind, body, first)
                bad = rng.choice(
                    (b"", true[:63], true + b"\0", bytes(64), b"\xff" * 64, true[32:] + true[:32], true * 2)
                )
                return self._envelope(named, body, (hint, bad))
            case 7:  # many, the good ones among them or not
                crowd = [(hint, rng.randbytes(64)) for _ in range(rng.choice((1, 5, 7, 8, 9, 100)))]
                good = [(hint, self._sign(kind, body, number)) for number in self._signers(kind)]
                both = crowd + good
                rng.shuffle(both)
                return self._envelope(named, body, *both)
            case 8:  # the same one several times
                return self._envelope(named, body, *[(hint, self._sign(kind, body, first))] * rng.randrange(2, 9))
            case 9:  # with odd hints
                hints = (
                    "",
                    "x" * 255,
                    "x" * 256,
                    key_of(STRANGER).id,
                    hint.upper(),
                    None,
                    5,
                    f"show-{first}",
                    "é",
                    "\0",
                )
                signers = self._signers(kind)
                return self._envelope(
                    named, body, *((rng.choice(hints), self._sign(kind, body, one)) for one in signers)
                )
            case 10:  # by everybody
                return self._envelope(named, body, *((key_of(one).id, self._sign(kind, body, one)) for one in everyone))
            case 11:  # by nobody
                return self._envelope(named, body)
            case _:  # a type that is none, signed as such or not
                odd_type = rng.choice(
                    (named.upper(), f"{named} ", named.replace("v1", "v2"), "application/json", "", named[:-5])
                )
                return self._envelope(odd_type, body, (hint, self._sign(kind, body, first)))
