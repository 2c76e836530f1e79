"""What `framezero setup` asks, in which order, and what an answer means: pure.

The judge of an answer is agent/config.py itself: an answer is laid into a configuration that is sound otherwise.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.config import Cache, ConfigError, Display, Trust, parse
from agent.technician.regions import time_servers

Path = tuple[str, ...]
Kind = Literal["text", "list", "number", "path", "brokers", "servers", "identity", "files"]

IDENTITY: Path = ("identity",)
"""How the venue proves who it is at the brokers: no key of agent.toml, but what other keys follow from."""
COPY: Path = ("copy",)
"""Which files of public keys are to be copied into `trust.keys`: no key of agent.toml either."""
CERTIFICATE, PASSWORD, NOBODY = "certificate", "password", "none"

NONE = "-"
"""The answer that empties what has a default."""

_SOUND: dict[str, Any] = {
    "venue": "v",
    "show": "s",
    "timezone": "UTC",
    "state_dir": "/",
    "broker": {"urls": ["mqtts://v"]},
    "clock": {"servers": ["v"]},
    "cache": {"dir": "/"},
}
_NOT_OF = {
    CERTIFICATE: ("password_file",),
    PASSWORD: ("cert", "key"),
    NOBODY: ("ca", "cert", "key", "username", "password_file"),
}
_TLS_PORT, _PLAIN_PORT = 8883, 1883
_MARKS = ("ours", "smear")
_MODES_TOLD = 8
_USE_OF_DISK = 0.7


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen that was found here: its display's name, its size, its mode now, and the modes that it knows."""

    name: str
    size: str
    mode: str
    modes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Here:
    """What the host is known to be: defaults come from it.

    `folder` is where agent.toml goes, `present` the names of the files there; `disk_gb` is the size of the disk that
    the films go on.
    """

    host: str
    zone: str
    folder: str
    present: frozenset[str] = frozenset()
    screens: tuple[Screen, ...] = ()
    disk_gb: float | None = None


@dataclass(slots=True)
class Draft:
    """The configuration as far as it is answered, a tree as tomllib reads it; and the answers that are no keys."""

    tree: dict[str, Any]
    asides: dict[Path, Any] = field(default_factory=dict)
    had: bool = False
    """Whether there was a configuration before: what it leaves out means what it meant, whatever the host is like."""

    def __post_init__(self) -> None:
        """See what is there before anything is set."""
        self.had = bool(self.tree)

    def get(self, path: Path) -> Any:
        """What stands there; None where nothing does."""
        if path in (IDENTITY, COPY):
            return self.asides.get(path)
        place: Any = self.tree
        for step in path:
            place = place.get(step) if isinstance(place, dict) else None
        return place

    def set(self, path: Path, value: Any) -> None:
        """Put a value there; an empty one takes the key away, so that its default counts."""
        if path in (IDENTITY, COPY):
            self.asides[path] = value
            return
        place = self.tree
        for step in path[:-1]:
            if not isinstance(place.get(step), dict):
                place[step] = {}
            place = place[step]
        if value in ("", []):
            place.pop(path[-1], None)
        else:
            place[path[-1]] = value


@dataclass(frozen=True, slots=True)
class Question:
    """One question: `option` answers it on the command line, `default` is what stands in brackets (None: nothing)."""

    path: Path
    option: str
    title: str
    hint: str
    kind: Kind = "text"
    default: Any = None


def questions(draft: Draft, here: Here) -> Iterator[Question]:
    """One question after the other; each may look at what `draft` has been told by then."""

    def ask(path: Path, option: str, title: str, hint: str, kind: Kind = "text", default: Any = None) -> Question:
        known = draft.get(path)
        return Question(path, option, title, hint, kind, default if known is None else known)

    name = here.host if not faults(Question(("venue",), "", "", ""), here.host) else None
    yield ask(
        ("venue",), "--venue", "Venue", "The name of this wall, unique in the show: a-z, 0-9, dashes.", default=name
    )
    yield ask(("show",), "--show", "Show", "Cues of other shows are refused.")
    hint = f"Names that cues may address together, as @asia; with commas. {NONE} for none."
    yield ask(("groups",), "--group", "Groups", hint, "list", [])
    yield ask(("timezone",), "--timezone", "Time zone", "Of the people at the wall.", default=here.zone or None)
    yield from _brokers(draft, here, ask)
    hint = (
        "With commas; five of three operators are best. Behind one that you vouch for write ours (10.0.0.1 ours): "
        "it is enough alone."
    )
    servers = time_servers(str(draft.get(("timezone",))))
    yield ask(("clock", "servers"), "--time-server", "Time servers", hint, "servers", servers)
    yield from _display(draft, here, ask)
    yield ask(
        ("cache", "dir"), "--cache-dir", "Folder for films", "On the largest disk.", "path", "/var/cache/framezero"
    )
    quota = Cache.model_fields["quota_gb"].default
    if here.disk_gb and not draft.had:
        quota = max(1, int(here.disk_gb * _USE_OF_DISK))
    size = f" The disk has {here.disk_gb:.0f} GB." if here.disk_gb else ""
    hint = f"The most GB that films may take.{size} Those that are needed least go first."
    yield ask(("cache", "quota_gb"), "--quota-gb", "Room for films", hint, "number", quota)
    yield ask(("state_dir",), "--state-dir", "Folder for state", "Cues and records.", "path", "/var/lib/framezero")
    hint = "The folder of the show's public keys: only what they have signed is shown."
    keys = str(Trust().keys) if draft.had else f"{here.folder}/keys"
    yield ask(("trust", "keys"), "--trust-keys", "Trusted keys", hint, "path", keys)
    hint = f"Public keys (.toml) or folders of them to copy there, with commas. {NONE} for none."
    yield ask(COPY, "--copy-keys", "Copy keys", hint, "files", [])
    yield ask(("trust", "threshold"), "--threshold", "Signatures", "So many show keys a cue needs.", "number", 1)


