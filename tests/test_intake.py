import pytest
from makers import ANYBODY, T0, VENUE, S, cue, cue_body, lift_body, now_at, panic_body, program_body, uuid_of

from agent.intake import Declined, Taken, expired, take_cue, take_panic, take_program
from agent.messages import Lift, Panic, Refusal
from agent.trust import Trust
from agent.units import UtcUs

NOW = now_at(T0 - 60 * S)


def test_a_cue_for_everyone_is_taken_with_its_exact_bytes() -> None:
    body = cue_body()
    taken = take_cue(body, uuid_of(1), VENUE, ANYBODY, NOW)
    assert isinstance(taken, Taken)
    assert (taken.body, taken.message.cue) == (body, uuid_of(1))


@pytest.mark.parametrize(("venues", "ours"), [(["paris"], True), (["@west"], True), (["@asia", "tokyo"], False)])
def test_only_the_body_says_for_whom_a_cue_is(venues: list[str], ours: bool) -> None:
    taken = take_cue(cue_body(venues=venues), uuid_of(1), VENUE, ANYBODY, NOW)
    assert isinstance(taken, Taken)
    assert taken.message.names(VENUE.name, VENUE.groups) is ours


def test_from_its_very_end_on_a_cue_is_expired() -> None:
    ends = cue(expires="2025-06-02T12:00:10Z")
    assert expired(ends, UtcUs(T0 + 10 * S - 1)) is None
    refusal = expired(ends, UtcUs(T0 + 10 * S))
    assert refusal is not None
    assert (refusal.code, "expires: 2025-06-02T12:00:10" in refusal.detail) == ("expired", True)


@pytest.mark.parametrize(
    ("body", "topic_id", "code", "word"),
    [
        (b'{"v":1,', None, "schema", "not JSON"),
        (cue_body(show="other"), None, "show", "other"),
        (cue_body(), uuid_of(2), "schema", "topic"),
        (cue_body(colour="red"), None, "schema", "colour"),
        (cue_body(do={"action": "dance"}), None, "schema", "do"),
        (cue_body().replace(b"2025-06-02T12:00:00.000000Z", b"2025-06-02 12:00"), None, "schema", "at"),
        (cue_body(expires="2025-08-02T11:58:00Z"), None, "schema", "31 days"),
        (cue_body(expires="2025-06-02T12:00:00Z"), None, "schema", "before expires"),
    ],
)
def test_what_can_never_count_is_declined_with_its_field(
    body: bytes, topic_id: str | None, code: str, word: str
) -> None:
    declined = take_cue(body, topic_id, VENUE, ANYBODY, NOW)
    assert isinstance(declined, Declined)
    assert declined.refusal.code == code
    assert word in declined.refusal.detail


def test_a_declined_cue_is_named_by_its_topic_else_by_its_body_else_not() -> None:
    broken = cue_body(colour="red")
    named = [
        take_cue(broken, uuid_of(7), VENUE, ANYBODY, NOW),
        take_cue(broken, None, VENUE, ANYBODY, NOW),
        take_cue(b"[", None, VENUE, ANYBODY, NOW),
    ]
    assert [declined.cue for declined in named if isinstance(declined, Declined)] == [uuid_of(7), uuid_of(1), "?"]


def test_the_signature_is_asked_for_before_the_body_is_read() -> None:
    declined = take_cue(b"not even JSON", uuid_of(1), VENUE, Trust(), NOW)
    assert isinstance(declined, Declined)
    assert declined.refusal.code == "signature"


def test_without_a_clock_nothing_is_expired() -> None:
    assert isinstance(
        take_cue(cue_body(at=T0 - 200 * S, expires="2025-06-02T11:58:00Z"), None, VENUE, ANYBODY, now_at(None)), Taken
    )


def test_programs() -> None:
    assert isinstance(take_program(program_body(), ("reel", "1"), VENUE, ANYBODY, NOW), Taken)
    assert take_program(program_body(show="other"), ("reel", "1"), VENUE, ANYBODY, NOW) is None
    for body, topic in ((program_body(), ("reel", "2")), (b"{}", ("reel", "1"))):
        assert isinstance(take_program(body, topic, VENUE, ANYBODY, NOW), Refusal)


def test_panics_and_lifts_are_taken_for_the_venues_in_their_bodies() -> None:
    for body, model in ((panic_body(), Panic), (lift_body(), Lift)):
        taken = take_panic(body, VENUE, ANYBODY, NOW)
        assert isinstance(taken, Taken)
        assert (type(taken.message), taken.body) == (model, body)
    for body in (panic_body(venues=["tokyo"]), lift_body(venues=["@east"])):
        assert take_panic(body, VENUE, ANYBODY, NOW) is None


@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        (panic_body(show="other"), "show", "other"),
        (lift_body(show="other"), "show", "other"),
        (panic_body(to="pink"), "schema", "to: "),
        (panic_body(issued=5).replace(b'"1970', b'"70'), "schema", "issued: "),
        (panic_body(venues=[]), "schema", "venues: "),
        (panic_body(lift=uuid_of(1)), "schema", "panic: "),
    ],
)
def test_a_panic_that_can_never_count_is_declined_with_its_field_and_id(body: bytes, code: str, word: str) -> None:
    declined = take_panic(body, VENUE, ANYBODY, NOW)
    assert isinstance(declined, Declined)
    assert (declined.cue, declined.refusal.code, word in declined.refusal.detail) == (uuid_of(1), code, True)


def test_a_panics_signature_is_asked_for_before_its_body_is_read() -> None:
    for body in (panic_body(to="pink"), lift_body()):
        declined = take_panic(body, VENUE, Trust(), NOW)
        assert isinstance(declined, Declined)
        assert (declined.cue, declined.refusal.code) == (uuid_of(1), "signature")
