"""agent.toml as it is written: every key in the order of the configuration, with a word on what it means. Pure."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel

from agent.config import Config

_COLUMN = 40
"""Where the words on a line begin."""
_WIDE = 100
"""A list that would make a longer line stands on several."""

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "venue": "unique in the show",
        "show": "cues of other shows are refused",
        "broker.urls": "all at once",
        "broker.cert": "read anew at each connection",
        "broker.key": "chmod 640, root and the agent's group",
        "clock.servers": "five of three operators; three must agree, or one that is ours",
        "clock.correction_ms": "an asymmetry of the site that was measured",
        "display.mode": "the kiosk sets it; else it is checked",
        "display.latency_ms": "how late the wall shows what the player sends",
        "display.region": "x,y,w,h: the part of the screen that is wall",
        "display.rotate": "degrees clockwise",
        "display.volume": "0: no sound device is opened",
        "cache.quota_gb": "the most that films may take",
        "cache.reserve_gb": "so much of the disk is always left free",
        "cache.rate_mbps": "the most that downloads may take of the line; 0: all of it",
        "trust.keys": "the show's public keys, one .toml file each",
        "trust.threshold": "so many different show keys a cue needs",
        "trust.require": "false takes unsigned cues from anybody: for labs",
    }
)


def render(tree: Mapping[str, Any]) -> str:
    """The text of an agent.toml that holds exactly this tree; keys that no configuration has come last in a table."""
    tables = {name: part for name, part in tree.items() if isinstance(part, Mapping)}
    plain = {name: value for name, value in tree.items() if name not in tables}
    lines = [
        "# This player's agent.toml, written by framezero setup: run it again or edit this, then run framezero check."
    ]
    lines += _lines("", plain, Config)
    for name in _ordered(tables, Config):
        lines += ["", f"[{name}]", *_lines(f"{name}.", tables[name], _table(name))]
    return "\n".join(lines) + "\n"


def _ordered(part: Mapping[str, Any], model: type[BaseModel] | None) -> list[str]:
    known = list(model.model_fields) if model is not None else []
    return [name for name in known if name in part] + [name for name in part if name not in known]


def _table(name: str) -> type[BaseModel] | None:
    field = Config.model_fields.get(name)
    kinds = (field.annotation, *get_args(field.annotation)) if field is not None else ()
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _lines(prefix: str, part: Mapping[str, Any], model: type[BaseModel] | None) -> list[str]:
    found = []
    for name in _ordered(part, model):
        line = f"{_key(name)} = {_value(part[name])}"
        if len(line) > _WIDE and isinstance(part[name], list):
            line = f"{_key(name)} = [\n" + "".join(f"    {_value(item)},\n" for item in part[name]) + "]"
        words = _WORDS.get(f"{prefix}{name}")
        if words:
            *above, last = line.split("\n")
            line = "\n".join([*above, f"{last.ljust(_COLUMN - 1)} # {words}"])
        found.append(line)
    return found


def _key(name: str) -> str:
    return name if name and all(char.isascii() and (char.isalnum() or char in "_-") for char in name) else _text(name)


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Mapping():
            return f"{{ {', '.join(f'{_key(key)} = {_value(item)}' for key, item in value.items())} }}"
        case list():
            return f"[{', '.join(_value(item) for item in value)}]"
        case str():
            return _text(value)
    return str(value)  # a number, or a date as TOML has it


def _text(text: str) -> str:
    # JSON's strings are TOML's basic strings, but for one control character.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
