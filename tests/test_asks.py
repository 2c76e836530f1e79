"""What a venue answers, what it refuses, and that nobody can keep it busy by asking."""

import json
from typing import Any

import pytest
from makers import T0, S, item_body, now_at, panic, program, uuid_of
from test_planner import FILMS, world
from test_status import around
from walls import FakeWall

from agent.answered import Answer
from agent.asks import MAX_ASK_BYTES, NAMES_TOLD, RATE_PER_S, Asks, Shorts, answer
from agent.clock.mapping import ClockState
from agent.effects import Effect, Note, Now, Recall, Reply, Shoot
from agent.messages import MAX_BODY_BYTES, Refusal, decode, encode
from agent.planner import Film
from agent.status import build_status
from agent.told import Fetching, HostStatus, Status
from agent.units import UtcUs, format_utc

NO_SHORTS: Shorts = ()
NOW = now_at(T0)


def ask(number: int = 1, **fields: Any) -> bytes:
    return json.dumps({"v": 1, "ask": uuid_of(number), "want": "poll", "program": "reel", **fields}).encode()


def replies(effects: list[Effect]) -> list[Reply]:
    return [effect for effect in effects if isinstance(effect, Reply)]


def one(payload: bytes, now: Now = NOW, shorts: Shorts = NO_SHORTS, **of_world: Any) -> Reply:
    (reply,) = replies(Asks().receive(payload, now, world(**of_world), shorts))
    return reply


def status(**changes: object) -> Status:
    wall = FakeWall()
    return build_status(wall.conductor.snapshot(wall.now()), wall.now(), around(**changes))


def told(reply: Reply, faults: tuple[Refusal, ...] = (), reserve_gb: float = 5.0, **changes: object) -> Answer:
    made = answer(reply, status(**changes), faults, reserve_gb)
    assert decode(Answer, encode(made)) == made, "what is published can be read again"
    return made


def test_all_films_there_and_nothing_short_is_go() -> None:
    made = told(one(ask()))
    assert made.poll is not None and made.poll.films is not None
    assert (made.ask, made.want, made.refused) == (uuid_of(1), "poll", None)
    assert (made.poll.go, made.poll.reasons) == (True, [])
    films = made.poll.films
    assert (films.program, films.rev, films.films, films.present, films.bytes, films.bytes_present) == (
        "reel",
        1,
        2,
        2,
        2000,
        2000,
    )
    assert made.poll.clock.sources == 5 and made.poll.clock.per_source == []


def test_the_newest_revision_is_meant_unless_one_is_named() -> None:
    programs = {("reel", 1): program(), ("reel", 2): program([item_body("c")], 2), ("other", 9): program()}
    newest, first = one(ask(), programs=programs), one(ask(rev=1), programs=programs)
    assert newest.films is not None and (newest.films.rev, newest.films.missing) == (2, ["c.mp4"])
    assert first.films is not None and (first.films.rev, first.films.missing) == (1, [])


@pytest.mark.parametrize("fields", [{"program": "nothing"}, {"rev": 7}])
def test_a_program_that_is_not_known_is_no_go(fields: dict[str, Any]) -> None:
    made = told(one(ask(**fields)))
    assert made.poll is not None and not made.poll.go and made.poll.films is None
    assert [(reason.question, reason.code) for reason in made.poll.reasons] == [("films", "program_unknown")]


def test_films_are_counted_by_file_with_a_reason_for_each_kind_of_fault() -> None:
    items = [item_body("a"), item_body("b"), item_body("c"), item_body("b", name="again.mp4")]
    films = {**FILMS, "b" * 64: Film(None, Refusal(code="http", detail="404")), "d" * 64: Film("/d", None)}
    reply = one(ask(), programs={("reel", 1): program(items)}, films=films)
    under_way = Fetching(name="b.mp4", done=400, size=1000)
    made = told(reply, cache=around().cache.model_copy(update={"fetching": under_way}))
    assert made.poll is not None and made.poll.films is not None
    found = made.poll.films
    assert (found.films, found.present, found.bytes_present, found.missing) == (3, 1, 1000, ["b.mp4", "c.mp4"])
    assert [reason.code for reason in made.poll.reasons] == ["http", "film_missing"]
    assert found.fetching == under_way
    other = Fetching(name="z.mp4", done=1, size=2)
    made = told(reply, cache=around().cache.model_copy(update={"fetching": other}))
    assert made.poll is not None and made.poll.films is not None and made.poll.films.fetching is None


