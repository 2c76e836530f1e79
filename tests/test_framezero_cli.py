import subprocess
import sys

import pytest

from agent import __version__


def framezero(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "agent.cli", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_help_names_every_command() -> None:
    said = framezero("--help").stdout
    assert all(command in said for command in ("agent", "publish", "cue", "status", "lab"))


@pytest.mark.parametrize(
    "command",
    [
        ("agent",),
        ("publish",),
        ("status",),
        ("cue", "play"),
        ("cue", "stop"),
        ("cue", "black"),
        ("lab", "run"),
        ("lab", "up"),
        ("lab", "report"),
    ],
)
def test_every_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    done = framezero(*command, "--help")
    assert done.returncode == 0
    assert "Example: framezero " + " ".join(command) in " ".join(done.stdout.split())


def test_version() -> None:
    assert framezero("--version").stdout == f"framezero {__version__}\n"


def test_a_part_that_is_not_installed_is_named_with_the_extra_that_brings_it() -> None:
    code = "import sys; sys.modules['ntplib'] = None; sys.argv = ['framezero', 'agent', '--config', 'x']; "
    done = subprocess.run(
        [sys.executable, "-c", code + "from agent.cli import main; main()"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'framezero[agent]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_operators_part_needs_neither_player_nor_lab() -> None:
    block = (
        "import sys; sys.modules.update(dict.fromkeys(['mpv', 'ntplib', 'aiohttp', 'Xlib', 'numpy', 'matplotlib'])); "
    )
    code = block + "sys.argv = ['framezero', 'cue', '--help']; from agent.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
