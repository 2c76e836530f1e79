"""Looking at this very host: what systemd, X and the kernel tell, and that a host without them is no riddle."""

import grp
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

import pytest
from makers import item_body, program_body
from Xlib import display as xdisplay

from agent import __version__
from agent.config import Config, Display, parse
from agent.effects import KeepProgram
from agent.host import held_back_before
from agent.journal import Journal
from agent.lab import displays
from agent.lab.processes import Processes
from agent.localwire import Order, Reply
from agent.player.wire import Screen
from agent.technician import hostlook, local, players
from agent.technician.films import stock_with_sound


def config(folder: Path, **more: Any) -> Config:
    tree: dict[str, Any] = {
        "venue": "paris",
        "show": "s",
        "timezone": "Europe/Paris",
        "state_dir": str(folder / "state"),
        "broker": {"urls": ["mqtt://127.0.0.1"]},
        "clock": {"servers": ["127.0.0.1"]},
        "cache": {"dir": str(folder)},
        "display": {"output": "null"},
    }
    return parse({**tree, **more}, "agent.toml")


def systemd_says(monkeypatch: pytest.MonkeyPatch, folder: Path, **blocks: str) -> list[list[str]]:
    """A host with systemd, which says this of units by their beginnings; returns what it is asked."""
    asked: list[list[str]] = []

    def run(argv: list[str], **_how: Any) -> subprocess.CompletedProcess[str]:
        asked.append(argv)
        names = argv[argv.index("--") + 1 :]
        told = [blocks.get(name.partition(".")[0].replace("-", "_"), "LoadState=not-found") for name in names]
        return subprocess.CompletedProcess(argv, 0, "\n\n".join(told), "")

    monkeypatch.setattr(hostlook, "SYSTEMD", folder)
    monkeypatch.setattr(subprocess, "run", run)
    return asked


GOOD = (
    "Id=framezero.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNRestarts=3\n"
    "ActiveEnterTimestampMonotonic=1000000\nUser=root\nSupplementaryGroups=\nWatchdogUSec=20s\nLimitRTPRIO=50"
)


def test_what_systemd_says_of_the_players_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chrony = "LoadState=loaded\nActiveState=active"
    asked = systemd_says(monkeypatch, tmp_path, framezero=GOOD, chrony=chrony)
    facts = hostlook.look(config(tmp_path), Path("/etc/framezero/agent.toml"))
    unit = facts.unit
    assert unit is not None and "framezero.service" in asked[0]
    assert (unit.name, unit.loaded, unit.enabled, unit.active, unit.restarts) == (
        "framezero",
        True,
        "enabled",
        "active",
        3,
    )
    assert (unit.user, unit.watchdog, unit.priority) == ("root", True, 50) and unit.started_s is not None
    assert facts.time_daemons == ("chrony",) and facts.user == "root" and facts.installed == __version__
    hostlook.look(config(tmp_path), Path("/etc/framezero/left/agent.toml"))
    assert "framezero@left.service" in asked[-1]


def test_a_configuration_elsewhere_has_no_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = systemd_says(monkeypatch, tmp_path, framezero=GOOD)
    assert hostlook.look(config(tmp_path), tmp_path / "agent.toml").unit is None
    assert not any("framezero" in word for word in asked[0])


def test_a_host_without_systemd_has_nothing_to_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostlook, "SYSTEMD", tmp_path / "absent")
    facts = hostlook.look(config(tmp_path), Path("/etc/framezero/agent.toml"))
    assert (facts.unit, facts.log_is_kept, facts.upgrades_held, facts.time_daemons, facts.zone) == (
        None,
        None,
        None,
        (),
        "",
    )


def test_a_systemctl_that_fails_has_nothing_to_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: list[str], **_how: Any) -> Any:
        raise subprocess.TimeoutExpired(argv, 5)

    monkeypatch.setattr(hostlook, "SYSTEMD", tmp_path)
    monkeypatch.setattr(subprocess, "run", run)
    assert hostlook.look(config(tmp_path), Path("/etc/framezero/agent.toml")).unit is None


def test_a_systemctl_that_refuses_is_believed_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostlook, "SYSTEMD", tmp_path)
    monkeypatch.setattr(subprocess, "run", lambda argv, **_: subprocess.CompletedProcess(argv, 1, GOOD, "no bus"))
    assert hostlook.look(config(tmp_path), Path("/etc/framezero/agent.toml")).unit is None


