"""From what was seen of a player's host to findings with the command that mends each: pure.

Whatever could not be told is None or empty, and no finding: a container, a lab or a laptop has no unit and
no card.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.technician.findings import Finding, Verdict
from agent.technician.words import count, listed, span

HOT_C = 80.0
"""A Raspberry Pi slows down from here on (Raspberry Pi documentation, frequency management)."""
LEAST_FREE_GB = 1.0
"""The journal of cues, the as-run book and the logs have to be written on the night, too."""
PLAYER_PRIORITY = 30
"""What the player asks for at most (agent/player/urgency.py)."""
RECENT_S = 3600.0
WORN = 2
"""eMMC tells 1 normal, 2 warning, 3 urgent (JESD84-B51, PRE_EOL_INFO)."""
POOR_SOURCES = ("hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit")
INSTALLER = "sudo framezero-install"


@dataclass(frozen=True, slots=True)
class Unit:
    """The agent's unit as systemd has it. `started_s`: how long ago it came up last; `priority`: LimitRTPRIO."""

    name: str
    loaded: bool = True
    enabled: str = "enabled"
    active: str = "active"
    restarts: int = 0
    started_s: float | None = None
    user: str = "framezero"
    watchdog: bool = True
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A file that the agent needs: is it there, may the agent's user read it, and may everybody."""

    path: str
    what: str
    there: bool
    readable: bool | None = None
    secret: bool = False
    open_to_all: bool = False


@dataclass(frozen=True, slots=True)
class Screen:
    """What may lay itself over films or switch a wall off."""

    name: str
    power_saving: bool = False
    saver_s: int = 0
    compositor: bool = False
    players: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was seen. `user` is whom the agent runs as here; `lacking` are groups that it is not in.

    `running` is the version of the agent that runs, `installed` that of this command. `zone` is the host's own, ''
    where not told. `held_back` is whether the processor is held back now, `held_back_before` whether it has been
    since it was switched on. `time_daemons` are those that run.
    """

    user: str
    unit: Unit | None = None
    installed: str = ""
    running: str | None = None
    lacking: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    screen: Screen | None = None
    temp_c: float | None = None
    held_back: bool | None = None
    held_back_before: bool | None = None
    state_dir: str = ""
    state_readonly: bool = False
    state_free_gb: float | None = None
    worn: int | None = None
    log_is_kept: bool | None = None
    upgrades_held: bool | None = None
    time_daemons: tuple[str, ...] = ()
    zone: str = ""
    venue_zone: str = ""
    clocksource: str = ""
    swap_on_card: tuple[str, ...] = ()
    sound_cards: int | None = None
    films_with_sound: tuple[str, ...] = field(default=())
    volume: int = 100


def judge(facts: Facts) -> list[Finding]:
    """Everything that is worth saying."""
    return [
        *_unit(facts),
        *_version(facts),
        *_files(facts),
        *_screen(facts.screen),
        *_machine(facts),
        *_disk(facts),
        *_time(facts),
        *_upkeep(facts),
        *_sound(facts),
    ]


def _found(area: str, verdict: Verdict, code: str, what: str, mend: str = "") -> Finding:
    return Finding(area, verdict, code, what, mend)


# --- the unit -------------------------------------------------------------------------------------


def _unit(facts: Facts) -> list[Finding]:
    unit = facts.unit
    if unit is None:
        return []
    if not unit.loaded:
        what = f"{unit.name} is not installed: nobody starts the agent after a power cut"
        return [_found("unit", "warning", "unit_absent", what, "sudo deploy/install, from a clone or a stick")]
    found = []
    if unit.enabled not in ("enabled", "enabled-runtime", "linked", "alias", "generated"):
        what = f"{unit.name} is {unit.enabled or 'not enabled'}: after a power cut nobody starts the agent"
        unmask = f"sudo systemctl unmask {unit.name}; " if unit.enabled == "masked" else ""
        found.append(_found("unit", "warning", "unit_disabled", what, f"{unmask}sudo systemctl enable {unit.name}"))
    if unit.active not in ("active", "activating", "reloading"):
        mend = f"sudo systemctl restart {unit.name}; sudo journalctl -u {unit.name} -n 50"
        found.append(_found("unit", "fault", "unit_inactive", f"{unit.name} is {unit.active}: no agent runs", mend))
    elif unit.restarts and unit.started_s is not None and unit.started_s < RECENT_S:
        what = f"the agent was started anew by systemd {span(unit.started_s * 1e6)} ago"
        what += f", for the {_ordinal(unit.restarts)} time"
        mend = f"sudo journalctl -u {unit.name} -p warning --since -2h"
        found.append(_found("unit", "warning", "unit_restarts", what, mend))
    if not unit.watchdog:
        what = f"{unit.name} has no watchdog: an agent that hangs is not started anew"
        found.append(_found("unit", "warning", "unit_watchdog", what, _set(unit, "WatchdogSec=15")))
    if unit.priority is not None and unit.priority < PLAYER_PRIORITY:
        what = f"{unit.name} allows no real-time scheduling (LimitRTPRIO={unit.priority}): starts are less exact"
        found.append(_found("unit", "warning", "unit_realtime", what, _set(unit, "LimitRTPRIO=50")))
    if unit.user in ("", "root"):
        what = "the agent runs as root, which it has no need of"
        found.append(_found("unit", "warning", "unit_root", what, _set(unit, "User=framezero")))
    if facts.lacking:
        what = f"{unit.user} is not in {listed(facts.lacking, 'and so', 'and so')} has no right to those devices"
        mend = f"sudo usermod -aG {','.join(facts.lacking)} {unit.user}; sudo systemctl restart {unit.name}"
        found.append(_found("unit", "warning", "groups", what, mend))
    if not found:
        found.append(_found("unit", "ok", "unit", f"{unit.name} is {unit.enabled} and {unit.active}, as {unit.user}"))
    return found


def _set(unit: Unit, line: str) -> str:
    """Lines of one's own count after those of all other files, whichever of them is to blame (systemd.unit(5))."""
    return (
        f"systemctl cat {unit.name}; sudo systemctl edit {unit.name}, and write [Service] and {line} into it; "
        f"sudo systemctl restart {unit.name}"
    )


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _version(facts: Facts) -> list[Finding]:
    if facts.running is None or facts.running == facts.installed:
        return []
    what = f"the agent that runs is framezero {facts.running}, and installed is {facts.installed}"
    mend = f"in a pause of the show: sudo systemctl restart {facts.unit.name if facts.unit else 'framezero'}"
    return [_found("agent", "warning", "agent_version", what, mend)]


