from itertools import islice

from makers import T0, S, cue, item_body, panic, program, uuid_of

from agent.messages import Cue, Refusal
from agent.planner import PREPARE_US, STILL_LEAD_US, Film, Outlook, World, readiness
from agent.schedule import Agenda
from agent.units import UtcUs

LOOP = {"action": "play", "program": "reel", "rev": 1, "loop": True}
FILMS = {letter * 64: Film(f"/films/{letter}", None) for letter in "ab"}
LEAD_US = 700_000


def world(*cues: Cue, films: dict[str, Film] | None = None, **changes: object) -> World:
    plain: dict[str, object] = {
        "agenda": Agenda(cues),
        "programs": {("reel", 1): program()},
        "films": FILMS if films is None else films,
        "venue": "paris",
        "groups": ("west",),
        "slate": "",
        "clock_short": None,
    }
    return World(**{**plain, **changes})  # type: ignore[arg-type]


def at(seconds: float) -> UtcUs:
    return UtcUs(round(T0 + seconds * S))


def test_without_cues_the_slate_is_expected_and_nothing_comes() -> None:
    outlook = Outlook(world(), None)
    assert outlook.expected(at(0)).start.kind == "slate"
    assert list(outlook.upcoming(at(0))) == []


def test_upcoming_crosses_from_cue_to_cue() -> None:
    black = cue(2, at(4), {"action": "black"}, expires="2025-06-02T12:00:05.500000Z")
    outlook = Outlook(world(cue(1, T0, LOOP), black), None)
    starts = [
        (billed.start.at - T0, billed.start.kind, billed.piece.frame) for billed in islice(outlook.upcoming(at(-1)), 5)
    ]
    # The loop comes back in the middle of film b, at the first of its frames that is due after the black.
    assert starts == [
        (0, "film", 0),
        (3 * S, "film", 0),
        (4 * S, "black", 0),
        (5_500_000, "film", 150),
        (7 * S, "film", 0),
    ]


def test_a_variant_of_the_venue_goes_before_its_groups_and_the_item() -> None:
    encode = {"sha256": "c" * 64, "size": 5, "width": 9, "height": 16, "urls": ["http://films.example/c"]}
    item = item_body("a", variants={"@west": encode})
    found = world(cue(1, T0, LOOP), programs={("reel", 1): program([item])}, films={"c" * 64: Film("/films/c", None)})
    assert Outlook(found, None).expected(at(1)).start.path == "/films/c"
    elsewhere = world(cue(1, T0, LOOP), programs={("reel", 1): program([item])}, groups=())
    assert Outlook(elsewhere, None).expected(at(1)).start.path == "/films/a"


def test_a_variant_has_its_own_beginning_and_its_own_word_on_sound() -> None:
    encode = {"sha256": "c" * 64, "size": 5, "width": 9, "height": 16, "urls": ["http://films.example/c"]}
    films = {"a" * 64: Film("/films/a", None), "c" * 64: Film("/films/c", None)}
    for own, here in ((None, True), (False, False), (True, True)):
        variant = {**encode, "sound": own, "begins_us": 66_667}
        item = item_body("a", sound=True, begins_us=21_000, variants={"paris": variant})
        programs = {("reel", 1): program([item])}
        start = Outlook(world(cue(1, T0, LOOP), films=films, programs=programs), None).expected(at(1)).start
        assert (start.path, start.sound, start.begins_us) == ("/films/c", here, 66_667)
        tokyo = world(cue(1, T0, LOOP), films=films, programs=programs, venue="tokyo")
        elsewhere = Outlook(tokyo, None).expected(at(1)).start
        assert (elsewhere.path, elsewhere.sound, elsewhere.begins_us) == ("/films/a", True, 21_000)


