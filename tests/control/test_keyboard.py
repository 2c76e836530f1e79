import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.control.keyboard import Decoder


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b" ", ["space"]),
        (b"py", ["p", "y"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1bOA", ["up"]),
        (b"\x1by", ["escape", "y"]),
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
    assert Decoder().keys(data) == keys


@given(st.lists(st.integers(1, 40), max_size=8))
def test_a_pasted_text_presses_nothing_in_whatever_pieces_it_comes(sizes: list[int]) -> None:
    data, decoder, found = b"j\x1b[200~" + b"py q y " * 5 + b"\x1b[201~k\x1b[A", Decoder(), []
    for size in [*sizes, len(data)]:
        found += decoder.keys(data[:size])
        data = data[size:]
    assert found == ["j", "k", "up"]


def test_a_sequence_that_never_ends_holds_no_key_back_for_good() -> None:
    decoder = Decoder()
    assert decoder.keys(b"\x1b[") == []
    assert "p" in decoder.keys(b"1" * 40 + b"\x00p")
