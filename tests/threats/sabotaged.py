"""framezero with one control removed: `python sabotaged.py NAME agent --config FILE`. For tests only.

Each function below takes away one control and touches nothing else. tests/threats/README.md says which attack each of
them lets through.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

REMOVALS: dict[str, Callable[[], None]] = {}


def removal(take_away: Callable[[], None]) -> Callable[[], None]:
    """Make a function one that takes a control away, under its own name."""
    REMOVALS[take_away.__name__] = take_away
    return take_away


def was(owner: Any, name: str) -> Any:
    """What an agent's module or class has under a name, be it its own or imported there."""
    return getattr(owner, name)


def put(owner: Any, name: str, value: Any) -> None:
    """Put something of ours in the place of what an agent's module or class has under a name.

    What belongs to a module is put there before others import it from there.
    """
    assert hasattr(owner, name), f"{name} is gone from {owner}: this removal removes nothing"
    setattr(owner, name, value)


@removal
def unsigned_taken() -> None:
    """Bare bodies are taken though signatures are required."""
    from agent import intake, trust

    def careless(data: bytes, *args: Any, **kwargs: Any) -> Any:
        bare = trust.Opened(None, data, frozenset())
        return known(data, *args, **kwargs) if trust._looks_like_envelope(data) else bare

    known = was(intake, "open_body")
    put(intake, "open_body", careless)


@removal
def signature_unchecked() -> None:
    """A signature holds if it names a key that is trusted."""
    from agent import trust

    def careless(signatures: Any, _: bytes, keys: Any) -> Any:
        return [key for key in keys if key.id in {signature.keyid for signature in signatures}]

    put(trust, "_good_keys", careless)


@removal
def role_ignored() -> None:
    """Any trusted key signs anything."""
    from agent import trust

    anybody = frozenset(key_role for roles in trust.MAY_SIGN.values() for key_role in roles)
    put(trust, "MAY_SIGN", dict.fromkeys(trust.KINDS, anybody))


@removal
def threshold_ignored() -> None:
    """One signature is always enough."""
    from agent import trust

    put(trust.Trust, "wanted", lambda self, kind: 1)


@removal
def key_counted_by_name() -> None:
    """A key that lies in the folder under two names is two keys."""
    from agent import trust

    put(trust.PublicKey, "id", property(lambda self: self.name))


@removal
def keys_read_once() -> None:
    """Keys that come and go after the start change nothing."""
    from agent.keyring import Keyring

    def careless(self: Keyring) -> Any:
        if id(self) not in looks:
            looks[id(self)] = known(self)
        return looks[id(self)]

    known, looks = Keyring.look, dict[int, Any]()
    put(Keyring, "look", careless)


@removal
def expiry_ignored() -> None:
    """No time has ever surely passed, so that nothing is over."""
    from agent import effects
    from agent.units import EPOCH

    put(effects.Now, "at_least", property(lambda self: EPOCH))


@removal
def ids_forgotten() -> None:
    """A cue that is known is new each time it comes."""
    from agent import ledger

    put(ledger.Ledger, "digest", lambda self, cue: None)


@removal
def journal_unread() -> None:
    """A restart knows nothing of what was accepted before."""
    from agent import journal

    for rows in ("cues", "programs", "panics"):
        put(journal.Journal, rows, lambda self: [])


@removal
def show_ignored() -> None:
    """A cue counts whatever show it is for."""
    from agent import intake, trust

    def careless(payload: bytes, topic: Any, venue: Any, *args: Any) -> Any:
        try:
            show = json.loads(trust.unverified_body(payload) or b"")["show"]
        except (ValueError, KeyError, TypeError):
            show = venue.show
        return known(payload, topic, replace(venue, show=show), *args)

    known = was(intake, "take_cue")
    put(intake, "take_cue", careless)


@removal
def venues_ignored() -> None:
    """A cue counts whatever venues it names."""
    from agent import messages

    put(messages.Cue, "names", lambda self, venue, groups: True)


@removal
def topic_ignored() -> None:
    """A cue counts whatever id its topic names."""
    from agent import intake

    known = was(intake, "take_cue")
    put(intake, "take_cue", lambda payload, topic, *args: known(payload, None, *args))


