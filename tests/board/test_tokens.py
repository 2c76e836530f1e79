import pytest

from agent.board.tokens import GUESSES, PER_S, REMEMBERED, Guesses, Tokens, read_tokens

BOTH = Tokens("operator-token-0123456789", "guest-token-0123456789")


def test_a_token_is_a_role() -> None:
    assert BOTH.role_of("operator-token-0123456789") == "operator"
    assert BOTH.role_of("guest-token-0123456789") == "guest"
    assert BOTH.role_of("guest-token-012345678") is None
    assert BOTH.role_of("") is None
    assert BOTH.role_of("ü\udcff") is None


def test_a_role_without_a_token_is_nobody_s() -> None:
    only = Tokens("", "guest-token-0123456789")
    assert only.role_of("") is None
    assert only.role_by_kept("") is None
    assert only.role_by_kept(Tokens("", "x").kept("operator")) is None
    assert only.role_by_kept(only.kept("guest")) == "guest"
    alone = Tokens("operator-token-0123456789", "")
    assert alone.role_of("") is None
    assert alone.role_by_kept("") is None


def test_what_a_browser_keeps_is_not_the_token_and_dies_with_it() -> None:
    kept = BOTH.kept("operator")
    assert BOTH.operator not in kept
    assert BOTH.role_by_kept(kept) == "operator"
    assert BOTH.role_by_kept(BOTH.kept("guest")) == "guest"
    assert BOTH.role_by_kept(BOTH.operator) is None
    assert Tokens("another-token-0123456789", BOTH.guest).role_by_kept(kept) is None


def test_who_guesses_has_to_wait_and_others_do_not() -> None:
    guesses = Guesses()
    for _ in range(GUESSES):
        assert guesses.wait_s("10.0.0.1", 5.0) == 0
        guesses.wrong("10.0.0.1", 5.0)
    assert guesses.wait_s("10.0.0.1", 5.0) == PER_S
    assert guesses.wait_s("10.0.0.2", 5.0) == 0
    assert guesses.wait_s("10.0.0.1", 5.0 + PER_S) == 0
    guesses.wrong("10.0.0.1", 5.0 + PER_S)
    assert guesses.wait_s("10.0.0.1", 5.0 + PER_S) == 0


def test_guesses_from_everywhere_cost_no_memory() -> None:
    guesses = Guesses()
    for number in range(2 * REMEMBERED):
        guesses.wrong(str(number), 0.0)
    assert len(guesses._wrong) <= REMEMBERED


def test_tokens_of_a_file() -> None:
    assert read_tokens("# board\nfirst-token-0123456789\n\nsecond-token-0123456789\n") == Tokens(
        "first-token-0123456789", "second-token-0123456789"
    )
    assert read_tokens("first-token-0123456789") == Tokens("first-token-0123456789", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0 lines"),
        ("a\nb\nc", "3 lines"),
        ("short", "too short"),
        ("with a space in it, and long", "odd"),
        ("same-token-0123456789\nsame-token-0123456789", "the same"),
    ],
)
def test_tokens_of_a_file_that_are_of_no_use_are_refused_in_words(text: str, said: str) -> None:
    fault = read_tokens(text)
    assert isinstance(fault, str)
    assert said in fault
