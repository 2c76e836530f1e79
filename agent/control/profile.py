"""How an operator's command reaches the brokers: option over environment over profile, all faults at once."""

import getpass
import json
import os
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from agent.access import Access
from agent.control.alarm_rules import Rules
from agent.messages import Name, Remark, in_words
from agent.printable import printable

ENV_PREFIX = "FRAMEZERO_CONTROL__"
_PATHS = ("key", "ca", "cert", "cert_key", "password_file", "passphrase_file", "trust")
DEFAULT_PROFILE = Path("~/.config/framezero/control.toml")


class ProfileError(Exception):
    """The settings cannot be used; `faults` says every reason, one line each, with the remedy."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Settings(BaseModel):
    """What every operator command needs; its keys are those of control.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    broker: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^mqtts?://[^/\s]+$")]],
        BeforeValidator(_listed),
        Field(min_length=1),
    ]
    root: Annotated[str, StringConstraints(pattern=r"^[^/#+\s]+(/[^/#+\s]+)*$")] = "framezero/v1"
    show: Name | None = None
    key: Annotated[list[str], BeforeValidator(_listed)] = []
    ca: str = ""
    cert: str = ""
    cert_key: str = ""
    username: str = ""
    password_file: str = ""
    passphrase_file: str = ""
    trust: str = ""
    operator: Remark | None = None
    alarms: Rules = Rules()

    @property
    def me(self) -> str:
        """Who sends, as the other operators see it: `operator`, else the user and the host of this session."""
        return self.operator or _session()

    def access(self) -> list[Access]:
        """How to reach each broker, duplicates removed."""
        return [
            Access(url, self.username, self.password_file, self.ca, self.cert, self.cert_key)
            for url in dict.fromkeys(self.broker)
        ]


def load(options: Mapping[str, Any], profile: Path | None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Put the settings together; an option that is None or empty counts as not given.

    `profile` None means the default one, which need not exist. Raises ProfileError with all faults at once.
    """
    faults: list[str] = []
    tree: dict[str, Any] = {}
    origin: dict[str, str] = {}
    from_file = _profile(profile, faults)
    unread = bool(faults)
    for source, values in (
        from_file,
        *_environment(environ),
        *((f"--{name.replace('_', '-')}", {name: value}) for name, value in options.items() if value),
    ):
        tree.update(values)
        origin.update(dict.fromkeys(values, source))
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        # Where the profile could not be read, what is missing may well stand in it.
        found = [fault for fault in error.errors(include_url=False) if fault["type"] != "missing" or not unread]
        faults.extend(_explain(fault, origin) for fault in found)
        raise ProfileError(faults) from error
    if faults:
        raise ProfileError(faults)
    return settings


def _session() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as containers have them
        user = "operator"
    return printable(f"{user}@{socket.gethostname()}", 64) or "operator"


def _profile(path: Path | None, faults: list[str]) -> tuple[str, dict[str, Any]]:
    try:
        file = (path or DEFAULT_PROFILE).expanduser()
    except RuntimeError:  # a user without a home, as services and containers have them, has no profile in it
        if path is not None:
            faults.append(f"{path}: there is no such home on this machine; write the whole path")
        return str(path or DEFAULT_PROFILE), {}
    try:
        return str(file), _beside(file, tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        if path is not None:
            faults.append(f"{file}: is not there; name another file with --profile")
    except OSError as error:
        faults.append(f"{file}: cannot be read ({error.strerror}); name another file with --profile")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"{file}: not TOML: {error}")
    return str(file), {}


def _beside(file: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Relative paths in a profile are relative to its folder: a command may be given anywhere."""

    def whole(value: Any) -> Any:
        if isinstance(value, list):
            return [whole(one) for one in value]
        return str(file.parent / value) if isinstance(value, str) and value and value[0] != "~" else value

    return {name: whole(value) if name in _PATHS else value for name, value in values.items()}


def _environment(environ: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    for variable, text in sorted(environ.items()):
        if not variable.startswith(ENV_PREFIX):
            continue
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        # A user name or a file may look like a number to JSON.
        found.append(
            (variable, {variable.removeprefix(ENV_PREFIX).lower(): value if isinstance(value, list | dict) else text})
        )
    return found


def load_rules(path: Path) -> Rules:
    """The table `[alarms]` of a profile, a show file or a file of its own. Raises ProfileError.

    The venues that a show file names are expected, too.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError([f"{path}: cannot be read ({error.strerror}); name another file"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError([f"{path}: not TOML: {error}"]) from error
    table, places = tree.get("alarms"), tree.get("venue")
    if table is None:
        raise ProfileError([f"{path}: there is no table [alarms] in it; write one, if only its heading"])
    if isinstance(table, dict) and isinstance(places, list) and isinstance(table.get("venues", []), list):
        named = [place["id"] for place in places if isinstance(place, dict) and isinstance(place.get("id"), str)]
        table = {**table, "venues": [*table.get("venues", []), *named]}
    try:
        return Rules.model_validate(table)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        found = [f"{path}: {rules_fault({**fault, 'loc': ('alarms', *fault['loc'])})}" for fault in faults]
        raise ProfileError(found) from error


def rules_fault(fault: Any) -> str:
    """What is wrong in the table `[alarms]`; the place in it, and what can be written there."""
    place = ".".join(str(step) for step in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"unknown key {place!r}; known are {', '.join(Rules.model_fields)}"
    # The address of a webhook is often a secret, and what is said here may end in a log.
    found = "" if "webhooks" in fault["loc"] else f" {fault['input']!r}"
    return f"{place}{found} cannot be used; {in_words(fault['msg'])}"


def _explain(fault: Any, origin: Mapping[str, str]) -> str:
    key = str(fault["loc"][0])
    if fault["type"] == "missing":
        return 'no broker is named; give --broker mqtts://host:8883, or broker = ["…"] in the profile'
    source = origin.get(key, key)
    if key == "alarms":
        return f"{source}: {rules_fault(fault)}"
    if fault["type"] == "extra_forbidden":
        return f"{source}: unknown key {key!r}; known are {', '.join(Settings.model_fields)}"
    wanted = {
        "broker": "write mqtts://host:8883, or mqtt://host:1883 in a lab",
        "show": "a show's name has lower-case letters, digits and hyphens",
        "root": "a topic without wildcards, such as framezero/v1",
        "operator": "a line of 1 to 64 characters, such as anna@control-hk",
    }.get(key, fault["msg"])
    return f"{source}: {key} {fault['input']!r} cannot be used; {wanted}"
