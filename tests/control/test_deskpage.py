"""What the terminal desk draws, for whatever size and whatever venues say."""

import itertools
from typing import Any

import pytest
from fake_venue import polled, presence, status
from makers import T0, S, cue, panic, uuid_of
from rich.console import Console

from agent.answered import Answer
from agent.control.desk import Desk, Order
from agent.control.deskpage import countdown, draw
from agent.control.deskwalls import Scene
from agent.control.poll import Row
from agent.control.showfile import parse_show
from agent.control.status import Wall
from agent.told import Ack, ClockStatus
from agent.units import UtcUs

HEAD = b'show = "reel-show"\ntitle = "Koi night"\n[[venue]]\nid = "tokyo"\ncity = "Tokyo"\n[[venue]]\nid = "paris"\n'
LINES = b"".join(
    b'[[cue]]\nid = "%d"\nname = "%s"\naction = "black"\nnote = "look [red]at[/] it"\n'
    % (n, b"Opening" if n < 3 else b"\xe9\xaf\x89")
    for n in range(1, 30)
)
NOW = UtcUs(T0)
SIZES = [(40, 12), (80, 24), (100, 30), (130, 30), (160, 50), (240, 67)]


def desk() -> Desk:
    return Desk(parse_show(HEAD + LINES, "show.toml"), "anna@control-hk")


def row(venue: str, **how: Any) -> Row:
    poll = polled(**how)
    answer = Answer(ask=uuid_of(1), venue=venue, boot=uuid_of(2), time=NOW, want="poll", poll=poll)
    return Row(venue, "go" if poll.go else "no-go", tuple(poll.reasons), presence(venue), answer)


def wall(venue: str, **how: Any) -> Wall:
    return Wall(venue, presence(venue, groups=()), status(venue, at=NOW, **how), False, 0)


def scene(of: Desk, **more: Any) -> Scene:
    given: dict[str, Any] = {
        "desk": of,
        "now": NOW,
        "now_s": 0.0,
        "walls": [wall("tokyo"), wall("paris")],
        "rows": [row("tokyo"), row("paris", go=False)],
        "asked": True,
        "acks": [],
        "brokers": {"mqtt://a": True, "mqtt://b": False},
        "faults": {},
    }
    return Scene(**{**given, **more})


def drawn(found: Scene, width: int = 100, height: int = 30) -> str:
    console = Console(width=width, height=height, force_terminal=False, highlight=False, emoji=False)
    with console.capture() as capture:
        console.print(draw(found, width, height))
    return capture.get()


@pytest.mark.parametrize(("size", "walls"), list(itertools.product(SIZES, [0, 2, 60])))
def test_it_fits_every_window_and_keeps_what_matters(size: tuple[int, int], walls: int) -> None:
    of = desk()
    of.take([Order(cue(1, do={"action": "black"}, label="1 Opening", by="ben@paris"), 0.0, True)], NOW)
    names = [f"venue-{n}" for n in range(walls)]
    text = drawn(
        scene(
            of,
            walls=[wall(name) for name in names],
            rows=[row(name, go=bool(n % 3)) for n, name in enumerate(names)],
            message=("refused: " + "words " * 60, "bold red"),
            panics=[panic(2)],
        ),
        *size,
    )
    lines = text.rstrip("\n").split("\n")
    assert all(len(line) <= size[0] for line in lines)
    if size[1] >= 24:
        assert len(lines) <= size[1], text
    for words in ("STANDBY 2", "LAST 1 Opening by ben@paris", "refused:", "SPACE", "PANIC to black"):
        assert words in text, text


def test_a_wall_that_is_not_ready_says_why_before_go_and_in_words() -> None:
    text = drawn(scene(desk()))
    assert "NO-GO 1/2 ready" in text and "paris film_missing" in text
    assert "✓ ready" in text and "✗ NO-GO film_missing" in text
    assert "2/2 ready" in drawn(scene(desk(), rows=[row("tokyo"), row("paris")]))
    assert "asking the walls" in drawn(scene(desk(), asked=False)), "an old answer is none"
    assert "no wall is known" in drawn(scene(desk(), rows=[], walls=[]))