@removal
def payload_type_ignored() -> None:
    """What an envelope says it holds is not compared with where it came from, nor signed for."""
    from agent import intake, trust

    def careless(data: bytes, kinds: Any, *args: Any, **kwargs: Any) -> Any:
        return known(data, (*kinds, *trust.KINDS), *args, **kwargs)

    known = was(intake, "open_body")
    put(intake, "open_body", careless)


@removal
def fields_tolerated() -> None:
    """Unknown fields are passed over."""
    import pydantic

    known: Any = pydantic.ConfigDict
    put(pydantic, "ConfigDict", lambda **settings: known(**{**settings, "extra": "ignore"}))


@removal
def parser_lenient() -> None:
    """JSON is read as Python reads it: the last of two equal keys counts, NaN is a number."""
    from agent import messages

    put(messages, "_unique", dict)
    put(messages, "_no_constant", float)


@removal
def cap_lifted() -> None:
    """A message may be of any size."""
    from agent import intake, messages, trust

    for module in (intake, messages, trust):
        put(module, "MAX_BODY_BYTES", 1 << 30)


@removal
def revisions_mutable() -> None:
    """Of two programs under one revision the last counts."""
    from agent.library import Library

    put(Library, "digest", lambda self, key: None)


@removal
def revision_unpinned() -> None:
    """A cue plays the newest revision of its program."""
    from agent.library import Library

    def newest(self: Library) -> Any:
        last = {taken.message.program: taken.message for _, taken in sorted(self._taken.items())}
        return {key: last[key[0]] for key in self._taken}

    put(Library, "programs", property(newest))


@removal
def arrival_unchecked() -> None:
    """What a server sends is the film that was asked for."""
    from agent.cache import store

    put(store, "digest", lambda file, rest: Path(file.name).stem)


@removal
def seal_unchecked() -> None:
    """A film that was verified once is not looked at again."""
    from agent.cache.seal import Seal

    put(Seal, "fits", lambda self, path: True)


@removal
def floor_forgotten() -> None:
    """Nobody remembers a time that has surely passed."""
    from agent.clock.memory import Memory
    from agent.clock.orders import EARLIEST_UTC

    def careless(self: Memory) -> Any:
        past, faults = known(self)
        return replace(past, floor=EARLIEST_UTC), faults

    known = Memory.recall
    put(Memory, "recall", careless)


@removal
def vote_ignored() -> None:
    """The first time server is believed, whatever the others say."""
    from agent.clock.keeper import Keeper

    def careless(self: Keeper, server: Any, *args: Any) -> Any:
        return known(self, server, *args) if server.name == next(iter(self._servers)) else []

    known = Keeper._answered
    put(Keeper, "_answered", careless)


@removal
def broker_needed() -> None:
    """What is to come is given up when no broker is there any more."""
    from agent.daemon import Daemon
    from agent.effects import Direct

    def careless_carry(self: Daemon, effect: Any) -> None:
        if not isinstance(effect, Direct) or any(self._sessions.connected.values()):
            known_carry(self, effect)

    def careless_broker(self: Daemon, change: Any) -> None:
        known_broker(self, change)
        if not any(self._sessions.connected.values()):
            self._player.plan(())

    known_carry, known_broker = Daemon._carry_out, Daemon._on_broker
    put(Daemon, "_carry_out", careless_carry)
    put(Daemon, "_on_broker", careless_broker)


@removal
def second_broker_ignored() -> None:
    """Only the first broker of the configuration is connected to."""
    from agent.mqtt import Sessions

    def careless(self: Sessions, settings: Any, *args: Any) -> None:
        known(self, settings.model_copy(update={"urls": settings.urls[:1]}), *args)

    known = Sessions.__init__
    put(Sessions, "__init__", careless)


@removal
def hello_unasked() -> None:
    """A subscription that the broker grants is believed to work."""
    from agent.mqtt import Sessions

    async def careless(self: Sessions, *args: Any) -> None:
        return None

    put(Sessions, "_prove", careless)


@removal
def acks_unawaited() -> None:
    """The operator's tool takes silence for consent."""
    from agent.control import verdict

    put(verdict, "judge", lambda venue, acks, wanted: verdict.Outcome(venue, "ok", None, True))


def main() -> None:
    """Remove the control that the first argument names, then be `framezero` with the rest."""
    removed = sys.argv.pop(1)
    REMOVALS[removed]()
    from agent.cli import main as framezero

    sys.argv[0] = str(Path(sys.argv[0]).with_name("framezero"))
    framezero()


if __name__ == "__main__":
    main()
