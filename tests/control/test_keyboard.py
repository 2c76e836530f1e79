import pytest

from agent.control.keyboard import keys_in


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b" ", ["space"]),
        (b"py", ["p", "y"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1bOA", ["up"]),
        (b"\x1b", ["escape"]),
        (b"\x1b[5~h", ["page up", "h"]),
        (b"\x1b[1;5A", []),  # a key that means nothing here
        (b"\xc3\xa9", []),
        (b"\x00\x01", []),
        (b"\r", ["enter"]),
        (b"\x1b[200~py p y\x1b[201~h", ["h"]),  # what is pasted presses nothing
        (b"\x1b[200~never ended py", []),
    ],
)
def test_bytes_are_keys(data: bytes, keys: list[str]) -> None:
    assert keys_in(data) == keys
