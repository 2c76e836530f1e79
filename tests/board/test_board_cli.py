"""The command: what it refuses before it opens, what it prints, and how it ends."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from agent.board import cli
from agent.board.tokens import Tokens

NOWHERE = ("--broker", "mqtt://127.0.0.1:1", "--show", "demo")
ENVIRON = {**os.environ, "HOME": "/nonexistent"}


def board(*arguments: str, nobody: bool = True) -> Result:
    """The command in this process: each of its own would take seconds to begin."""
    app = typer.Typer()
    app.command()(cli.board)
    environ = {"HOME": "/nonexistent", "COLUMNS": "300"}
    return CliRunner().invoke(app, [*(NOWHERE if nobody else ()), *arguments], env=environ)


@contextmanager
def open_board(*arguments: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    argv = [sys.executable, "-m", "agent.cli", "board", *NOWHERE, "--json", "--port", "0", *arguments]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRON)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline()), process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_opens_without_a_broker_tells_its_addresses_once_and_ends_when_it_is_told_to(number: signal.Signals) -> None:
    with open_board() as (told, process):
        assert told["operator"].startswith(f"http://127.0.0.1:{told['port']}/?token=")
        assert told["guest"] != told["operator"]
        assert any("no key" in warning for warning in told["warnings"])
        with urllib.request.urlopen(told["guest"], timeout=30) as answer:  # it listens before the page is made
            assert answer.status == 200
        process.send_signal(number)
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_what_cannot_be_is_refused_in_words_before_anything_is_opened(tmp_path: Path) -> None:
    odd = tmp_path / "odd.token"
    odd.write_text("short\n")
    odd.chmod(0o600)
    seen = tmp_path / "seen.token"
    seen.write_text("operator-token-0123456789\n")
    seen.chmod(0o644)
    dry = tmp_path / "dry.toml"
    dry.write_text('show = "demo"\n[[cue]]\nid = "1"\nname = "dark"\naction = "black"\n')
    no_show = tmp_path / "show.toml"
    no_show.write_text("[[cue]]\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for arguments, said in (
            (("--port", str(taken.getsockname()[1])), "does a board run there already?"),
            (("--host", "192.0.2.1", "--port", "0"), "an address of this computer"),
            (("--token-file", str(odd)), "too short"),
            (("--token-file", str(seen)), "chmod 600"),
            (("--token-file", str(tmp_path)), "--token-file"),
            (("--pictures", "often"), "--pictures"),
            (("--pictures", "500ms"), "at most"),
            (("--tls-cert", str(odd)), "go together"),
            (("--tls-cert", str(odd), "--tls-key", str(odd)), "a certificate and its own key"),
            (("--show-file", str(no_show)), "show"),
            (("--rehearse",), "give it with --show-file"),
            (("--rehearse", "--show-file", str(dry)), "has no [rehearsal]"),
            (("--show-file", str(tmp_path / "none.toml")), "cannot be read"),
        ):
            run = board(*arguments)
            assert run.exit_code == 2 and said in run.stderr, (arguments, run.output, run.exception)
    assert "no broker is named" in board(nobody=False).stderr


def test_tokens_are_drawn_into_a_file_that_nobody_else_reads_and_stay(tmp_path: Path) -> None:
    file = tmp_path / "board.token"
    first = cli._tokens(file, read_only=False)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(first.operator) >= 32 and first.operator != first.guest
    assert cli._tokens(file, read_only=False) == first
    assert cli._tokens(file, read_only=True) == Tokens("", first.guest)
    assert cli._tokens(None, read_only=False) != cli._tokens(None, read_only=False)


@pytest.mark.parametrize(
    ("host", "near"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("desk", False)]
)
def test_what_is_only_for_this_computer(host: str, near: bool) -> None:
    assert cli._loopback(host) is near