# --- files ----------------------------------------------------------------------------------------


def _files(facts: Facts) -> list[Finding]:
    found = []
    for file in facts.files:
        if not file.there:
            what = f"{file.path} is not there: {file.what} that agent.toml names"
            found.append(
                _found("files", "fault", "file_absent", what, f"put it there, or mend agent.toml: ls -l {file.path}")
            )
        elif file.readable is False:
            what = f"{file.path} ({file.what}) cannot be read by {facts.user}, whom the agent runs as"
            mend = f"sudo chgrp {facts.user} {file.path}; sudo chmod 640 {file.path}; namei -l {file.path}"
            found.append(_found("files", "fault", "file_denied", what, mend))
        if file.secret and file.open_to_all:
            what = f"everybody on this machine can read {file.path} ({file.what})"
            found.append(_found("files", "warning", "file_open", what, f"sudo chmod o= {file.path}"))
    return found


# --- the screen -----------------------------------------------------------------------------------


def _screen(screen: Screen | None) -> list[Finding]:
    if screen is None:
        return []
    found = []
    if screen.power_saving:
        what = f"{screen.name} switches the wall off when nobody moves a mouse (DPMS)"
        found.append(
            _found(
                "display", "warning", "display_dpms", what, f"sudo DISPLAY={screen.name} xset -dpms; or framezero-kiosk"
            )
        )
    if screen.saver_s and screen.players:
        what = f"{screen.name} blanks the wall after {screen.saver_s} s (screen saver), although the agent has it off"
        mend = f"sudo DISPLAY={screen.name} xset s off; then find what sets it: a desktop's session has no place here"
        found.append(_found("display", "warning", "display_saver", what, mend))
    if screen.compositor:
        what = f"a compositor draws {screen.name}: films come a refresh later, and not always the same"
        mend = "sudo systemctl enable --now framezero-kiosk (a bare X server); or end the desktop's compositor"
        found.append(_found("display", "warning", "display_compositor", what, mend))
    if screen.players > 1:
        what = f"{screen.players} agents play on {screen.name}, one over the other"
        mend = "pgrep -af 'agent --config'; stop all but one: sudo systemctl stop framezero, or kill it"
        found.append(_found("display", "fault", "display_shared", what, mend))
    return found


# --- the machine ----------------------------------------------------------------------------------


