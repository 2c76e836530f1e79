import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from agent import __version__
from agent.cli import PARTS, tree


def framezero(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "agent.cli", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environ})


def commands(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, *path, name) if hasattr(child, "commands") else [((*path, name), child)]


EVERY = dict(commands(tree("")))
NO_JSON = {
    ("agent",): "runs until it is told to end, and logs JSON lines by itself",
    ("lab", "up"): "runs until it is told to end, and leaves lab.json",
}


def test_help_names_every_command() -> None:
    said = framezero("--help").stdout
    assert all(path[0] in said for path in EVERY)
    assert {path[0] for path in EVERY} == {"agent", *(name for part in PARTS for name in part.commands)}


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_command_says_what_it_does_gives_an_example_and_serves_scripts(path: tuple[str, ...]) -> None:
    command = EVERY[path]
    first = (command.help or "").split("\n")[0]
    assert first.endswith(".") and len(first) < 160, first
    assert f"framezero {' '.join(path)}" in (command.epilog or ""), "an example that can be copied"
    assert (command.epilog or "").startswith("Example"), command.epilog
    options = {word: option for option in command.params for word in option.opts if word.startswith("--")}
    assert all(option.help for option in options.values()), [word for word, one in options.items() if not one.help]
    assert ("--json" in options) != (path in NO_JSON), "a script wants it"


def test_help_fills_the_window_however_wide_it_is() -> None:
    for columns in ("80", "160"):
        said = framezero("check", "--help", COLUMNS=columns).stdout.splitlines()
        whole = [line for line in said if line.startswith(" Where the agent runs")]
        assert len(whole) == 1 and len(whole[0].rstrip()) > int(columns) - 20, whole
        assert any("Example: framezero check" in line for line in said)


def test_completion_is_offered_and_knows_every_part() -> None:
    assert "--install-completion" in framezero("--help").stdout
    asked = {"_FRAMEZERO_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    code = "import sys; sys.argv = ['framezero']; from agent.cli import main; main()"
    for words, wanted in (("framezero ide", "identify"), ("framezero che", "check"), ("framezero la", "lab")):
        environ = {**os.environ, **asked, "COMP_WORDS": words}
        done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
        assert done.stdout.split() == [wanted], done


def test_a_mistyped_command_is_named_back_whoever_it_is_for() -> None:
    for typed, meant in (("stauts", "status"), ("chek", "check"), ("la", "lab")):
        done = framezero(typed)
        assert (done.returncode, f"'{meant}'" in done.stderr) == (2, True), done.stderr


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
    for words in (["cue", "--help"], ["--help"], ["--version"]):
        code = block + f"sys.argv = ['framezero', *{words}]; from agent.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert ("pip install 'framezero[agent]'" in done.stdout) == (words == ["--help"])
