"""What kept cues are to each venue, which cue an operator means, and which the brokers need not keep. Pure."""

import json
from base64 import b64encode
from typing import Any

import pytest
from fake_venue import presence, status
from makers import T0, S, cue_body, program_body, uuid_of

from agent.control import cancel, kept
from agent.control.draft import CueError
from agent.control.kept import entries, find, over, short_ids, words
from agent.control.view import View
from agent.messages import encode
from agent.received import Received
from agent.schedule import Agenda
from agent.told import NextCue
from agent.trust import payload_type
from agent.units import UtcUs, format_utc

URL = "mqtt://a:1"
SHOW = "reel-show"


def cancel_of(number: int) -> dict[str, Any]:
    return {"action": "cancel", "cue": uuid_of(number)}


def sealed(body: bytes) -> bytes:
    payload = {"payloadType": payload_type("cue"), "payload": b64encode(body).decode()}
    return json.dumps({**payload, "signatures": [{"keyid": "ab12", "sig": ""}]}).encode()


def view_of(*cues: bytes, venues: tuple[str, ...] = ("paris", "tokyo")) -> View:
    view = View()
    for name in venues:
        groups = ("west",) if name == "paris" else ("east",)
        body = encode(presence(name, groups=groups).model_copy(update={"show": SHOW}))
        view.take(Received(f"venue/{name}/presence", body, True, URL), 0.0)
    for number, body in enumerate(cues):
        view.take(Received(f"cue/{number}", body, True, URL), 0.0)
    return view


def states(view: View, at: float, *patterns: str) -> dict[int, dict[str, str]]:
    found = entries(view, patterns or ["*"], SHOW, UtcUs(round(T0 + at * S)))
    return {int(entry.cue.cue[-12:], 16): entry.states for entry in found}


BLACK = {"action": "black"}


def test_each_venue_has_its_own_state_by_its_own_schedule() -> None:
    view = view_of(cue_body(1, T0), cue_body(2, T0 + 10 * S, BLACK, venues=["@west"]), cue_body(3, T0 + 20 * S, BLACK))
    assert states(view, -1) == {
        1: {"paris": "pending", "tokyo": "pending"},
        2: {"paris": "pending"},
        3: {"paris": "pending", "tokyo": "pending"},
    }
    assert states(view, 15)[1] == {"paris": "superseded", "tokyo": "running"}
    assert states(view, 15)[2] == {"paris": "running"}
    assert states(view, 15, "tokyo").keys() == {1, 3}
    assert set(states(view, 8 * 86_400)[3].values()) == {"expired"}


def test_what_is_cancelled_where_and_what_a_cancel_is() -> None:
    later = cue_body(3, T0 + 30 * S, cancel_of(1), venues=["tokyo"])
    view = view_of(cue_body(1, T0 + 20 * S), cue_body(2, T0, cancel_of(1), venues=["paris"]), later)
    assert states(view, 5) == {
        1: {"paris": "cancelled", "tokyo": "pending"},
        2: {"paris": "cancel"},
        3: {"tokyo": "pending"},
    }
    assert states(view, 25)[1] == {"paris": "cancelled", "tokyo": "running"}
    assert states(view, 35)[1] == {"paris": "cancelled", "tokyo": "cancelled"}


def test_a_program_that_is_over_has_ended_and_a_missing_one_is_known_to_be() -> None:
    view = view_of(cue_body(1, T0), cue_body(2, T0 + 60 * S, {"action": "identify", "seconds": 5}))
    assert states(view, 30)[1]["paris"] == "running"
    (entry, _) = entries(view, ["*"], SHOW, T0)
    assert entry.program_kept is False
    view.take(Received("program/reel/1", program_body(), True, URL), 0.0)  # 7 s
    (entry, overlay) = entries(view, ["*"], SHOW, T0)
    assert (entry.program_kept, overlay.program_kept) == (True, None)
    assert states(view, 6)[1]["paris"] == "running" and states(view, 8)[1]["paris"] == "ended"
    assert [states(view, at)[2]["paris"] for at in (59, 61, 66)] == ["pending", "running", "ended"]


def test_without_a_known_venue_a_cue_has_one_state_and_another_show_is_another() -> None:
    view = view_of(cue_body(1, T0), cue_body(2, T0 - S, cancel_of(1)), venues=())
    assert states(view, 1) == {1: {"*": "cancelled"}, 2: {"*": "cancel"}}
    view = view_of(cue_body(1, show="other"))
    assert states(view, 1) == {}
    assert len(entries(view, ["*"], None, T0)) == 1
    assert states(view_of(cue_body(1, venues=["oslo"])), -1, "paris") == {}