def _machine(facts: Facts) -> list[Finding]:
    found = []
    supply = "give it its own power supply (Pi 5: 27 W) and a short cable, and cool it; vcgencmd get_throttled"
    if facts.held_back:
        what = "the processor is held back, by too little voltage or too much heat"
        found.append(_found("host", "warning", "throttled", what, supply))
    elif facts.held_back_before:
        what = "since it was switched on the processor has been held back, by too little voltage or too much heat"
        found.append(_found("host", "warning", "throttled_before", what, supply))
    if facts.temp_c is not None and facts.temp_c >= HOT_C:
        what = f"the processor is at {facts.temp_c:.0f} °C, and slows down"
        found.append(_found("host", "warning", "hot", what, "see to its fan, its air and the sun on it"))
    if facts.clocksource in POOR_SOURCES:
        what = f"the kernel counts by {facts.clocksource}, slow and coarse: it gave up the processor's counter"
        mend = "sudo journalctl -k -g 'clocksource|tsc'; update the BIOS; until then clock.wander_ppm = 3"
        found.append(_found("host", "warning", "clocksource", what, mend))
    if facts.swap_on_card:
        what = f"memory is swapped to the card ({', '.join(facts.swap_on_card)}): frames wait for it, and it wears out"
        mend = "sudo swapoff -a; sudo systemctl disable --now dphys-swapfile, or take it out of /etc/fstab"
        found.append(_found("host", "warning", "swap", what, mend))
    return found


def _disk(facts: Facts) -> list[Finding]:
    found = []
    if facts.state_readonly:
        what = f"{facts.state_dir} is on a disk that is mounted read-only: no cue outlives a restart"
        remount = f'sudo mount -o remount,rw "$(findmnt -no TARGET -T {facts.state_dir})"'
        mend = f"sudo journalctl -k -g 'ext4|mmc|I/O error'; {remount}; or another card"
        found.append(_found("host", "fault", "state_readonly", what, mend))
    if facts.state_free_gb is not None and facts.state_free_gb < LEAST_FREE_GB:
        what = f"{facts.state_free_gb:.1f} GB are free on the disk of {facts.state_dir}"
        mend = "sudo journalctl --vacuum-size=200M; sudo apt-get clean; sudo du -xh -d2 / | sort -h | tail"
        found.append(_found("host", "fault", "state_full", what, mend))
    if facts.worn is not None and facts.worn >= WORN:
        what = f"the card says that it is {'all but worn out' if facts.worn > WORN else 'wearing out'}"
        found.append(
            _found("host", "warning", "card_worn", what, "copy the player onto another one: deploy/runbook.md")
        )
    return found


# --- time, and what keeps a host going ------------------------------------------------------------


def _time(facts: Facts) -> list[Finding]:
    found = []
    if len(facts.time_daemons) > 1:
        what = f"{' and '.join(facts.time_daemons)} set this host's clock at once, and undo each other's work"
        spare = [name for name in facts.time_daemons if name != "chrony"] or list(facts.time_daemons[1:])
        mend = f"sudo systemctl disable --now {' '.join(spare)}"
        found.append(_found("host", "warning", "time_daemons", what, mend))
    if facts.zone and facts.venue_zone and facts.zone not in ("UTC", "Etc/UTC", facts.venue_zone):
        what = f"the host lives in {facts.zone}, the venue in {facts.venue_zone}: times in the log mislead"
        found.append(_found("host", "warning", "zone", what, f"sudo timedatectl set-timezone {facts.venue_zone}"))
    return found


def _upkeep(facts: Facts) -> list[Finding]:
    found = []
    if facts.log_is_kept is False:
        what = "the log is lost with each restart of the host, which is when it is asked for"
        mend = f"{INSTALLER}; or: sudo mkdir -p /var/log/journal; sudo systemctl restart systemd-journald"
        found.append(_found("host", "warning", "log_volatile", what, mend))
    if facts.upgrades_held is False:
        what = "unattended-upgrades may replace the X server or libmpv in the middle of a show"
        found.append(_found("host", "warning", "upgrades", what, f"{INSTALLER} holds them during shows"))
    return found


def _sound(facts: Facts) -> list[Finding]:
    if facts.sound_cards != 0 or not facts.volume or not facts.films_with_sound:
        return []
    what = (
        f"{count(len(facts.films_with_sound), 'film')} with sound ({_few(facts.films_with_sound)}), and no sound device"
    )
    return [_found("host", "warning", "sound", what, "aplay -l; or display.volume = 0 where the wall has none")]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:2]) + (" …" if len(names) > 2 else "")
