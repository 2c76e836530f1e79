"""agent.toml: strict, all faults at once, environment over file.

Names, defaults and meanings are a contract with technicians: adding is free, renaming is not.
"""

import contextlib
import difflib
import ipaddress
import json
import re
import reprlib
import tomllib
import types
import typing
import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from agent.messages import Name, in_words
from agent.player.profile import AUTO, decoder_name
from agent.player.refresh import parse_mode
from agent.printable import printable

ENV_PREFIX = "FRAMEZERO_"
SKEW = "FRAMEZERO_SKEW"
"""How wrong the clock of a tester's container is (`agent.lab.city`): no setting, and seen by every command there."""

_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<name>[^:\[\]]+)(?=:))(?::(?P<port>\d+))?")


class ConfigError(Exception):
    """The configuration cannot be used; `faults` says every reason, one line each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _one_venue(name: str) -> str:
    if name == "all":
        raise ValueError("'all' means every venue (ask/all); choose another name")
    return name


def _zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a directory such as 'Asia'
        raise ValueError(f"{name!r} is no time zone of this host; use a name such as Asia/Tokyo") from error
    return name


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if text and not (host and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} is not an address such as 127.0.0.1:1123")
    return text


def _is_name(host: str) -> bool:
    try:
        return bool(host.encode("idna")) and "\0" not in host
    except UnicodeError:  # an empty label, or one that is too long: no resolver is asked with it
        return False


def host_and_port(text: str) -> tuple[str, int]:
    """Read `127.0.0.1:9460`, `[::1]:9460` or `name:9460`. Raises ValueError with the remedy."""
    match = _HOST_PORT.fullmatch(text)
    port = int(match["port"]) if match and match["port"] else 0
    if match is None or not 0 < port < 65536 or not _is_name(match["v6"] or match["name"]):
        raise ValueError(f"{text!r} is not an address such as 127.0.0.1:9460 or [::1]:9460")
    return match["v6"] or match["name"], port


def _listen(text: str) -> str:
    if text:
        host_and_port(text)
    return text


def _textfile(path: Path | None) -> Path | None:
    if path is not None and (path.suffix != ".prom" or not path.is_absolute() or "\0" in str(path)):
        raise ValueError("node_exporter reads files that end in .prom; write the whole path of one")
    return path


def _mode(text: str) -> str:
    parse_mode(text)
    return text


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _shown_as_it_is(cls, value: Any) -> Any:
        """No name, path or address has a control character: the kernel takes no NUL, and a terminal obeys the rest."""
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and printable(text, len(text)) != text:
                raise ValueError("holds a character that cannot be shown; write it without")
        return value


class Broker(_Table):
    """The cue channel: every broker is connected to at once."""

    urls: Annotated[list[Annotated[str, StringConstraints(pattern=r"^mqtts?://[^/\s]+$")]], Field(min_length=1)]
    root: Annotated[str, StringConstraints(pattern=r"^[^/#+\s]+(/[^/#+\s]+)*$")] = "framezero/v1"
    ca: str = ""
    cert: str = ""
    key: str = ""
    username: str = ""
    password_file: str = ""


class NtpServer(_Table):
    """One time source. `ours` allows fast polling; `smear` says that it smears leap seconds."""

    host: Annotated[str, StringConstraints(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 123
    ours: bool = False
    smear: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"host": value} if isinstance(value, str) else value

    @field_validator("host")
    @classmethod
    def _without_port(cls, host: str) -> str:
        """A port in the name would be taken for a part of it, and DNS blamed; an IPv6 address has colons of its own."""
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(host)
            return host
        if match := _HOST_PORT.fullmatch(host):
            port = f", port = {match['port']}" if match["port"] else ""
            raise ValueError(f'write {{ host = "{match["v6"] or match["name"]}"{port} }} instead')
        if ":" in host or "[" in host:
            raise ValueError(f"{host!r} is neither a name nor an address")
        return host


class Clock(_Table):
    """Where UTC comes from and how good it has to be.

    `chrony`: let this host's chronyd, where one runs, vote as one more source. `wander_ppm`: by how much the crystal
    may wander while nobody is heard; by default what is usual for the hardware.
    """

    servers: Annotated[list[NtpServer], Field(min_length=1)]
    ready_error_ms: Annotated[float, Field(gt=0)] = 30
    show_error_ms: Annotated[float, Field(gt=0)] = 500
    correction_ms: float = 0.0
    listen: Annotated[str, AfterValidator(_address)] = ""
    chrony: bool = True
    wander_ppm: Annotated[float, Field(gt=0, le=100)] | None = None

    @field_validator("servers")
    @classmethod
    def _each_once(cls, servers: list[NtpServer]) -> list[NtpServer]:
        names = [f"{server.host}:{server.port}" for server in servers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} stands twice; each server has one vote")
        smearing = [server.host for server in servers if server.smear]
        if smearing and len(smearing) < len(servers):
            raise ValueError(
                f"only {', '.join(smearing)} smear leap seconds, and so would contradict the others for a day; "
                f"name servers of one kind"
            )
        return servers


class Display(_Table):
    """The wall. `mode` is what the technician has set: framezero sets no modes, and takes the refresh rate from it."""

    output: Literal["x11", "null"] = "x11"
    name: str = ":0"
    mode: Annotated[str, AfterValidator(_mode)] = ""
    region: Annotated[str, StringConstraints(pattern=r"^(|\d+,\d+,\d+,\d+)$")] = ""
    fit: Literal["contain", "cover", "stretch"] = "contain"
    rotate: Literal[0, 90, 180, 270] = 0
    latency_ms: Annotated[float, Field(ge=0, le=1000)] = 0.0
    decoder: Annotated[str, AfterValidator(decoder_name)] = AUTO
    volume: Annotated[int, Field(ge=0, le=100)] = 100
    slate: str = ""


class Cache(_Table):
    """The films on disk."""

    dir: Path
    quota_gb: Annotated[float, Field(gt=0)] = 200
    reserve_gb: Annotated[float, Field(ge=0)] = 5
    rate_mbps: Annotated[float, Field(ge=0)] = 0


class Trust(_Table):
    """Whose cues count."""

    keys: Path = Path("/etc/framezero/keys")
    threshold: Annotated[int, Field(ge=1)] = 1
    require: bool = True


class Metrics(_Table):
    """Figures for a monitoring system: `listen` for Prometheus, `textfile` for node_exporter's textfile collector."""

    listen: Annotated[str, AfterValidator(_listen)] = ""
    textfile: Annotated[Path | None, AfterValidator(_textfile)] = None


