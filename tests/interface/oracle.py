"""What may become of a message, whoever made it: judged by rules of its own, from what was truly signed."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from forger import Forger, Made, keys_of
from makers import T0, now_at, uuid_of

from agent.answered import Answer
from agent.conductor import Conductor, Limits
from agent.control.view import View
from agent.effects import (
    Acknowledge,
    Effect,
    ForgetCue,
    ForgetId,
    ForgetProgram,
    KeepCue,
    KeepId,
    KeepLocal,
    KeepPanic,
    KeepProgram,
    Kept,
    Note,
    PlayerHeard,
    Received,
    Reply,
)
from agent.intake import Venue, take_cue, take_panic, take_program
from agent.messages import MAX_BODY_BYTES, Ask, Cue, Lift, Panic, Refusal, decode, encode
from agent.player.wire import Hello
from agent.programs import Program
from agent.received import Received as Heard
from agent.told import Ack, AsRun, Presence, Status
from agent.trust import KINDS, PublicKey, Trust, open_body, unverified_body
from agent.units import UtcUs

ROLES = {"cue": {"show"}, "program": {"content"}, "panic": {"panic", "show"}, "lift": {"show"}}
MODELS = (Cue, Program, Panic, Lift, Ask, Ack, Answer, AsRun, Presence, Status)
TOPICS = (
    "venue/paris/ack",
    "venue/paris/status",
    "venue/paris/presence",
    "venue/paris/answer",
    "cue/x",
    "panic",
    "panic/x",
)
STEP_US = 100_000
"""So much later comes each message: a cue of 15 s has expired 150 messages on, and a venue keeps few."""
VIEW_LIFE = 1_000
"""An operator's command hears so many messages before it ends."""
REMEMBERED = 4_000
"""So many ids and hashes of what was truly signed are known here: far more than count at a time."""
WRITES = (KeepCue, ForgetCue, KeepId, ForgetId, KeepProgram, ForgetProgram, KeepPanic, KeepLocal)


def faults_of(kind: str, body: bytes, made: Made, keys: Iterable[PublicKey], utc: int, threshold: int) -> str:
    """Why these keys do not answer for a body that was taken; empty where they do."""
    able = {key.id for key in keys if key.role in ROLES[kind] and (key.not_after is None or utc < key.not_after)}
    signers = {good.signer for good in made.good if (good.kind, good.body) == (kind, body)} & able
    wanted = threshold if kind == "cue" else 1
    return "" if len(signers) >= wanted else f"taken: a {kind} with {len(signers)} of {wanted} signatures"


def rss_kb() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


@dataclass
class Figures:
    """What came of so many messages."""

    messages: int = 0
    ways: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def fault(self, made: Made, number: int, text: str) -> None:
        """Write down what must not be, with what it takes to see it again."""
        self.faults.append(f"message {number} ({made.way}, {made.topic[:60]!r}): {text}\n  {made.payload[:2000]!r}")


