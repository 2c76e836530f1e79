"""What check says of the figures for a monitoring system."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from brokers import free_port

from agent.config import Config, Metrics, parse
from agent.technician import monitoring

LEAST = {
    "venue": "tokyo",
    "show": "s",
    "timezone": "Asia/Tokyo",
    "state_dir": "/nowhere",
    "broker": {"urls": ["mqtt://127.0.0.1:1"]},
    "clock": {"servers": ["ntp.example"]},
    "cache": {"dir": "/nowhere"},
}


def config(**settings: str) -> Config:
    return parse({**LEAST, "metrics": settings}, "test")


@contextmanager
def answering(text: bytes) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(text)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


def only(found: Config) -> tuple[str, str, str]:
    [finding] = monitoring.look(found)
    return finding.verdict, finding.what, finding.mend


def test_nothing_configured_is_nothing_to_say() -> None:
    assert config().metrics == Metrics() and monitoring.look(config()) == []


def test_an_address_that_is_free_and_one_that_is_of_another_host() -> None:
    verdict, what, _ = only(config(listen=f"127.0.0.1:{free_port()}"))
    assert (verdict, "is free" in what) == ("ok", True)
    verdict, what, mend = only(config(listen="192.0.2.1:9460"))
    assert verdict == "warning" and "192.0.2.1:9460" in what and mend


@pytest.mark.parametrize(
    ("said", "verdict", "what"),
    [
        (b'HTTP/1.1 200 OK\r\n\r\nframezero_build_info{venue="tokyo",version="1"} 1.0\n', "ok", "serves its figures"),
        (b'HTTP/1.1 200 OK\r\n\r\nframezero_build_info{venue="osaka"} 1.0\n', "warning", "taken by another"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "warning", "nothing readable comes from there"),
    ],
)
def test_who_answers_there(said: bytes, verdict: str, what: str) -> None:
    with answering(said) as port:
        found = only(config(listen=f"127.0.0.1:{port}"))
    assert (found[0], what in found[1]) == (verdict, True), found


def test_a_file_and_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "there" / "framezero.prom"
    verdict, what, mend = only(config(textfile=str(path)))
    assert (verdict, "there is no folder" in what, "mkdir" in mend) == ("warning", True, True)
    path.parent.mkdir()
    assert only(config(textfile=str(path)))[0] == "ok"
    path.write_text("")
    assert "are in" in only(config(textfile=str(path)))[1]
    os.utime(path, (1.0, 1.0))
    verdict, what, mend = only(config(textfile=str(path)))
    assert (verdict, "s old" in what, "systemctl restart" in mend) == ("warning", True, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_folder_that_this_user_may_not_look_into_is_a_finding_and_no_traceback(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o000)
    assert only(config(textfile=str(locked / "there/framezero.prom")))[0] == "warning"
