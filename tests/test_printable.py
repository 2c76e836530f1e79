import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.printable import MAX_CHARS, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("koi.mp4 – 錦鯉, café, 🎏", "koi.mp4 – 錦鯉, café, 🎏"),
        ("\x1b[2J\x1b[1;1Hall ready", "all ready"),
        ("\x1b]0;a window\x07x\x1b]8;;http://a\x1b\\link", "xlink"),
        ("\x9b31mred\x9d0;title\x9cx", "redx"),
        ("\x1bPq#0\x1b\\x\x1b(By\x1bc", "xy"),
        ("a\rb\nc\td\u2028e", "a b c d e"),
        ("a\x00\x08\x7f\x85b", "ab"),
        ("exe.\u202e4pm\u2066x\u2069\u200f", "exe.4pmx"),
        ("\ud800", ""),
        ("\x1b", ""),
        ("\x1b[31", ""),
        ("👩\u200d🎤", "👩\u200d🎤"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_long_text_is_cut() -> None:
    for text in ("x" * (MAX_CHARS + 1), "\x07" + "x" * 10**6):
        assert len(printable(text)) == MAX_CHARS and printable(text).endswith("…")
    assert printable("x" * MAX_CHARS) == "x" * MAX_CHARS


@given(st.text() | st.text(alphabet="\x1b[]\\;m0\x07\x9b\x9c\u202ePq"))
def test_nothing_that_is_left_can_move_a_cursor(text: str) -> None:
    shown = printable(text)
    assert not [char for char in shown if char < " " or "\x7f" <= char < "\xa0" or char in "\u202e\u2066"]
    assert printable(shown) == shown