def test_a_film_that_is_not_there_gives_way_to_the_slate_and_says_why() -> None:
    expected = Outlook(world(cue(1, T0, LOOP), films={}), None).expected(at(1))
    assert (expected.start.kind, expected.short and expected.short.code) == ("slate", "film_missing")
    unknown = Outlook(world(cue(1, T0, LOOP), programs={}), None).expected(at(1))
    assert (unknown.start.kind, unknown.short and unknown.short.code) == ("slate", "program_unknown")


def test_a_bad_clock_holds_back_other_cues_than_the_running_one() -> None:
    short = Refusal(code="clock_bound", detail="bad")
    bad = world(cue(1, T0, LOOP), clock_short=short)
    assert Outlook(bad, None).expected(at(1)).short == short
    assert Outlook(bad, uuid_of(1)).expected(at(1)).start.kind == "film"


def test_a_join_is_a_lead_ahead_for_what_must_be_decoded_and_short_for_the_rest() -> None:
    outlook = Outlook(world(cue(1, T0, LOOP)), None)
    joined = outlook.join(at(1), LEAD_US)
    assert joined is not None
    assert (joined.start.at, joined.start.position_us, joined.piece.joined) == (at(1.7), 1_700_000, True)
    black = Outlook(world(cue(1, T0, {"action": "black"})), None).join(at(1), LEAD_US)
    assert black is not None
    assert black.start.at == at(1) + STILL_LEAD_US
    slate_on_file = Outlook(world(slate="/etc/slate.png"), None).join(at(1), LEAD_US)
    assert slate_on_file is not None
    assert slate_on_file.start.at == at(1.7)


def test_a_boundary_that_is_near_spares_the_join_and_so_does_one_that_the_join_would_leave_no_time_for() -> None:
    outlook = Outlook(world(cue(1, T0, LOOP)), None)
    assert outlook.join(at(2.5), LEAD_US) is None
    assert outlook.join(at(3 - (LEAD_US + PREPARE_US) / S), LEAD_US) is None
    assert outlook.join(at(2.99 - (LEAD_US + PREPARE_US) / S), LEAD_US) is not None


def test_the_same_start_has_the_same_id_however_it_is_reached() -> None:
    outlook = Outlook(world(cue(1, T0, LOOP)), None)
    early = next(outlook.upcoming(at(-5)))
    assert early.start.id == outlook.expected(at(0.5)).start.id


def test_readiness_names_the_first_thing_that_is_missing() -> None:
    play = cue(1, T0, LOOP)
    key = ("reel", 1)
    assert readiness(world(play), key) is None
    for found, code in ((world(play, programs={}), "program_unknown"), (world(play, films={}), "film_missing")):
        refusal = readiness(found, key)
        assert refusal is not None
        assert refusal.code == code
    failed = {**FILMS, "b" * 64: Film(None, Refusal(code="film_hash", detail="other content"))}
    refusal = readiness(world(play, films=failed), key)
    assert refusal is not None
    assert refusal.code == "film_hash"


def test_a_start_names_its_codec_so_that_the_deck_can_choose_its_decoder() -> None:
    reel = program([item_body("a", codec="hevc"), item_body("b", 240, "60", codec="h264")])
    outlook = Outlook(world(cue(1, T0, LOOP), programs={("reel", 1): reel}), None)
    assert [billed.start.codec for billed in islice(outlook.upcoming(at(-1)), 2)] == ["hevc", "h264"]


def test_in_a_panic_nothing_else_is_expected_and_nothing_comes() -> None:
    for to, path in (("black", ""), ("slate", "/etc/slate.png")):
        outlook = Outlook(world(cue(1, T0, LOOP), panic=panic(5, to), slate="/etc/slate.png"), uuid_of(1))
        expected = outlook.expected(at(1))
        assert (expected.start.kind, expected.start.path, expected.cue) == (to, path, None)
        assert expected.short is not None
        assert (expected.short.code, uuid_of(5) in expected.short.detail) == ("panic", True)
        assert list(outlook.upcoming(at(1))) == []
        joined = outlook.join(at(1), LEAD_US)
        assert joined is not None
        assert joined.key == expected.key
