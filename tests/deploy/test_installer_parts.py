"""Parts of deploy/install by themselves, run on folders of the test's: nothing of this machine is changed."""

import subprocess
from pathlib import Path

import pytest

PARTS = Path(__file__).parents[2] / "deploy" / "installer"
SOURCED = "".join(f". {PARTS}/{part}.sh; " for part in ("common", "system", "version", "units", "switch"))


def bash(folder: Path, script: str, status: int = 0) -> str:
    """What a script prints that has the installer's parts, and `folder` for all that they would write."""
    places = (
        f"CONFIG={folder}/etc STATE=/state SWITCH={folder}/switch FILES={folder}/files LOG={folder}/log WORK={folder} "
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{SOURCED}{places}; {script}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ('venue = "a"\nstate_dir = "/srv/framezero/the state"\n', "/srv/framezero/the state"),
        ('venue = "a"\n', "/state"),
        ("not TOML at all", "/state"),
        (None, "/state"),
    ],
    ids=["named", "not named", "broken", "absent"],
)
def test_the_state_that_is_saved_is_the_one_that_the_agent_has(tmp_path: Path, config: str | None, place: str) -> None:
    (tmp_path / "etc" / "left").mkdir(parents=True)
    if config is not None:
        (tmp_path / "etc" / "agent.toml").write_text(config)
        (tmp_path / "etc" / "left" / "agent.toml").write_text(config)
    assert bash(tmp_path, "state_of framezero.service") == place
    assert bash(tmp_path, "state_of framezero@left.service") == (f"{place}/left" if place == "/state" else place)


def test_what_was_noted_last_counts_and_a_full_disk_spoils_nothing(tmp_path: Path) -> None:
    assert bash(tmp_path, "note from=a to=b phase=asked; note phase=trying; noted phase; noted to") == "trying\nb"
    assert bash(tmp_path, "sync() { return 1; }; note phase=back || noted phase; noted from") == "trying\na"


@pytest.mark.parametrize(
    ("status", "said"),
    [(1, "would interrupt the show. framezero@left.service: tonight"), (3, "nobody can tell whether a cue runs")],
    ids=["in a show", "does not answer"],
)
def test_one_of_several_players_in_a_show_holds_all_of_them(tmp_path: Path, status: int, said: str) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "framezero"
    program.write_text(f'#!/bin/sh\ncase "$*" in *"--for 60m --config "*/left/*) echo tonight; exit {status};; esac\n')
    program.chmod(0o755)
    ask = f"running_players() {{ printf 'framezero@%s.service\\n' right left; }}; CURRENT={tmp_path}; ask_show it"
    told = bash(tmp_path, f"FORCE=0; {ask} 2>&1", status=1)
    assert said in told
    assert "right" not in told
    assert "--force was given" in bash(tmp_path, f"FORCE=1; {ask}")
    program.write_text("#!/bin/sh\n")
    assert bash(tmp_path, f"FORCE=0; {ask}; echo asked") == "asked"


@pytest.mark.parametrize("before", [True, False], ids=["a damaged one", "none"])
def test_a_version_that_cannot_be_made_leaves_what_was_there(tmp_path: Path, before: bool) -> None:
    place = tmp_path / "versions" / "1-a"
    if before:
        (place / "share" / "framezero").mkdir(parents=True)
        (place / "share" / "framezero" / "whole").touch()
    stubs = 'logged() { if [[ $* == *venv* ]]; then mkdir -p "${@: -1}"; else false; fi; }; renice() { :; }; '
    names = f"PREFIX={tmp_path} VERSIONS={tmp_path}/versions CURRENT=/none ROOT={tmp_path} ID=1-a WHEEL=1.whl "
    names += "PIP_QUIET=() PIP_FROM=() PIP_HINT=hint"
    said = bash(tmp_path, f"{stubs}{names}; trap unmake_version EXIT; prepare_version", status=1)
    assert "pip install 1.whl" in said
    assert [path.name for path in (tmp_path / "versions").iterdir()] == (["1-a"] if before else [])
    assert (place / "share" / "framezero" / "whole").exists() is before