def test_a_program_that_other_walls_may_know_otherwise_is_no_go() -> None:
    conflict = Refusal(code="program_conflict", detail="two programs were published as reel rev 1")
    assert [reason.code for reason in one(ask(), conflicts={("reel", 1): conflict}).reasons] == ["program_conflict"]
    assert one(ask(), conflicts={("reel", 9): conflict}).reasons == ()


def test_a_variant_is_what_counts_here() -> None:
    variant = {"sha256": "c" * 64, "size": 7, "width": 1, "height": 1, "urls": ["http://films.example/c"]}
    reply = one(ask(), programs={("reel", 1): program([item_body("a", variants={"@west": variant})])})
    assert reply.films is not None and (reply.films.bytes, reply.films.present) == (7, 0)


def test_what_is_missing_has_to_fit_on_the_disk_with_the_reserve() -> None:
    big = item_body("c", size=10_000_000_000)
    reply = one(ask(), programs={("reel", 1): program([big])})

    def codes(free_gb: float | None, done: int = 0, others: int = 0) -> list[str]:
        host = HostStatus(cpu=0.1, mem_mb=100, disk_free_gb=free_gb)
        fetching = Fetching(name="c.mp4", done=done, size=10_000_000_000)
        cache = around().cache.model_copy(update={"fetching": fetching if done else None, "bytes": others})
        made = told(reply, host=host, cache=cache)
        assert made.poll is not None
        return [reason.code for reason in made.poll.reasons if reason.question == "disk"]

    assert codes(14.0) == ["disk"]
    assert codes(15.0) == codes(14.0, done=1_000_000_000) == codes(None) == []
    assert codes(14.0, others=1_000_000_000) == [], "other films are pushed out for those that are cued"


def test_every_shortage_stands_under_its_question() -> None:
    shorts: Shorts = [
        ("panic", world(panic=panic()).panic_short),
        ("clock", Refusal(code="clock_bound", detail="wide")),
        ("display", None),
    ]
    faults = tuple(Refusal(code=code, detail=code) for code in ("trust", "broker", "disk_error", "journal"))
    made = told(one(ask(), shorts=shorts), faults)
    assert made.poll is not None and not made.poll.go
    assert [reason.question for reason in made.poll.reasons] == ["panic", "clock", "trust", "broker", "disk", "agent"]


def test_without_a_program_everything_but_films_is_told() -> None:
    made = told(one(json.dumps({"v": 1, "ask": uuid_of(1), "want": "poll"}).encode()))
    assert made.poll is not None and (made.poll.go, made.poll.films) == (True, None)


