"""`framezero setup` as a technician types it: asked, unattended, interrupted; and what it leaves on the disk."""

import grp
import json
import os
import re
import signal
import stat
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from brokers import Mosquitto
from terminal import Terminal
from test_json_shapes import SHAPES
from typer.testing import CliRunner, Result

from agent import config
from agent.control import signing
from agent.lab import timeservers
from agent.lab.processes import Processes
from agent.technician import hereabouts, placing, setup_cli
from agent.technician.placing import CannotPlaceError
from agent.technician.questions import Here
from agent.technician.setup_cli import next_step

NEEDED = ["--venue", "paris", "--show", "s", "--timezone", "Europe/Paris", "--broker", "cue-a.example"]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that says nothing of itself, so that this machine's screens and name are in no answer."""

    def look(folder: Path, films: Path) -> Here:
        return Here(
            "", "", str(folder), frozenset(path.name for path in folder.iterdir()) if folder.exists() else frozenset()
        )

    monkeypatch.setattr(hereabouts, "look", look)


def setup(file: Path, *words: str, typed: Sequence[str] | None = None, trying: str = "--no-try") -> Result:
    """What `framezero setup` does, in this process; without `typed` answers nobody is asked."""
    app = typer.Typer()
    app.command()(setup_cli.setup)
    yes = ["--yes"] if typed is None else []
    done = CliRunner().invoke(
        app, ["--config", str(file), trying, *yes, *words], input="".join(f"{line}\n" for line in typed or [])
    )
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def test_a_player_is_set_up_by_answering_and_wrong_answers_are_asked_again(tmp_path: Path) -> None:
    signing.make("alice", "show", tmp_path / "stick")
    file = tmp_path / "etc" / "agent.toml"
    typed = [
        "Paris!",
        "paris",
        "",
        "s",
        "eu, @fr",
        "Paris",
        "Europe/Paris",
        "cue-a.example",
        "",
        "",
        "",
        "",
        "",
    ]
    typed += ["10.0.0.1 hours", "10.0.0.1 ours", "", "50 Hz", "1920x1080@50", "", "45", "90", "", "", "200", "", ""]
    typed += [str(tmp_path / "stick" / "alice.key"), str(tmp_path / "stick"), "2", "y"]
    done = setup(file, typed=typed)
    assert done.exit_code == 0, done.output
    for words in (
        "lower-case letters",
        "no time zone",
        "put commas",
        "1920x1080@60",
        "0, 90, 180 or 270",
        "private key",
    ):
        assert words in done.output, done.output
    found = config.load(file, {})
    assert (found.venue, found.show, found.groups) == ("paris", "s", ["eu", "fr"])
    assert [(server.host, server.ours) for server in found.clock.servers] == [("10.0.0.1", True)]
    assert (found.display.mode, found.display.rotate, found.trust.threshold) == ("1920x1080@50", 90, 2)
    assert found.broker.cert == str(tmp_path / "etc" / "venue.pem") and found.broker.urls == [
        "mqtts://cue-a.example:8883"
    ]
    assert [path.name for path in found.trust.keys.iterdir()] == ["alice.toml"]
    assert f"next: framezero check --config {file}" in done.output
    assert stat.S_IMODE(file.stat().st_mode) in (0o640, 0o644)
    assert sorted(path.name for path in file.parent.iterdir()) == ["agent.toml", "keys"], "no temporary file is left"


def test_a_second_run_changes_one_thing_shows_it_and_keeps_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    assert setup(file, *NEEDED).exit_code == 0
    before = file.read_text()
    done = setup(file, "--latency-ms", "33.3", typed=[*[""] * 21, "n"])
    assert done.exit_code == 1 and "+latency_ms = 33.3" in done.output and "nothing was written" in done.output
    assert file.read_text() == before and list(tmp_path.iterdir()) == [file]
    done = setup(file, "--latency-ms", "33.3")
    changed = [line for line in done.output.splitlines() if re.match(r"[+-][^+-]", line)]
    assert [line.split("#")[0].strip() for line in changed] == ["-latency_ms = 0.0", "+latency_ms = 33.3"]
    [backup] = [path for path in tmp_path.iterdir() if path != file]
    assert backup.read_text() == before and str(backup) in done.output
    assert config.load(file, {}).display.latency_ms == 33.3
    done = setup(file)
    assert done.exit_code == 0 and "nothing to change" in done.output and len(list(tmp_path.iterdir())) == 2