def _brokers(draft: Draft, here: Here, ask: Any) -> Iterator[Question]:
    hint = f"With commas: cue-a.example, cue-b.example stand for mqtts://….example:{_TLS_PORT}. Two are best."
    yield ask(("broker", "urls"), "--broker", "Brokers", hint, "brokers")
    yield ask(("broker", "root"), "--root", "Root of the topics", "As the operators have it.", default="framezero/v1")
    before = _identity(draft, here)
    yield ask(IDENTITY, "--identity", "Proof of identity", _IDENTITY_HINT, "identity", before)
    identity = draft.get(IDENTITY)
    if identity != before:  # what was written by hand, such as a password beside a certificate, stays otherwise
        for name in _NOT_OF.get(identity, ()):
            draft.set(("broker", name), "")
    left_out = any(draft.get(("broker", name)) for name in ("cert", "password_file"))
    if identity != NOBODY:
        ca = f"{here.folder}/ca.pem"
        there = not left_out and (identity == CERTIFICATE or "ca.pem" in here.present)
        hint = f"The brokers' authority. {NONE}: those that this system knows."
        yield ask(("broker", "ca"), "--ca", "Authority", hint, "path", ca if there else "")
    if identity == CERTIFICATE:
        certified = f"certify venue {draft.get(('venue',))} has made it."
        yield ask(("broker", "cert"), "--cert", "Certificate", certified, "path", f"{here.folder}/venue.pem")
        key = "" if left_out else f"{here.folder}/venue.key"
        yield ask(("broker", "key"), "--cert-key", "Its key", f"{NONE}: it is in the same file.", "path", key)
    if identity == PASSWORD:
        yield ask(("broker", "username"), "--username", "User name", "", default=draft.get(("venue",)))
        hint = "A file that holds the password alone, readable by the agent's user."
        yield ask(
            ("broker", "password_file"), "--password-file", "Password file", hint, "path", f"{here.folder}/password"
        )


_IDENTITY_HINT = f"At the brokers: {CERTIFICATE}, {PASSWORD}, or {NONE.replace('-', NOBODY)} (labs)."


def _identity(draft: Draft, here: Here) -> str:
    if draft.get(("broker", "cert")):
        return CERTIFICATE
    if draft.get(("broker", "password_file")) or ("password" in here.present and "venue.pem" not in here.present):
        return PASSWORD
    plain = all(str(url).startswith("mqtt:") for url in draft.get(("broker", "urls")) or [])
    return NOBODY if draft.had or (plain and "venue.pem" not in here.present) else CERTIFICATE


def _display(draft: Draft, here: Here, ask: Any) -> Iterator[Question]:
    found = "; ".join(f"{screen.name} is {screen.mode or screen.size}" for screen in here.screens)
    hint = f"Found here: {found}." if found else "No X server was found; the first one of a host is :0."
    first = here.screens[0].name if here.screens and not draft.had else Display().name
    yield ask(("display", "name"), "--display", "Display", hint, default=first)
    screen = next((screen for screen in here.screens if screen.name == draft.get(("display", "name"))), None)
    modes = ", ".join(screen.modes[:_MODES_TOLD]) if screen else ""
    more = f" and {len(screen.modes) - _MODES_TOLD} more" if screen and len(screen.modes) > _MODES_TOLD else ""
    known = f"Known: {modes}{more}. " if modes else ""
    hint = f"Such as 1920x1080@50. framezero-kiosk sets it, or you by xrandr. {known}{NONE}: any."
    yield ask(("display", "mode"), "--mode", "Mode", hint, default=screen.mode if screen and not draft.had else "")
    hint = f"x,y,w,h: the part of the screen that is wall. {NONE}: all of it."
    yield ask(("display", "region"), "--region", "Region", hint, default="")
    yield ask(("display", "rotate"), "--rotate", "Turned", "0, 90, 180 or 270 degrees clockwise.", "number", 0)
    hint = "How late the wall shows what the player sends, in ms; 0 until it is measured at the wall."
    yield ask(("display", "latency_ms"), "--latency-ms", "Latency", hint, "number", 0.0)


