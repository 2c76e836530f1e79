"""Looking at a player's host: unit, files, screen, disks, and what else runs. Each look is quick, none changes it."""

import contextlib
import grp
import os
import pwd
import stat
import subprocess
import time
import zoneinfo
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from Xlib import error as xerror

from agent import __version__
from agent.config import Config
from agent.host import Host, held_back_before
from agent.keyring import MAX_KEYS
from agent.localwire import Order
from agent.player.stage import StageError, open_display
from agent.technician import hereabouts, local, players
from agent.technician.films import stock_with_sound
from agent.technician.hosting import Facts, File, Screen, Unit

SYSTEMD = Path("/run/systemd/system")
"""There where systemd has booted the host (sd_booted(3))."""
ANSWER_S = 5.0
ETC = Path("/etc/framezero")
UPGRADES = "apt-daily-upgrade.service"
UPGRADER = Path("/usr/bin/unattended-upgrade")
TIME_DAEMONS = ("chrony", "systemd-timesyncd", "ntpsec", "ntp", "openntpd")
DEVICE_GROUPS = ("video", "render")
_ASKED = (
    "Id,LoadState,ActiveState,UnitFileState,NRestarts,ActiveEnterTimestampMonotonic,User,SupplementaryGroups,"
    "WatchdogUSec,LimitRTPRIO,DropInPaths"
)


def look(config: Config, file: Path) -> Facts:
    """Everything that can be told of the host of the agent that this file configures."""
    place = local.find(file, os.environ)
    name = unit_of(file)
    units = _units([*([name] if name else []), UPGRADES, *(f"{daemon}.service" for daemon in TIME_DAEMONS)])
    unit = _unit(units[name], name) if name in units else None
    user = unit.user if unit is not None and unit.loaded and unit.user else _own_name()
    reading = Host(config.cache.dir).read([])
    readonly, free_gb = _disk(config.state_dir)
    return Facts(
        user=user,
        unit=unit,
        installed=__version__,
        running=_running(place),
        lacking=_lacking(user, units[name].get("SupplementaryGroups", "")) if unit is not None and unit.loaded else (),
        files=tuple(_files(config, file, user)),
        screen=_screen(config),
        temp_c=reading.temp_c,
        held_back=reading.throttled,
        held_back_before=held_back_before(),
        state_dir=str(config.state_dir),
        state_readonly=readonly,
        state_free_gb=free_gb,
        worn=_worn(),
        log_is_kept=Path("/var/log/journal").is_dir() if units else None,
        upgrades_held=_held(units.get(UPGRADES, {})),
        time_daemons=_time_daemons(units),
        zone=_zone(hereabouts.zone(), config.timezone) if units else "",
        venue_zone=config.timezone,
        clocksource=_text(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        swap_on_card=tuple(_swap_on_card()),
        sound_cards=_sound_cards(),
        films_with_sound=tuple(stock_with_sound(config)),
        volume=config.display.volume,
    )


def unit_of(file: Path) -> str:
    """The unit whose agent runs with this file (see systemd/); '' where it is none of those places."""
    file = file.absolute()
    if file.name != "agent.toml":
        return ""
    if file.parent == ETC:
        return "framezero.service"
    return f"framezero@{file.parent.name}.service" if file.parent.parent == ETC else ""


# --- systemd --------------------------------------------------------------------------------------


def _units(names: list[str]) -> dict[str, dict[str, str]]:
    """What systemd says of these units, by their names; nothing where it is not the init of this host."""
    if not SYSTEMD.is_dir():
        return {}
    argv = ["systemctl", "show", "--property", _ASKED, "--", *names]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=ANSWER_S, check=False, errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if done.returncode:
        return {}
    # One block a unit, in their order: an alias has another Id than the name that was asked for.
    blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in done.stdout.split("\n\n")]
    return dict(zip(names, blocks, strict=False))


