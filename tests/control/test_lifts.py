"""Which panic an operator means who lifts one: pure."""

import pytest
from fake_venue import presence, status
from makers import T0, S, lift_body, panic_body, uuid_of

from agent.control.draft import CueError
from agent.control.panic import check_id, meant
from agent.control.view import View
from agent.messages import encode
from agent.received import Received
from agent.units import UtcUs

SHOW = "reel-show"


def view(*bodies: bytes) -> View:
    made = View()
    for number, body in enumerate(bodies):
        made.take(Received(f"panic/{number}", body, True, "mqtt://a:1"), 0.0)
    return made


def lifted(text: str | None, *bodies: bytes) -> str:
    return meant(view(*bodies), text, SHOW, ["*"], UtcUs(T0 + 90 * S), 0.0)


def test_the_beginning_of_an_id_is_enough_where_only_one_has_it() -> None:
    other = "f" + uuid_of(2)[1:]
    both = (panic_body(1), panic_body(2, panic=other))
    assert lifted(None, panic_body(1)) == uuid_of(1)
    assert lifted("F", *both) == other
    assert lifted(f" {uuid_of(9)} ", *both) == uuid_of(9), "a whole id is lifted whatever is known of it"


def test_what_is_not_sure_is_told_a_line_each() -> None:
    both = (panic_body(1), panic_body(2))
    for text, words in ((None, "more than one panic holds"), ("0000", "the beginning of 2 panics"), ("ee", "these do")):
        with pytest.raises(CueError, match=words) as caught:
            lifted(text, *both)
        assert caught.value.choices == tuple(
            f"{uuid_of(number)} (to black on *, raised 1 m 30 s ago)" for number in (1, 2)
        )
    with pytest.raises(CueError, match="no panic holds"):
        lifted("0000", panic_body(1), lift_body(1))


@pytest.mark.parametrize(("show", "found"), [("demo", True), ("rehearsal", False)])
def test_what_a_wall_of_another_show_tells_is_not_lifted_here(show: str, found: bool) -> None:
    """A rehearsal, which hears the walls of the show beside it, takes none of their panics for its own."""
    made = View()
    made.take(Received("venue/tokyo/presence", encode(presence("tokyo")), False, "mqtt://a:1"), 0.0)
    told = status("tokyo", at=UtcUs(T0), panic=uuid_of(1))
    made.take(Received("venue/tokyo/status", encode(told), False, "mqtt://a:1"), 0.0)
    if found:
        assert meant(made, None, show, ["*"], UtcUs(T0), 1.0) == uuid_of(1)
        return
    with pytest.raises(CueError, match="no panic holds"):
        meant(made, None, show, ["*"], UtcUs(T0), 1.0)


@pytest.mark.parametrize("text", ["yesterday", "", "0" * 37, "*"])
def test_what_can_be_no_id_is_refused_before_anybody_is_asked(text: str) -> None:
    with pytest.raises(CueError, match="--lift") as caught:
        check_id(text)
    assert caught.value.usage
