"""deploy/kiosk and deploy/quiet as the units run them; the kiosk's X server is an Xvfb."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.lab.processes import Processes, find, read_line

CLONE = Path(__file__).parents[2]
KIOSK = CLONE / "deploy" / "kiosk"
QUIET = CLONE / "deploy" / "quiet"
START_S = 15.0
LET_IN = "localuser:root being added to access control list\nlocaluser:nobody being added to access control list\n"

pytestmark = pytest.mark.needs("Xvfb", "xset", "xhost", "xrandr")
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can try as another user: run the tests as root")

Done = subprocess.CompletedProcess[str]


def script(file: Path, *words: str, **environ: str) -> Done:
    env = {**os.environ, **environ}
    return subprocess.run([file, *words], env=env, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An X server that lets in who has the cookie; the environment that `kiosk` has in its unit."""
    cookie = tmp_path / "cookie"
    assert script(KIOSK, "cookie", XAUTHORITY=str(cookie)).returncode == 0
    with Processes(tmp_path / "logs") as processes:
        reading, writing = os.pipe()
        options = ["-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset", "-auth", str(cookie)]
        processes.start("xvfb", [find("Xvfb"), "-displayfd", str(writing), *options], pass_fds=[writing])
        os.close(writing)
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            number = read_line(pipe, START_S).strip().decode()
        processes.leaves(Path(f"/tmp/.X11-unix/X{number}"))
        yield {"DISPLAY": f":{number}", "XAUTHORITY": str(cookie), "KIOSK_USER": "nobody", "KIOSK_CONFIG": "/none"}


def lets_in(server: dict[str, str], user: str) -> bool:
    """Whether this user, without the cookie, may draw there."""
    env = {**os.environ, "DISPLAY": server["DISPLAY"], "XAUTHORITY": "/nonexistent"}
    argv = ["setpriv", "--reuid", user, "--clear-groups", "xset", "q"]
    return subprocess.run(argv, env=env, capture_output=True, check=False, timeout=20).returncode == 0


@root
def test_only_root_and_the_agents_user_are_let_in(server: dict[str, str]) -> None:
    assert not lets_in(server, "nobody")
    assert script(KIOSK, "ready", **server).returncode == 0
    assert lets_in(server, "nobody")
    assert lets_in(server, "root")
    assert not lets_in(server, "daemon")


def test_nothing_blanks_the_wall(server: dict[str, str]) -> None:
    env = {**os.environ, **server}
    subprocess.run(["xset", "s", "600", "600"], env=env, check=True, timeout=20)
    assert script(KIOSK, "ready", **server).returncode == 0
    told = subprocess.run(["xset", "q"], env=env, check=True, capture_output=True, text=True, timeout=20).stdout
    assert "timeout:  0" in told
    assert "prefer blanking:  no" in told
    assert "DPMS is Enabled" not in told


def test_the_mode_is_that_of_the_agents_configuration_or_of_its_own(server: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text('[display]\nmode = "640x480"\n')
    done = script(KIOSK, "ready", **{**server, "KIOSK_CONFIG": str(config)})
    assert (done.returncode, done.stdout) == (0, f"{LET_IN}kiosk: screen is set to 640x480\n")
    refused = script(KIOSK, "ready", **{**server, "KIOSK_CONFIG": str(config), "KIOSK_MODE": "1920x1080@50"})
    assert refused.returncode == 1
    assert "screen has no mode 1920x1080@50: choose one of the above as display.mode in agent.toml" in refused.stderr
    assert "640x480" in refused.stderr, "those that it has"


def test_a_server_that_does_not_come_up_is_named(tmp_path: Path) -> None:
    quick = tmp_path / "kiosk"
    quick.write_text(KIOSK.read_text().replace("WAIT_S=15", "WAIT_S=1"))
    quick.chmod(0o755)
    refused = script(quick, "ready", DISPLAY=":4713")
    assert (refused.returncode, refused.stderr) == (1, "kiosk: no X server answers at :4713 within 1 s\n")


@pytest.mark.parametrize("words", [[], ["dance"]])
def test_what_it_cannot_do_is_refused(words: list[str]) -> None:
    assert script(KIOSK, *words).returncode == 1


def framezero(folder: Path, answers: dict[str, int]) -> str:
    """A framezero that answers `local quiet --config FILE` with these statuses; a PATH with it."""
    cases = "".join(f"*/{name}) exit {status};;\n" for name, status in answers.items())
    program = folder / "framezero"
    program.write_text(
        f'#!/bin/bash\n[[ "$*" == "local quiet --for 2h --config "* ]] || exit 99\ncase $6 in\n{cases}esac\n'
    )
    program.chmod(0o755)
    for name in answers:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ({}, 0),
        ({"agent.toml": 0}, 0),
        ({"agent.toml": 1}, 1),
        ({"left/agent.toml": 0, "right/agent.toml": 1}, 1),
        ({"agent.toml": 2}, 1),
    ],
    ids=["no player here", "quiet", "in use", "one of several is", "cannot be asked"],
)
def test_upgrades_wait_for_every_player_of_the_host(tmp_path: Path, answers: dict[str, int], status: int) -> None:
    path = framezero(tmp_path, answers)
    done = script(QUIET, "2h", PATH=path, FRAMEZERO_ETC=str(tmp_path))
    assert done.returncode == status
    assert ("held: " in done.stderr) is bool(status)