def test_a_wall_that_is_away_is_there_all_the_same() -> None:
    silent = Wall("tokyo", presence("tokyo", online=False), None, True, None)
    text = drawn(scene(desk(), walls=[silent, Wall("paris", None, None, True, None)]))
    assert "SILENT offline" in text and "SILENT never seen" in text and "Tokyo" in text


def test_the_last_cue_tells_how_far_each_wall_got() -> None:
    of = desk()
    of.take([Order(cue(1, at=T0 + 3 * S, do={"action": "black"}, label="1 Opening"), 0.0, True)], NOW)

    def ack(venue: str, stage: str, **more: Any) -> Ack:
        return Ack.model_validate(
            {"cue": uuid_of(1), "venue": venue, "boot": uuid_of(9), "stage": stage, "time": NOW, **more}
        )

    acks = [ack("tokyo", "accepted", ready=True), ack("tokyo", "started", error_us=180)]
    acks += [ack("paris", "refused", reason="signature")]
    text = drawn(scene(of, acks=acks))
    assert "started +0.18 ms" in text and "refused signature" in text and "T−00:03.0" in text
    assert "no answer yet" in drawn(scene(of))
    shows = drawn(scene(of, walls=[wall("tokyo", cue=uuid_of(1))]))
    assert "shows it" in shows, "a desk that was opened later has not heard the acks"


def test_texts_from_outside_are_only_texts() -> None:
    of = desk()
    evil = "[bold red]x[/] :smile: [/]"
    of.take([Order(cue(1, do={"action": "black"}, by=evil, label="1 Opening"), 0.0, True)], NOW)
    bad = status(
        "tokyo",
        at=NOW,
        clock=ClockStatus(state="\x1b[2J[red]", bound_us=None, frames=None, sources=1, agreeing=0, offset_host_us=None),
    )
    text = drawn(scene(of, walls=[Wall("tokyo", presence("tokyo"), bad, False, 0)], message=(evil, "bold")), 160, 50)
    assert evil in text and "\x1b" not in text and "look [red]at[/] it" in text


@pytest.mark.parametrize(
    ("ahead_us", "text"),
    [
        (3_200_000, "T−00:03.2"),
        (1, "T−00:00.1"),
        (0, "T+00:00"),
        (-61_900_000, "T+01:01"),
        (3_661_000_000, "T−1:01:01.0"),
        (200 * 3600 * 1_000_000, "T−8 d 08 h"),
    ],
)
def test_the_countdown(ahead_us: int, text: str) -> None:
    assert countdown(UtcUs(T0 + ahead_us), NOW) == text


def test_a_rehearsal_and_no_broker_cannot_be_overlooked() -> None:
    file = parse_show(HEAD + LINES + b'[rehearsal]\nshow = "dry"\n', "show.toml")
    dry = Desk(file, "anna", rehearsing=True)
    assert "REHEARSAL" in drawn(scene(dry))
    assert "no connection to mqtt://b" in drawn(scene(desk()))


def test_a_clock_that_is_off_several_panics_and_a_cue_that_the_file_has_otherwise_are_said() -> None:
    text = drawn(scene(desk(), clock="this computer's clock is 5 m 00 s ahead", panics=[panic(1), panic(2)]))
    assert "✗ this computer's clock is 5 m 00 s ahead" in text and "PANIC to black holds (+1)" in text
    timed = b'[[cue]]\nid = "T"\nname = "Later"\naction = "stop"\nat = 2025-06-03T12:00:00Z\n'
    of = Desk(parse_show(HEAD + timed, "show.toml"), "anna")
    assert "timed cues not sent yet: T" in drawn(scene(of))
    of.take([Order(cue(1, at=T0 + 3600 * S, do={"action": "stop"}, label="T Later"), 0.0, True)], NOW)
    text = drawn(scene(of))
    assert "out, and not as the file has them: T" in text and "sent otherwise" in text and "not sent yet" not in text


def test_the_end_of_the_list_is_said() -> None:
    of = desk()
    of.move(99)
    assert "END OF THE LIST" in drawn(scene(of))


def test_what_became_of_a_key_says_later_how_old_it_is() -> None:
    said = ("no panic holds", "bold red")
    assert "ago" not in drawn(scene(desk(), message=said, message_age_s=19.0))
    assert "41.0 s ago: no panic holds" in drawn(scene(desk(), message=said, message_age_s=41.2))
