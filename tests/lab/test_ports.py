import socket
from pathlib import Path

import pytest

from agent.lab import ports


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_free_ports_are_different_and_free(kind: str) -> None:
    chosen = ports.free("tcp" if kind == "tcp" else "udp", 20)
    assert len(set(chosen)) == 20
    for port in chosen:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as one:
            one.bind(("127.0.0.1", port))


def test_a_port_in_use_is_never_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(ports, "_outside", lambda _: range(port, port + 1))
        assert ports.free("udp", 1) != [port]


def test_the_ports_that_the_kernel_hands_out_itself_are_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "range"
    monkeypatch.setattr(ports, "_EPHEMERAL", file)
    file.write_text("20000\t60999\n")
    assert all(10_000 <= port < 20_000 for port in ports.free("udp", 20))


@pytest.mark.parametrize("kernels", ["1024\t65535\n", "10500 60999", ""])
def test_where_the_kernel_leaves_too_few_its_own_choice_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernels: str
) -> None:
    file = tmp_path / "range"
    file.write_text(kernels)
    monkeypatch.setattr(ports, "_EPHEMERAL", file)
    assert len(set(ports.free("tcp", 3))) == 3