@pytest.mark.parametrize(
    ("phase", "boot", "then"),
    [
        ("asked", "$(cat /proc/sys/kernel/random/boot_id)", "try_it"),
        ("asked", "another", "end_switch"),
        ("trying", "another", "go_back"),
        ("back", "another", "go_back"),
        ("good", "another", "accept"),
    ],
    ids=["asked for", "power cut before anything was done", "broken off", "way back broken off", "all but the note"],
)
def test_what_is_found_half_done_is_undone(tmp_path: Path, phase: str, boot: str, then: str) -> None:
    told = "".join(f"{name}() {{ echo {name}; }}; " for name in ("try_it", "end_switch", "go_back", "accept"))
    note = f'note from=1-a to=2-b wait_s=60 phase=asked boot="{boot}" "players=framezero.service "; note phase={phase}'
    assert bash(tmp_path, f"{told}{note}; carry_out") == then


def test_the_way_back_starts_the_players_though_no_unit_can_be_written(tmp_path: Path) -> None:
    quiet = "".join(
        f"{name}() {{ :; }}; " for name in ("keep_run", "stop_players", "make_readable", "link", "end_switch")
    )
    broken = "place_units() { echo no room; false; echo and on; }; start_and_judge() { echo started; }; "
    names = f"PREVIOUS=/none VERSIONS={tmp_path}/versions FROM=1-a TO=2-b WHY=why WAIT_S=60"
    said = bash(tmp_path, f"{quiet}{broken}{names}; go_back", status=1)
    assert "no room\nstarted" in said
    assert "1-a runs again" in said


@pytest.mark.parametrize(
    ("target", "enabled", "returns"),
    [("graphical", "true", "yes"), ("multi-user", "true", "no"), ("graphical", "false", "no")],
    ids=["a desktop", "one that is not started", "none"],
)
def test_a_desktop_that_would_take_the_screen_is_seen(tmp_path: Path, target: str, enabled: str, returns: str) -> None:
    systemctl = f"systemctl() {{ if [[ $1 == get-default ]]; then echo {target}.target; else {enabled}; fi; }}"
    assert bash(tmp_path, f"{systemctl}; if desktop_returns; then echo yes; else echo no; fi") == returns


def test_a_command_of_somebody_elses_is_known_from_ours(tmp_path: Path) -> None:
    (tmp_path / "ours").symlink_to("/opt/framezero/current/bin/framezero")
    (tmp_path / "linked").symlink_to("/home/somebody/framezero")
    (tmp_path / "file").touch()
    script = f"for name in none ours linked file; do if ours {tmp_path}/$name; then echo $name; fi; done"
    assert bash(tmp_path, script).split() == ["none", "ours"]


def test_a_log_that_takes_no_more_ends_nothing(tmp_path: Path) -> None:
    assert bash(tmp_path, "LOG=/dev/full; say stopping; say starting").count("\n") == 1
    assert bash(tmp_path, "say nobody hears this >/dev/full; echo 'and it goes on'") == "and it goes on"


def test_units_of_another_version_go_with_their_folders_and_whoever_was_there_stays(tmp_path: Path) -> None:
    for version, units in (("1", ("a.service", "b.service.d/c.conf")), ("2", ("a.service",))):
        for unit in units:
            file = tmp_path / version / "systemd" / unit
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"# of {version}\n")
        switch = tmp_path / version / "deploy" / "installer" / "framezero-switch.service"
        switch.parent.mkdir(parents=True)
        switch.touch()
    script = f"SYSTEMD={tmp_path}/systemd; booted() {{ false; }}; place_units {tmp_path}/"
    bash(tmp_path, f"{script}1")
    (tmp_path / "systemd" / "system" / "administrators.service").touch()
    bash(tmp_path, f"{script}2")
    left = {str(path.relative_to(tmp_path / "systemd" / "system")) for path in (tmp_path / "systemd").rglob("*")} - {
        "."
    }
    assert left == {"a.service", "framezero-switch.service", "administrators.service"}
    assert (tmp_path / "systemd" / "system" / "a.service").read_text() == "# of 2\n"