@pytest.mark.parametrize(("state", "loaded"), [("not-found", False), ("bad-setting", False), ("masked", True)])
def test_a_unit_that_is_not_there_is_told_from_one_that_is_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, loaded: bool
) -> None:
    systemd_says(monkeypatch, tmp_path, framezero=f"Id=framezero.service\nLoadState={state}\nActiveState=inactive")
    unit = hostlook.look(config(tmp_path), Path("/etc/framezero/agent.toml")).unit
    assert unit is not None and (unit.loaded, unit.enabled) == (loaded, "masked" if loaded else "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_is_read_by_the_agents_user_by_its_mode_its_group_and_the_way_there(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    here = tmp_path / "etc"
    here.mkdir(mode=0o755)
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(0o755)
    file = here / "venue.key"
    file.write_text("")

    def readable() -> bool | None:
        seen = hostlook._file(str(file), "the key", True, "nobody")
        assert seen is not None
        return seen.readable

    file.chmod(0o600)
    assert readable() is False
    file.chmod(0o640)
    os.chown(file, 0, nobody.pw_gid)
    assert readable() is True
    here.chmod(0o700)
    assert readable() is False, "the way there is closed"
    here.chmod(0o755)
    os.chown(file, nobody.pw_uid, 0)
    file.chmod(0o040)
    assert readable() is False, "the owner's bits count for the owner, whatever others may"
    absent = hostlook._file(str(here / "absent"), "it", False, "nobody")
    assert absent is not None and not absent.there
    assert hostlook._readable(file, "nobody-of-this-host") is None and grp.getgrgid(0)


@pytest.mark.needs("Xvfb")
def test_a_screen_tells_of_blanking_and_of_compositors(tmp_path: Path, processes: Processes) -> None:
    (wall,) = displays.start(processes, ["a"], (320, 180), tmp_path / "displays")
    seen = hostlook._screen(config(tmp_path, display={"name": wall.name}))
    assert seen is not None and (seen.compositor, seen.power_saving, seen.players) == (False, False, 0)
    desktop = xdisplay.Display(wall.name)
    window = desktop.screen().root.create_window(0, 0, 1, 1, 0, desktop.screen().root_depth)
    window.set_selection_owner(desktop.intern_atom("_NET_WM_CM_S0"), 0)
    desktop.set_screen_saver(77, 0, 1, 1)
    desktop.sync()
    seen = hostlook._screen(config(tmp_path, display={"name": wall.name}))
    desktop.close()
    assert seen is not None and (seen.compositor, seen.saver_s) == (True, 77)
    absent = hostlook._screen(config(tmp_path, display={"name": ":4711"}))
    assert absent is not None and not absent.compositor
    assert hostlook._screen(config(tmp_path)) is None


def test_agents_on_one_display_are_counted_by_their_parents(tmp_path: Path) -> None:
    def process(pid: int, parent: int, name: str) -> None:
        folder = tmp_path / str(pid)
        folder.mkdir()
        screen = Screen(
            output="x11",
            name=name,
            region="",
            fit="contain",
            rotate=0,
            latency_us=0,
            decoder="auto",
            volume=0,
            slate="",
        )
        words = [b"python3", b"-m", players.MODULE, screen.model_dump_json().encode()]
        (folder / "cmdline").write_bytes(b"\0".join(words) + b"\0")
        (folder / "stat").write_text(f"{pid} (python3 (x)) S {parent} 1 1 0")

    display = Display(name=":0")
    assert players.agents(display, tmp_path) == 0
    process(10, 5, ":0")
    process(11, 5, ":0")
    process(12, 6, ":1")
    assert players.agents(display, tmp_path) == 1
    process(13, 7, ":0")
    assert players.agents(display, tmp_path) == 2
    for pid, namespace in (("self", "pid:[1]"), ("13", "pid:[2]"), ("11", "pid:[1]")):
        (tmp_path / pid / "ns").mkdir(parents=True)
        (tmp_path / pid / "ns" / "pid").symlink_to(namespace)
    assert players.agents(display, tmp_path) == 1, "a container's display :0 is another one"


def test_the_kernels_word_on_cards_swap_and_voltage(tmp_path: Path) -> None:
    assert hostlook._worn(tmp_path) is None and hostlook._swap_on_card(tmp_path) == []
    for card, wear in (("mmcblk0", "0x01"), ("mmcblk1", "0x03")):
        (tmp_path / "block" / card / "device").mkdir(parents=True)
        (tmp_path / "block" / card / "device" / "pre_eol_info").write_text(wear + "\n")
    assert hostlook._worn(tmp_path) == 3
    (tmp_path / "swaps").write_text("Filename Type\n/dev/mmcblk0p3 partition 1\n/dev/zram0 partition 1\n")
    assert hostlook._swap_on_card(tmp_path) == ["/dev/mmcblk0p3"]
    assert held_back_before(tmp_path) is None
    firmware = tmp_path / "devices/platform/soc/soc:firmware"
    firmware.mkdir(parents=True)
    for flags, before in (("50000", True), ("5", False), ("0", False)):
        (firmware / "get_throttled").write_text(flags)
        assert held_back_before(tmp_path) is before


def test_films_have_sound_here_by_their_program_or_by_this_venues_encode(tmp_path: Path) -> None:
    silent = {"paris": {"sha256": "b" * 64, "size": 1, "width": 2, "height": 2, "urls": ["http://x/b"], "sound": False}}
    items = [
        item_body("a", sound=True),
        item_body("c", sound=False),
        item_body("d", sound=True, variants=silent),
    ]
    journal = Journal.open(tmp_path / "state")
    assert isinstance(journal, Journal)
    journal.keep(KeepProgram("reel", 1, program_body(items, show="s")))
    assert [name.split(".")[0] for name in stock_with_sound(config(tmp_path))] == ["a"]
    assert stock_with_sound(config(tmp_path, show="other")) == []
    journal.close()
    assert stock_with_sound(config(tmp_path / "nowhere")) == []


def test_the_running_agents_version_is_asked_for_at_its_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = local.Place((tmp_path / "local.sock",), tmp_path, "framezero")
    asked: list[str] = []

    def ask(_place: local.Place, order: Order, _seconds: float) -> Reply | local.NoAnswer:
        asked.append(order.want)
        return Reply(venue="paris", timezone="UTC", time=None, agent="0.0.9")

    monkeypatch.setattr(local, "ask", ask)
    assert hostlook._running(place) == "0.0.9" and asked == ["quiet"], "what is asked for changes nothing"
    assert hostlook._running(local.NoAnswer("absent", "no agent runs here")) is None
    monkeypatch.setattr(local, "ask", lambda *_words: local.NoAnswer("silent", "it hangs"))
    assert hostlook._running(place) is None


def test_a_user_without_a_name_is_no_riddle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    file = tmp_path / "agent.toml"
    file.write_text("")
    facts = hostlook.look(config(tmp_path), file)
    assert facts.user == "user 54321" and [seen.readable for seen in facts.files] == [True]


def test_a_unit_is_known_by_the_file_that_it_reads_and_by_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hostlook.unit_of(Path("/etc/framezero/agent.toml")) == "framezero.service"
    assert hostlook.unit_of(Path("/etc/framezero/left/agent.toml")) == "framezero@left.service"
    assert hostlook.unit_of(Path("/etc/framezero/draft.toml")) == hostlook.unit_of(Path("/srv/agent.toml")) == ""
    monkeypatch.setattr(os, "getcwd", lambda: "/etc/framezero")
    assert hostlook.unit_of(Path("agent.toml")) == "framezero.service"


def test_one_time_daemon_of_two_names_is_one() -> None:
    ntpsec = {"Id": "ntpsec.service", "ActiveState": "active"}
    assert hostlook._time_daemons({"ntpsec.service": ntpsec, "ntp.service": ntpsec}) == ("ntpsec",)
    chrony = {"Id": "chrony.service", "ActiveState": "active"}
    assert hostlook._time_daemons({"ntp.service": ntpsec, "chrony.service": chrony}) == ("chrony", "ntp")


def test_keys_are_among_the_files_that_the_agent_has_to_read(tmp_path: Path) -> None:
    """Root, who checks, reads them whatever their mode is."""
    (tmp_path / "keys").mkdir()
    for name in ("alice.toml", ".bob.toml", "carol.key"):
        (tmp_path / "keys" / name).write_text("")
    named = config(tmp_path, trust={"keys": str(tmp_path / "keys")})
    files = [file for file in hostlook._files(named, tmp_path / "agent.toml", "nobody") if "/keys/" in file.path]
    assert [Path(file.path).name for file in files] == ["alice.toml"] and files[0].readable is False
    unsigned = config(tmp_path, trust={"keys": str(tmp_path / "keys"), "require": False})
    assert not [file for file in hostlook._files(unsigned, tmp_path / "agent.toml", "nobody") if "/keys/" in file.path]


def test_zones_of_one_time_are_one() -> None:
    assert hostlook._zone("Asia/Calcutta", "Asia/Kolkata") == "Asia/Kolkata"
    assert hostlook._zone("Europe/Berlin", "Europe/Paris") == "Europe/Paris"
    assert hostlook._zone("Europe/London", "Europe/Paris") == "Europe/London"
    assert hostlook._zone("Africa/Lagos", "Europe/Paris") == "Africa/Lagos", "the same in winter is not the same"
    assert hostlook._zone("", "Asia/Tokyo") == "" and hostlook._zone("No/Where", "Asia/Tokyo") == "No/Where"


def test_upgrades_are_held_by_a_file_of_ours_where_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = "/usr/local/lib/systemd/system/apt-daily-upgrade.service.d/framezero.conf"
    monkeypatch.setattr(hostlook, "UPGRADER", tmp_path)
    assert hostlook._held({"LoadState": "loaded", "DropInPaths": ours}) is True
    assert hostlook._held({"LoadState": "loaded", "DropInPaths": ""}) is False
    assert hostlook._held({"LoadState": "masked", "DropInPaths": ""}) is None
    monkeypatch.setattr(hostlook, "UPGRADER", tmp_path / "absent")
    assert hostlook._held({"LoadState": "loaded", "DropInPaths": ""}) is None