def test_unattended_it_names_the_options_that_it_lacks(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    done = setup(file, "--json")
    assert done.exit_code == 2 and not file.exists()
    assert "needs --venue, --show, --timezone, --broker" in json.loads(done.stdout)["detail"]
    done = setup(file, *NEEDED, "--json")
    told = json.loads(done.stdout)
    assert told == {
        "exit": 0,
        "detail": "",
        "file": str(file),
        "written": True,
        "backup": None,
        "keys": [],
        "findings": [],
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--latency-ms", "much"], "--latency-ms: 'much' is no number"),
        (["--timezone", "Mars"], "--timezone: 'Mars' is no time zone"),
        (["--identity", "none", "--cert", "/c.pem"], "--cert cannot be used with --identity none"),
        (["--copy-keys", "/nowhere"], "--copy-keys: /nowhere cannot be read"),
        (["--cache-dir", "/\udcff"], "--cache-dir: holds a character that cannot be shown"),
        (["--display", "\x1b[2J"], "--display: holds a character that cannot be shown"),
    ],
)
def test_an_option_that_cannot_stand_is_named(tmp_path: Path, words: list[str], said: str) -> None:
    done = setup(tmp_path / "agent.toml", *NEEDED, *words)
    assert done.exit_code == 2 and said in done.output and list(tmp_path.iterdir()) == []


def test_options_alone_say_how_a_venue_proves_who_it_is(tmp_path: Path) -> None:
    assert setup(tmp_path / "a.toml", *NEEDED, "--username", "u").exit_code == 0
    broker = config.load(tmp_path / "a.toml", {}).broker
    assert (broker.username, broker.password_file, broker.cert) == ("u", str(tmp_path / "password"), "")
    assert setup(tmp_path / "b.toml", *NEEDED, "--cert", "/c.pem").exit_code == 0
    assert config.load(tmp_path / "b.toml", {}).broker.cert == "/c.pem"


def test_a_file_that_is_there_and_unsound_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    for text, words in (
        ("venue = ", "not TOML"),
        ("venu = 'x'", "did you mean 'venue'"),
        ("[display]\nvolume = 999", "volume"),
    ):
        file.write_text(text)
        done = setup(file, *NEEDED)
        assert done.exit_code == 2 and words in done.output and file.read_text() == text, done.output


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    done = setup(tmp_path / "agent.toml", typed=[])
    assert done.exit_code == 2 and "sudo framezero setup" in done.output and "Venue" not in done.output
    monkeypatch.undo()
    (tmp_path / "file").write_text("")
    assert "is no folder" in str(placing.refusal(tmp_path / "file" / "agent.toml"))
    assert "is a folder" in str(placing.refusal(tmp_path))


def test_whoever_may_not_even_look_there_is_sent_to_sudo(tmp_path: Path) -> None:
    """As anybody without sudo: /etc/framezero is for root and the agent alone."""
    (tmp_path / "etc").mkdir(mode=0)
    us = os.geteuid()
    if us == 0:
        os.seteuid(65534)
    try:
        said = placing.refusal(tmp_path / "etc" / "agent.toml")
    finally:
        os.seteuid(us)
    assert "sudo framezero setup" in str(said)


def test_what_no_answer_mends_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text("venu = 'x'\n[display]\nvolume = 999\n")
    done = setup(file, typed=[])
    assert done.exit_code == 2 and "Venue" not in done.output
    assert "did you mean 'venue'" in done.output and "volume" in done.output and "mend that first" in done.output


def test_what_stands_there_and_cannot_be_taken_is_not_offered(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(
        "venue = 'v'\n[broker]\nurls = 5\n[clock]\nservers = 5\n[display]\nname = '\\u001b[31m'".replace("'", '"')
    )
    done = setup(file, typed=["", "s", "", "UTC", "b", "", "", "ntp1.example", ":0", *[""] * 11, "y"])
    assert done.exit_code == 0, done.output
    assert done.output.count("what stands there cannot be taken") == 3 and "\x1b" not in done.output
    assert config.load(file, {}).display.name == ":0"


def test_keys_are_named_before_they_are_trusted_and_what_they_replace(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        signing.make("alice", "show", tmp_path / folder)
    (tmp_path / "one" / "._alice.toml").write_bytes(b"\0what a Mac leaves on a stick")
    file = tmp_path / "etc" / "agent.toml"
    assert "place of another" not in setup(file, *NEEDED, "--copy-keys", str(tmp_path / "one")).output
    words = [*NEEDED, "--copy-keys", str(tmp_path / "two")]
    with_questions = setup(file, *words, typed=[*[""] * 17, "n"])
    assert with_questions.exit_code == 1 and "trusts alice (show, " in with_questions.output
    assert "in place of another key of that name" in with_questions.output
    assert (tmp_path / "etc" / "keys" / "alice.toml").read_bytes() == (tmp_path / "one" / "alice.toml").read_bytes()


def test_the_next_step_makes_what_was_written_count(tmp_path: Path) -> None:
    assert next_step(setup_cli.CONFIG, anew=False).startswith("sudo systemctl enable --now framezero, then sudo")
    assert "sudo systemctl restart framezero," in next_step(setup_cli.CONFIG, anew=True)
    left = Path("/etc/framezero/left/agent.toml")
    assert "restart framezero@left, then sudo framezero check --config /etc" in next_step(left, anew=True)
    assert next_step(tmp_path / "a.toml", anew=True) == f"framezero check --config {tmp_path / 'a.toml'}"


def test_the_file_is_for_root_and_the_agents_group_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grp, "getgrnam", lambda _name: grp.getgrgid(os.getgid()))
    signing.make("alice", "show", tmp_path / "stick")
    assert setup(tmp_path / "agent.toml", *NEEDED, "--copy-keys", str(tmp_path / "stick")).exit_code == 0
    assert stat.S_IMODE((tmp_path / "agent.toml").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "keys" / "alice.toml").stat().st_mode) == 0o644, "what is public"
    assert setup(tmp_path / "agent.toml", "--latency-ms", "9").exit_code == 0
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("agent.toml*")} == {0o640}