class Oracle:
    """A venue's decoder and conductor, fed with the messages of one seed."""

    def __init__(self, seed: int, threshold: int) -> None:
        self.figures = Figures()
        self._forger = Forger(seed, "reel-show", "paris", threshold)
        self._threshold = threshold
        self._utc = T0
        self._venue = Venue("paris", ("west",), "reel-show")
        self._keys = keys_of(T0)
        self._trust = Trust(self._keys, threshold)
        self._view = View()
        self._known: dict[str, None] = {}
        self._conductor = Conductor(self._venue, uuid_of(99), Limits(30_000, 500_000, ""), self._trust)
        hello = Hello(mpv="mpv 0.35.1", display="320x180", realtime=True)
        self._conductor.handle(PlayerHeard(hello), now_at(self._utc))

    def run(self, numbers: Iterable[int]) -> None:
        """Make each of these messages and see what becomes of it."""
        for number in numbers:
            self._utc = UtcUs(self._utc + STEP_US)
            made = self._forger.make(number, self._utc)
            self.figures.messages += 1
            self.figures.ways[made.way] += 1
            try:
                # The conductor takes every message, and opens it; beside it the decoder and the readers take turns.
                if number % 2:
                    self._open(made, number)
                else:
                    self._read(made, number // 2)
                self._handle(made, number)
            except Exception as error:  # whatever it is: the core promises that nothing from outside raises
                self.figures.fault(made, number, f"raised {error!r:.300}")
            if number % VIEW_LIFE == 0:
                self._view = View()

    def _open(self, made: Made, number: int) -> None:
        opened = open_body(made.payload, KINDS, self._trust, UtcUs(self._utc))
        if isinstance(opened, Refusal):
            self.figures.verdicts[opened.code] += 1
            if not made.spoilt and made.good:
                self.figures.fault(made, number, f"refused though whole: {opened.detail}")
            return
        self.figures.verdicts["opened"] += 1
        why = self._faults(opened.kind, opened.body, made) if opened.kind else "taken unsigned"
        if why:
            self.figures.fault(made, number, why)
        if not opened.signers <= {good.signer for good in made.good}:
            self.figures.fault(made, number, "signers that did not sign")

    def _faults(self, kind: str, body: bytes, made: Made) -> str:
        return faults_of(kind, body, made, self._keys, self._utc, self._threshold)

    def _read(self, made: Made, number: int) -> None:
        """Readers take what was not meant for them as well: what they make of it is theirs, but they may not raise."""
        now, trust = now_at(self._utc), Trust(require=False)
        unverified_body(made.payload)
        read: Any
        match number % 3:
            case 0:
                read = take_cue(made.payload, None, self._venue, trust, now)
            case 1:
                read = take_panic(made.payload, self._venue, trust, now)
            case _:
                read = take_program(made.payload, ("reel", "1"), self._venue, trust, now)
        for each in (read, decode(MODELS[number % len(MODELS)], made.payload)):
            if isinstance(each, Refusal):
                encode(each)
        topic = made.topic if number % 2 else TOPICS[number // 2 % len(TOPICS)]
        self._view.take(Heard(topic, made.payload, False, "mqtt://x"), 0.0)

    def _handle(self, made: Made, number: int) -> None:
        ids = {found for good in made.good for found in ids_of(good.body)}
        for good in made.good:
            if not self._faults(good.kind, good.body, made):
                for mark in (*ids_of(good.body), sha256(good.body).hexdigest()):
                    self._known.pop(mark, None)  # the newest come last
                    self._known[mark] = None
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        effects = self._conductor.handle(Received(made.topic, made.payload), now_at(self._utc))
        # The journal has written at once.
        if writes := tuple(effect.key for effect in effects if isinstance(effect, WRITES)):
            effects += self._conductor.handle(Kept(writes, None), now_at(self._utc))
        for effect in effects:
            if why := self._judged(effect, made, ids):
                self.figures.fault(made, number, why)

    def _judged(self, effect: Effect, made: Made, ids: set[str]) -> str:
        """Why this effect must not be; empty where it may."""
        match effect:
            case KeepCue(cue, body):
                self.figures.verdicts["kept"] += 1
                return self._faults("cue", body, made) or ("" if cue in ids else f"another id: {cue}")
            case KeepId(cue, digest):
                self.figures.verdicts["remembered"] += 1
                return "" if cue in ids and digest in self._known else f"remembered, and never signed: {cue}"
            case KeepProgram(_, _, body):
                self.figures.verdicts["kept"] += 1
                return self._faults("program", body, made)
            case KeepPanic(_, kind, body):
                self.figures.verdicts["kept"] += 1
                return self._faults(kind, body, made)
            case KeepLocal():
                return "a local black by a message: that takes a hand at the wall"
            case Acknowledge(ack):
                self.figures.verdicts[f"ack {ack.stage}"] += 1
                if len(encode(ack)) > MAX_BODY_BYTES // 16:
                    return "an ack that is far too long"
                taken = ack.stage == "refused" or ack.cue in self._known
                return "" if taken else f"{ack.stage} for what was never taken: {ack.cue}"
            case Reply():
                self.figures.verdicts["answered"] += 1
                return "" if made.topic.startswith("ask/") else "an answer to nobody"
            case Note(_, text, fields):
                long = sum(len(str(part)) for field in fields for part in field)
                return "a note that is far too long" if len(text) + long > MAX_BODY_BYTES // 16 else ""
        return ""


def ids_of(body: bytes) -> set[str]:
    """The id of a cue, panic, lift or ask, if it can be read at all."""
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        return set()
    found = [tree.get(key) for key in ("cue", "panic", "lift", "ask")] if isinstance(tree, dict) else []
    return {each for each in found if isinstance(each, str)}