def test_a_shot_is_taken_as_wide_as_it_is_wanted_and_not_for_everybody_who_asks() -> None:
    """Four operators at once; then one picture in two seconds, and a refusal that says when."""
    asks = Asks()
    given = [asks.receive(ask(n, want="shot", width=480), now_at(T0 + n * S // 4), world(), ()) for n in range(1, 5)]
    assert given == [[Shoot(uuid_of(n), 480)] for n in range(1, 5)]
    (refused,) = replies(asks.receive(ask(5, want="shot"), now_at(T0 + S), world(), ()))
    assert refused.refused is not None and refused.refused.code == "rate" and "in 1.2 s" in refused.refused.detail
    assert told(refused).refused == refused.refused
    assert asks.receive(ask(6, want="shot"), now_at(T0 + 3 * S), world(), ()) == [Shoot(uuid_of(6), 1280)]


@pytest.mark.parametrize("width", [63, 1921, "480"])
def test_no_picture_is_wider_than_a_message_holds(width: object) -> None:
    refused = one(ask(want="shot", width=width)).refused
    assert refused is not None and refused.code == "schema" and "width" in refused.detail


def test_an_ask_that_cannot_be_read_is_answered_if_its_id_can() -> None:
    odd = (ask(want="everything"), "schema"), (ask(program="a/b"), "schema"), (ask(rev=0), "schema")
    for payload, code in (*odd, (ask(v=2), "version")):
        reply = one(payload)
        assert reply.refused is not None and (reply.refused.code, reply.ask) == (code, uuid_of(1))
    for payload in (b"{", b'"ask"', ask(ask="me"), b"[]"):
        (note,) = Asks().receive(payload, NOW, world(), NO_SHORTS)
        assert isinstance(note, Note)
    (note,) = Asks().receive(ask(more="x" * MAX_ASK_BYTES), NOW, world(), NO_SHORTS)
    assert isinstance(note, Note) and ("reason", "size") in note.fields


def test_what_a_newer_tool_adds_is_passed_over() -> None:
    assert one(ask(width=640)).refused is None


def test_an_ask_counts_once_whatever_brings_it() -> None:
    asks = Asks()
    assert len(replies(asks.receive(ask(), NOW, world(), NO_SHORTS))) == 1
    assert asks.receive(ask(), NOW, world(), NO_SHORTS) == []
    assert asks.receive(ask(rev=1), NOW, world(), NO_SHORTS) == []  # the same id


def test_an_old_ask_is_refused_by_a_clock_that_is_vouched_for() -> None:
    def code(age_s: int, now: Now = NOW) -> str | None:
        refused = one(ask(issued=format_utc(UtcUs(T0 - age_s * S))), now).refused
        return refused.code if refused else None

    assert [code(age_s) for age_s in (0, 59, 61, -59, -61)] == [None, None, "old", None, "old"]
    assert code(3600, now_at(T0, None, ClockState.HOST)) is None
    assert code(3600, now_at(None)) is None


def test_more_than_a_few_a_second_are_dropped_with_one_word_each_time() -> None:
    asks = Asks()

    def burst(at: int, first: int, count: int) -> tuple[int, int]:
        effects = [
            effect
            for number in range(first, first + count)
            for effect in asks.receive(ask(number), now_at(at), world(), NO_SHORTS)
        ]
        return len(replies(effects)), sum(isinstance(effect, Note) for effect in effects)

    assert burst(T0, 0, 100) == (RATE_PER_S, 1)
    assert burst(T0 + S // 5, 100, 100) == (1, 0), "the flood goes on"
    assert burst(T0 + 3 * S, 200, 100) == (RATE_PER_S, 1), "it is another one"


def test_an_ask_that_a_flood_pushed_out_is_answered_when_another_broker_brings_it() -> None:
    asks = Asks()
    for number in range(RATE_PER_S):
        asks.receive(ask(number), NOW, world(), NO_SHORTS)
    assert replies(asks.receive(ask(99), NOW, world(), NO_SHORTS)) == []
    assert len(replies(asks.receive(ask(99), now_at(T0 + S), world(), NO_SHORTS))) == 1
    assert replies(asks.receive(ask(99), now_at(T0 + 2 * S), world(), NO_SHORTS)) == [], "it is answered once"


def test_garbage_is_counted_too() -> None:
    asks = Asks()
    effects = [effect for number in range(100) for effect in asks.receive(b"%d{" % number, NOW, world(), NO_SHORTS)]
    assert len(effects) == RATE_PER_S + 1


def test_an_answer_fits_into_a_message_whatever_the_names_are() -> None:
    name = "\x01" * 255
    items = [item_body("a", name=name, sha256=f"{number:064x}") for number in range(30)]
    films = {f"{number:064x}": Film(None, Refusal(code=f"c{number}", detail=name * 9)) for number in range(30)}
    made = told(one(ask(), programs={("reel", 1): program(items)}, films=films))
    assert len(encode(made)) <= MAX_BODY_BYTES
    assert made.poll is not None and made.poll.films is not None
    assert len(made.poll.films.missing) == NAMES_TOLD and made.poll.films.films == 30


def test_a_venue_answers_by_its_conductor() -> None:
    wall = FakeWall()
    wall.start_player()
    wall.until(wall.t + S)
    wall.receive("ask/all", ask())
    wall.receive("ask/paris", ask(2))
    found = replies(wall.effects)
    assert [reply.ask for reply in found] == [uuid_of(1), uuid_of(2)]
    assert [reason.code for reason in found[0].reasons] == ["program_unknown"]


def test_what_was_shown_is_asked_of_the_book_and_each_ask_counts_once() -> None:
    asks = Asks()
    wanted = ask(want="asrun", after=7, pages=3)
    (effect,) = asks.receive(wanted, NOW, world(), NO_SHORTS)
    assert isinstance(effect, Recall)
    assert (effect.ask.after, effect.ask.pages) == (7, 3)
    assert asks.receive(wanted, NOW, world(), NO_SHORTS) == []
    (reply,) = replies(asks.receive(ask(2, want="asrun", pages=99), NOW, world(), NO_SHORTS))
    assert reply.refused is not None and reply.refused.code == "schema"