class Config(_Table):
    """One venue's agent."""

    venue: Annotated[Name, AfterValidator(_one_venue)]
    groups: list[Name] = []
    show: Name
    timezone: Annotated[str, AfterValidator(_zone)]
    state_dir: Path
    broker: Broker
    clock: Clock
    display: Display = Display()
    cache: Cache
    trust: Trust = Trust()
    metrics: Metrics = Metrics()


CREDENTIALS = {
    "framezero.venue.pem": "FRAMEZERO_BROKER__CERT",
    "framezero.venue.key": "FRAMEZERO_BROKER__KEY",
    "framezero.broker.password": "FRAMEZERO_BROKER__PASSWORD_FILE",
}
"""What systemd may hand over as a credential (systemd.exec(5), LoadCredential=), and the key that it stands for."""


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read agent.toml, over it the credentials that systemd has for us, and `FRAMEZERO_<TABLE>__<KEY>` over both.

    Raises ConfigError with all faults at once.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror}); name another file with --config"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError([f"{path}: not TOML: {error}"]) from error
    return parse(tree, str(path), {**_credentials(environ.get("CREDENTIALS_DIRECTORY", "")), **environ})


def _credentials(folder: str) -> dict[str, str]:
    held = {variable: Path(folder, name) for name, variable in CREDENTIALS.items()} if folder else {}
    return {variable: str(file) for variable, file in held.items() if file.exists()}


def parse(tree: dict[str, Any], source: str, environ: Mapping[str, str] | None = None) -> Config:
    """Check a configuration that is already a tree; `source` names it in the faults of what `environ` did not set."""
    origins = _overlay(tree, environ or {})
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        found = error.errors(include_url=False)
        faults = [f"{_origin(fault['loc'], origins) or source}: {_fault(fault)}" for fault in found]
        raise ConfigError(faults) from error


def _fault(fault: Any) -> str:
    path = tuple(fault["loc"])
    field = ".".join(str(step) for step in path)
    if fault["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(path[-1]), _known_keys(path[:-1]), n=1)
        hint = f"did you mean {close[0]!r}?" if close else "remove it"
        return f"{field}: unknown key; {hint}"
    if fault["type"] == "missing":
        return f"{field}: is missing; add it"
    return f"{field}: {in_words(fault['msg'])} (found {reprlib.repr(fault['input'])})"


def _known_keys(path: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = Config
    for step in path:
        if isinstance(step, int):
            continue
        model = _model_in(model.model_fields[step].annotation) or Config
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    return next((found for arg in typing.get_args(annotation) if (found := _model_in(arg))), None)


def _origin(place: tuple[int | str, ...], origins: dict[tuple[str, ...], str]) -> str | None:
    """The environment variable that a faulty value comes from, if it comes from one."""
    return next((name for path, name in origins.items() if place[: len(path)] == path), None)


def _overlay(tree: dict[str, Any], environ: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """Lay `FRAMEZERO_BROKER__URLS='["mqtt://…"]'` and the like over what the file says; returns what came whence."""
    origins: dict[tuple[str, ...], str] = {}
    for variable, text in environ.items():
        # FRAMEZERO_CONTROL__… configures the operator's commands, not the agent.
        if not variable.startswith(ENV_PREFIX) or variable.startswith(f"{ENV_PREFIX}CONTROL__") or variable == SKEW:
            continue
        *tables, key = variable.removeprefix(ENV_PREFIX).lower().split("__")
        place = tree
        for table in tables:
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                raise ConfigError([f"{variable}: {table} is not a table"])
        try:
            place[key] = json.loads(text)
        except (ValueError, RecursionError):
            place[key] = text
        origins[*tables, key] = variable
    return origins