def seen(view: View, at: float, **told: dict[str, Any]) -> dict[int, dict[str, list[str]]]:
    """The states in words, where the venues' statuses say this, a second before."""
    for venue, more in told.items():
        said = status(venue, at=UtcUs(round(T0 + (at - 1) * S)), next=None, pending=0).model_copy(update=more)
        view.take(Received(f"venue/{venue}/status", encode(said), False, URL), 0.0)
    found = entries(view, ["*"], SHOW, UtcUs(round(T0 + at * S)), 1.0)
    return {int(entry.cue.cue[-4:], 16): entry.in_words for entry in found}


def coming(number: int, at_s: float) -> dict[str, Any]:
    return {"next": NextCue(cue=uuid_of(number), at=UtcUs(round(T0 + at_s * S)), action="black")}


def test_a_cue_to_come_is_pending_only_where_a_venue_says_so_and_not_taken_where_it_knows_nothing_of_it() -> None:
    view = view_of(cue_body(1, T0 + 100 * S), cue_body(2, T0 + 200 * S), cue_body(3, T0 + 300 * S))
    assert seen(view, 10)[1] == {"pending?": ["paris", "tokyo"]}, "nobody has told anything"
    told = seen(view, 20, paris={**coming(1, 100), "pending": 3}, tokyo={**coming(2, 200), "pending": 2})
    assert told == {
        1: {"pending": ["paris"], "not taken": ["tokyo"]},
        2: {"pending": ["paris", "tokyo"]},
        3: {"pending": ["paris"], "pending?": ["tokyo"]},
    }, "tokyo names the second one first, so that it has refused the first; one of three is missing at it"
    assert seen(view, 30, paris={})[3]["not taken"] == ["paris"], "nothing is to come there"


def test_a_cue_that_should_run_is_said_to_only_where_the_wall_shows_it() -> None:
    view = view_of(cue_body(1, T0, {"action": "black"}))
    assert seen(view, 60, paris={"cue": uuid_of(1)}, tokyo={"cue": None}) == {
        1: {"running": ["paris"], "not shown": ["tokyo"]}
    }
    assert seen(view, 61, tokyo={"panic": uuid_of(9)})[1]["running?"] == ["tokyo"], "a panic covers what runs"
    fresh = view_of(cue_body(1, T0, {"action": "black"}))
    assert seen(fresh, 4, paris={"cue": None})[1] == {"running?": ["paris", "tokyo"]}, "its status may be older"


def test_a_venue_that_is_silent_or_older_than_a_cue_tells_nothing_of_it() -> None:
    late = cue_body(1, T0 + 100 * S, issued=format_utc(UtcUs(T0 + 8 * S)))
    view = view_of(late)
    assert seen(view, 10, paris={})[1] == {"pending?": ["paris", "tokyo"]}
    assert seen(view, 20, paris={})[1] == {"not taken": ["paris"], "pending?": ["tokyo"]}
    found = entries(view, ["*"], SHOW, UtcUs(T0 + 40 * S), 40.0)
    assert found[0].in_words == {"pending?": ["paris", "tokyo"]}


def test_venues_that_cannot_differ_are_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Counted(Agenda):
        def __init__(self, *cues: Any) -> None:
            made.append(1)
            super().__init__(*cues)

    monkeypatch.setattr(kept, "Agenda", Counted)
    view = view_of(cue_body(1), cue_body(2, venues=["v7"]), venues=(*(f"v{number}" for number in range(50)), "paris"))
    assert len(states(view, 0)[1]) == 51
    assert len(made) == 3  # the east, the west, and v7


def test_the_words_for_a_cue() -> None:
    play = {"action": "play", "program": "reel", "rev": 2, "loop": True, "from_us": 1_500_000, "held": True}
    view = view_of(cue_body(1, T0, play), cue_body(2, T0, cancel_of(1)), cue_body(3, T0, {"action": "stop"}))
    found = [words(entry.cue) for entry in entries(view, ["*"], SHOW, T0)]
    assert found == ["play reel r2 loop from 1.5 s held", "cancel 00000000-0000", "stop"]


def test_ids_are_as_short_as_they_can_be_told_apart() -> None:
    assert short_ids(view_of(cue_body(1))) == {uuid_of(1): uuid_of(1)[:13]}
    ids = short_ids(view_of(cue_body(1), cue_body(2)))
    assert ids == {uuid_of(1): uuid_of(1), uuid_of(2): uuid_of(2)}