def test_answers_that_end_leave_nothing(tmp_path: Path) -> None:
    done = setup(tmp_path / "etc" / "agent.toml", typed=["paris", "s"])
    assert done.exit_code == 130 and "nothing was written" in done.output and list(tmp_path.iterdir()) == []


async def test_ctrl_c_in_a_terminal_leaves_nothing(tmp_path: Path) -> None:
    terminal = Terminal(["setup", "--config", str(tmp_path / "etc" / "agent.toml")], columns=80)
    await terminal.shows("Venue")
    terminal.press("paris\r")
    await terminal.shows("Show")
    terminal.process.send_signal(signal.SIGINT)
    assert await terminal.ended() == 130 and "nothing was written" in terminal.said
    terminal.close()
    assert os.listdir(tmp_path) == []  # noqa: PTH208  the linter takes Path's for slow


def test_what_would_not_be_taken_is_not_put_into_place(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text("before")
    with pytest.raises(CannotPlaceError, match="nothing was changed"):
        placing.place(file, 'venue = "x"\n', datetime(2025, 6, 2, tzinfo=UTC))
    assert file.read_text() == "before" and list(tmp_path.iterdir()) == [file]


def test_only_public_keys_are_copied(tmp_path: Path) -> None:
    signing.make("alice", "show", tmp_path)
    good = placing.public_keys([str(tmp_path)])
    assert isinstance(good, list) and [key.name for key in good] == ["alice.toml"]
    (tmp_path / "odd.toml").write_text("name = 5")
    assert "odd.toml" in str(placing.public_keys([str(tmp_path)]))
    (tmp_path / "odd.toml").write_bytes((tmp_path / "alice.key").read_bytes())
    assert "is a private key" in str(placing.public_keys([str(tmp_path / "odd.toml")]))
    (tmp_path / "empty").mkdir()
    assert "holds no .toml" in str(placing.public_keys([str(tmp_path / "empty")]))


@pytest.mark.needs("chronyd")
def test_what_was_answered_is_tried_for_real(tmp_path: Path, processes: Processes, mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    (server,) = timeservers.start(processes, 1, tmp_path / "ntp")
    words = [*NEEDED[:-1], mosquitto.url, "--time-server", f"127.0.0.1:{server.port} ours", "--display", ":4711"]
    words += ["--cache-dir", str(tmp_path / "films"), "--state-dir", str(tmp_path / "state"), "--json"]
    done = setup(tmp_path / "agent.toml", *words, trying="--try")
    told = json.loads(done.stdout)
    verdicts = {finding["code"]: finding["verdict"] for finding in told["findings"]}
    assert verdicts["sync"] == verdicts["serves"] == "ok" and verdicts["display_absent"] == "fault"
    assert verdicts["key_file"] == "fault", "nobody is trusted yet"
    assert told.keys() == SHAPES["setup"].keys()
    assert all(finding.keys() == SHAPES["setup"]["findings"] for finding in told["findings"])
    assert told["written"], "a display that comes later is no reason to write nothing"
    argv = [sys.executable, "-m", "agent.cli", "check", "--short", "--json", "--config", str(tmp_path / "agent.toml")]
    checked = json.loads(subprocess.run(argv, capture_output=True, text=True, check=False).stdout)
    assert any(finding["code"] == "configuration" and finding["verdict"] == "ok" for finding in checked["findings"])
    assert tomllib.loads((tmp_path / "agent.toml").read_text())["venue"] == "paris"