def _unit(said: Mapping[str, str], name: str) -> Unit:
    entered_us = _number(said.get("ActiveEnterTimestampMonotonic", ""))
    return Unit(
        name=name.removesuffix(".service"),
        loaded=said.get("LoadState") not in ("not-found", "bad-setting", "error"),
        enabled="masked" if said.get("LoadState") == "masked" else said.get("UnitFileState", ""),
        active=said.get("ActiveState", ""),
        restarts=_number(said.get("NRestarts", "")) or 0,
        started_s=time.monotonic() - entered_us / 1e6 if entered_us else None,
        user=said.get("User", ""),
        watchdog=said.get("WatchdogUSec", "") not in ("0", "infinity", ""),
        priority=_number(said.get("LimitRTPRIO", "")),
    )


def _time_daemons(units: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Those that run, each once: ntpsec's unit is also called ntp."""
    found: dict[str, str] = {}
    for name in TIME_DAEMONS:
        said = units.get(f"{name}.service", {})
        if said.get("ActiveState") == "active":
            found.setdefault(said.get("Id", name), name)
    return tuple(found.values())


def _held(said: Mapping[str, str]) -> bool | None:
    """Whether unattended upgrades ask first; None where there are none."""
    if not UPGRADER.exists() or said.get("LoadState") != "loaded":
        return None
    return "framezero" in said.get("DropInPaths", "")


def _running(place: local.Place | local.NoAnswer) -> str | None:
    """The version of the agent that answers at this place."""
    if isinstance(place, local.NoAnswer):
        return None
    answer = local.ask(place, Order(want="quiet"), ANSWER_S)
    return None if isinstance(answer, local.NoAnswer) else answer.agent


def _lacking(user: str, supplementary: str) -> tuple[str, ...]:
    """The groups of this host's devices that a user is not in."""
    with contextlib.suppress(KeyError, OSError):
        groups = {grp.getgrgid(number).gr_name for number in os.getgrouplist(user, pwd.getpwnam(user).pw_gid)}
        wanted = [*(DEVICE_GROUPS if Path("/dev/dri").exists() else ()), *(("audio",) if _sound_cards() else ())]
        return tuple(name for name in wanted if name not in {*groups, *supplementary.split()} and _exists(name))
    return ()


def _own_name() -> str:
    """Who we are; a container may run under a number that has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


def _exists(group: str) -> bool:
    try:
        grp.getgrnam(group)
    except KeyError:
        return False
    return True


# --- files ----------------------------------------------------------------------------------------


def _files(config: Config, file: Path, user: str) -> list[File]:
    broker = config.broker
    named = [
        (str(file), "the configuration", False),
        (broker.ca, "the authority's certificate", False),
        (broker.cert, "the venue's certificate", False),
        (broker.key, "the venue's key", False),  # that others may read it is the broker's part of the check
        (broker.password_file, "the password", True),
        (config.display.slate, "the slate", False),
        # As the agent's user it is the trust's part of the check that sees them.
        *((str(key), "a public key", False) for key in (_keys(config) if user != _own_name() else ())),
    ]
    return [seen for path, what, secret in named if path and (seen := _file(path, what, secret, user)) is not None]


def _keys(config: Config) -> list[Path]:
    try:
        return sorted(config.trust.keys.glob("[!.]*.toml"))[:MAX_KEYS] if config.trust.require else []
    except OSError:
        return []


def _file(path: str, what: str, secret: bool, user: str) -> File | None:
    """A file as it is for this user; None where we ourselves may not look."""
    try:
        facts = Path(path).stat()
    except FileNotFoundError:
        return File(path, what, there=False)
    except OSError:
        return None
    return File(path, what, True, _readable(Path(path), user), secret, bool(facts.st_mode & stat.S_IROTH))


def _readable(path: Path, user: str) -> bool | None:
    """Whether a user may read a file: itself, and the way there; by the mode, not by access lists (acl(5))."""
    try:
        if user == _own_name():
            return os.access(path, os.R_OK)
        who = pwd.getpwnam(user)
        if who.pw_uid == 0:
            return True
        groups = os.getgrouplist(user, who.pw_gid)
        way = [*path.resolve().parents]
        return _may(path.stat(), who.pw_uid, groups, 4) and all(_may(on.stat(), who.pw_uid, groups, 1) for on in way)
    except (OSError, KeyError):
        return None


def _may(facts: os.stat_result, uid: int, groups: list[int], bit: int) -> bool:
    """Whether the mode of something lets a user read (4) or enter (1) it."""
    shift = 6 if facts.st_uid == uid else 3 if facts.st_gid in groups else 0
    return bool(facts.st_mode >> shift & bit)


# --- the screen -----------------------------------------------------------------------------------


def _screen(config: Config) -> Screen | None:
    if config.display.output == "null":
        return None
    agents = players.agents(config.display)
    try:
        display = open_display(config.display.name)
    except StageError:
        return Screen(config.display.name, players=agents)
    try:
        saver_s = int(display.get_screen_saver().timeout)
        saves = False
        if display.has_extension("DPMS") and display.dpms_capable().capable:
            saves = bool(display.dpms_info().state)
        # Extended Window Manager Hints, "compositing managers": whoever composites owns this selection.
        atom = display.intern_atom(f"_NET_WM_CM_S{display.get_default_screen()}")
        composited = bool(display.get_selection_owner(atom))
        return Screen(config.display.name, saves, saver_s, composited, agents)
    except (xerror.XError, xerror.ConnectionClosedError, AttributeError):
        return Screen(config.display.name, players=agents)
    finally:
        display.close()


# --- disks and the machine ------------------------------------------------------------------------


def _disk(folder: Path) -> tuple[bool, float | None]:
    """Whether the disk of a folder is mounted read-only, and how much of it is free."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False, None  # it is not there yet, or not for us to see
    return bool(disk.f_flag & os.ST_RDONLY), disk.f_bavail * disk.f_frsize / 1e9


def _worn(sys: Path = Path("/sys")) -> int | None:
    """The wear of the most worn eMMC by its own word, 1 to 3; SD cards tell none (kernel: mmc-dev-attrs)."""
    told = [_number(_text(path), 16) for path in (sys / "block").glob("mmcblk*/device/pre_eol_info")]
    return max((wear for wear in told if wear), default=None)


def _swap_on_card(proc: Path = Path("/proc")) -> list[str]:
    found = []
    for line in _text(proc / "swaps").splitlines()[1:]:
        name = line.split()[0] if line.split() else ""
        if name.startswith("/dev/mmcblk") or (name.startswith("/") and _device_of(Path(name)).startswith("mmcblk")):
            found.append(name)
    return found


def _device_of(file: Path) -> str:
    """The block device that a file is on; '' where that cannot be told."""
    try:
        number = file.stat().st_dev
        return Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve(strict=True).name
    except OSError:
        return ""


def _zone(host: str, venue: str) -> str:
    """The host's time zone, by the venue's name where clocks show the same in both all year: Asia/Calcutta, Kolkata."""
    with contextlib.suppress(zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        first = [datetime(datetime.now(UTC).year, month, 1, 12, tzinfo=UTC) for month in range(1, 13)]
        ours, theirs = zoneinfo.ZoneInfo(host), zoneinfo.ZoneInfo(venue)
        if all(ours.utcoffset(at.astimezone(ours)) == theirs.utcoffset(at.astimezone(theirs)) for at in first):
            return venue
    return host


def _sound_cards() -> int | None:
    """How many ALSA cards there are; None where the kernel has no ALSA, as in most containers."""
    told = _text(Path("/proc/asound/cards"))
    if not told:
        return None
    return sum(line.lstrip()[:1].isdigit() for line in told.splitlines())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(text: str, base: int = 10) -> int | None:
    try:
        return int(text, base)
    except ValueError:
        return None