def test_the_beginning_of_an_id_is_enough_if_only_one_cue_has_it() -> None:
    view = view_of(cue_body(1), cue_body(17))
    assert find(view, uuid_of(1), SHOW, T0, 0.0) == uuid_of(1)
    other = "1" + uuid_of(3)[1:]
    view.take(Received("cue/x", cue_body(3, cue=other), True, URL), 0.0)
    assert find(view, "1", SHOW, T0, 0.0) == other == find(view, other.upper()[:20], SHOW, T0, 0.0)
    with pytest.raises(CueError, match=r"beginning of 2 cues; .*: .*play reel r1 at 2025") as caught:
        find(view, "0000", SHOW, T0, 0.0)
    assert not caught.value.usage


def test_an_unknown_id_is_refused_with_the_near_ones() -> None:
    view = view_of(cue_body(1, T0 + S), cue_body(17, T0 - 10 * S))
    for text, word in (("ffffffff", uuid_of(1)), (uuid_of(18), uuid_of(17)), ("", uuid_of(1))):
        with pytest.raises(CueError, match=word):
            find(view, text, SHOW, T0, 0.0)
    with pytest.raises(CueError, match="is --show right"):
        find(view, uuid_of(1), "another", T0, 0.0)


def test_a_cue_that_is_cleared_is_said_to_be_cancelled_as_long_as_its_cancel_is_kept() -> None:
    view = view_of(cue_body(300, T0, cancel_of(1)))
    for text in (uuid_of(1), uuid_of(1)[:34]):
        with pytest.raises(CueError, match=f"{uuid_of(1)} is cancelled already, from 2025.* --force"):
            find(view, text, SHOW, T0, 0.0)
    with pytest.raises(CueError, match="no broker keeps"):
        find(view, uuid_of(1), "another", T0, 0.0)


def test_what_a_venue_tells_of_can_be_meant_though_no_broker_keeps_it() -> None:
    view = view_of()
    shows = status("paris", at=T0, cue=uuid_of(5))
    view.take(Received("venue/paris/status", encode(shows), False, URL), 0.0)
    assert find(view, uuid_of(5)[:20], SHOW, T0, 1.0) == uuid_of(5)
    with pytest.raises(CueError):
        find(view, uuid_of(5), SHOW, T0, 100.0)  # it is silent by now


def test_cancels_that_cannot_be() -> None:
    view = view_of(cue_body(1), cue_body(2, T0, cancel_of(1)), cue_body(3, expires=format_utc(UtcUs(T0 + S))))
    for number, at, word in ((2, T0, "cannot be taken back"), (3, UtcUs(T0 + S), "has expired")):
        with pytest.raises(CueError, match=word):
            cancel.draft(view, uuid_of(number), SHOW, at, 0.0, force=False)
    with pytest.raises(CueError, match="whole id") as caught:
        cancel.draft(view, "0000", SHOW, T0, 0.0, force=True)
    assert caught.value.usage
    draft, venues = cancel.draft(view, uuid_of(9), SHOW, T0, 0.0, force=True)
    assert (draft.do.action, draft.expires, venues) == ("cancel", T0 + 31 * 86_400 * S, ["*"])


@pytest.mark.parametrize(
    ("cancelling", "gone"),
    [
        (cue_body(2, T0, cancel_of(1)), True),
        (cue_body(2, T0 + 2 * S, cancel_of(1)), False),  # only later
        (cue_body(2, T0, cancel_of(1), venues=["paris"]), False),  # only there
        (cue_body(2, T0, cancel_of(1), show="another"), False),
        (cue_body(2, T0, cancel_of(1), expires=format_utc(UtcUs(T0 + 9 * S))), False),  # then the cue would be back
        (cue_body(2, T0, cancel_of(3)), False),
    ],
)
def test_a_cancelled_cue_need_not_be_kept_where_its_cancel_ends_all_of_it(cancelling: bytes, gone: bool) -> None:
    view = view_of(cue_body(1), cancelling)
    assert over(view, UtcUs(T0 + S)) == ([uuid_of(1)] if gone else [])


def test_expired_cues_need_not_be_kept_and_nobody_unsigned_takes_a_signed_one_away() -> None:
    view = view_of(cue_body(1), cue_body(2, T0, cancel_of(1), expires=format_utc(UtcUs(T0 + 9 * 86_400 * S))))
    assert over(view, UtcUs(T0 + 8 * 86_400 * S)) == [uuid_of(1)]
    assert over(view, UtcUs(T0 + 10 * 86_400 * S)) == [uuid_of(1), uuid_of(2)]
    for signs, gone in ((bytes, []), (sealed, [uuid_of(1)])):
        assert over(view_of(sealed(cue_body(1)), signs(cue_body(2, T0, cancel_of(1)))), UtcUs(T0 + S)) == gone