# --- answers --------------------------------------------------------------------------------------


def read(question: Question, text: str) -> Any:
    """The value that an answer means. Raises ValueError with the remedy where it means none."""
    text = text.strip()
    if text == NONE:
        text = ""
    match question.kind:
        case "list" | "files":
            words = _words(text)
            return [word.removeprefix("@") for word in words] if question.kind == "list" else words
        case "brokers":
            return [_url(word) for word in _words(text)]
        case "servers":
            return [_server(word) for word in _words(text)]
        case "number":
            return _number(text)
        case "path":
            if text and not text.startswith("/"):
                raise ValueError(f"{text!r} is not a whole path; it begins with /")
            return text
        case "identity":
            if text not in (CERTIFICATE, PASSWORD, NOBODY):
                raise ValueError(f"{text!r} is none of {CERTIFICATE}, {PASSWORD}, {NOBODY}")
            return text
    return text


def write(question: Question, value: Any) -> str:
    """A value as it would be typed."""
    if question.kind == "servers":
        return ", ".join(_typed(server) for server in value)
    return ", ".join(str(word) for word in value) if isinstance(value, list) else str(value)


def faults(question: Question, value: Any) -> list[str]:
    """What agent.toml says against a value for this question, in words; nothing where it may stand."""
    if question.path in (IDENTITY, COPY):
        return []
    if value in ("", []) and question.path in _REQUIRED:
        return ["is needed"]
    draft = Draft({key: dict(part) if isinstance(part, dict) else part for key, part in _SOUND.items()})
    draft.set(question.path, value)
    try:
        parse(draft.tree, "")
    except ConfigError as error:
        return [fault.removeprefix(": ").removeprefix(f"{'.'.join(question.path)}: ") for fault in error.faults]
    return []


def beyond(tree: dict[str, Any], here: Here) -> list[str]:
    """What is wrong with a configuration that is there, and no answer to any question would mend."""
    draft, sound = Draft(copy.deepcopy(tree)), Draft(_SOUND)
    for question in questions(draft, here):
        usable = question.default is not None and not faults(question, question.default)
        draft.set(question.path, question.default if usable else sound.get(question.path) or "")
    try:
        parse(draft.tree, "")
    except ConfigError as error:
        return [fault.removeprefix(": ") for fault in error.faults]
    return []


_REQUIRED = {
    ("venue",),
    ("show",),
    ("timezone",),
    ("state_dir",),
    ("broker", "urls"),
    ("clock", "servers"),
    ("cache", "dir"),
}


def _words(text: str) -> list[str]:
    return [word for word in (part.strip() for part in text.split(",")) if word]


def _number(text: str) -> int | float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number; write one such as 0 or 33.3") from None
    return int(number) if number.is_integer() and "." not in text else number


def _url(word: str) -> str:
    if "://" in word:
        scheme = word.partition("://")[0]
        port = {"mqtts": _TLS_PORT, "mqtt": _PLAIN_PORT}.get(scheme)
        return word if port is None or re.search(r":\d+$", word) else f"{word}:{port}"
    return f"mqtts://{word}" if re.search(r":\d+$", word) else f"mqtts://{word}:{_TLS_PORT}"


def _server(word: str) -> str | dict[str, Any]:
    host, *marks = word.split()
    unknown = [mark for mark in marks if mark not in _MARKS]
    if unknown:
        raise ValueError(f"{word!r}: behind a server only {' and '.join(_MARKS)} may stand; put commas between servers")
    match = re.fullmatch(r"\[([^\[\]]+)\](?::(\d+))?|([^:\[\]]+):(\d+)", host)
    named: dict[str, Any] = {"host": (match[1] or match[3]) if match else host}
    if match and (port := match[2] or match[4]):
        named["port"] = int(port)
    named |= dict.fromkeys(marks, True)
    return named if len(named) > 1 else str(named["host"])


def _typed(server: Any) -> str:
    if not isinstance(server, dict):
        return str(server)
    host, port = str(server.get("host", "")), server.get("port")
    told = f"[{host}]" if ":" in host and port else host
    marks = [mark for mark in _MARKS if server.get(mark)]
    return " ".join([f"{told}:{port}" if port else told, *marks])
