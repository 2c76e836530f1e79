import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.control.operate import load_show
from agent.control.showfile import CueLine, ShowFile, ShowFileError, instant_of, parse_show
from agent.control.times import TimeError
from agent.units import UtcUs, format_utc, parse_utc

SAMPLE = Path(__file__).parents[2] / "deploy" / "shows" / "bring-your-vision.toml"
NOON = parse_utc("2025-06-02T12:00:00Z")
LINE = '[[cue]]\nid = "1"\nname = "Reel"\naction = "play"\nprogram = "reel"\n'


def parsed(text: str) -> ShowFile:
    return parse_show(text.encode(), "show.toml")


def faults(text: str) -> list[str]:
    with pytest.raises(ShowFileError) as caught:
        parsed(text)
    return caught.value.faults


def first(extra: str = "", head: str = 'show = "demo"\n') -> CueLine:
    return parsed(head + LINE + extra).cue[0]


def test_the_shortest_file_has_the_usual_gap_and_lead() -> None:
    show = parsed('show = "demo"\n' + LINE)
    assert (show.min_gap, show.lead, show.quick_lead) == (2_000_000, 5_000_000, 2_000_000)
    assert (show.cue[0].label, show.cue[0].venues, show.programs) == ("1 Reel", ["*"], ["reel"])


def test_the_sample_is_the_event_of_five_cities() -> None:
    show = load_show(SAMPLE)
    assert [place.city for place in show.venue] == ["Shanghai", "Hong Kong", "Tokyo", "Paris", "Toronto"]
    assert show.rehearsal is not None and show.rehearsal.show != show.show
    reel = next(line for line in show.cue if line.name == "Winners reel")
    assert reel.at is not None and format_utc(instant_of(reel.at, NOON)) == "2025-06-02T12:00:00.000000Z" and reel.loop
    assert {line.action for line in show.cue} >= {"play", "stop", "black", "hold", "resume", "identify"}


def test_all_faults_come_at_once_with_line_key_and_what_was_meant() -> None:
    text = (
        'show = "Demo"\ntittle = "x"\nmin_gap = "2x"\n'
        '[[cue]]\nid = "1"\nname = "Reel"\naction = "play"\nprogram = "reel"\nlop = true\nat = "20:00 Asia/Tokio"\n'
        '[[cue]]\nname = "Hold"\naction = "hold"\n[expect]\nclock_bund_ms = 3\n'
    )
    told = "\n".join(faults(text))
    for words in (
        "show.toml, line 1: show: ",
        "show.toml, line 2: tittle: unknown key; did you mean 'title'?",
        "show.toml, line 3: min_gap: '2x' is not a length of time",
        "show.toml, line 9: cue 1.lop: unknown key; did you mean 'loop'?",
        "show.toml, line 10: cue 1.at: '20:00 Asia/Tokio': 'Asia/Tokio' is no zone",
        "show.toml, line 11: cue number 2.id: is missing",
        "line 15: expect.clock_bund_ms: unknown key; did you mean 'clock_bound_ms'?",
    ):
        assert words in told, told


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("seconds = 5\n", "seconds: means nothing with action 'play'"),
        ('lead = "3s"\nat = "20:00 Z"\n', "either at or lead"),
        ('lasts = "0s"\n', "never be seen"),
        ('lasts = "program"\nloop = true\n', "does not loop"),
        ("at = 20:00:00\n", "write a text with a zone"),
        ("at = 2025-06-02T20:00:00\n", "names no zone"),
        ("venues = []\n", "at least 1"),
        ('note = "a\\u001b[2Jb"\n', "control characters"),
        ('colour = "pink"\n', "colour"),
        ('to = "01:00"\n', "to: means nothing"),
        ('from = "soon"\n', "not a position"),
    ],
)
def test_a_line_that_means_nothing_is_refused(extra: str, words: str) -> None:
    told = "\n".join(faults('show = "demo"\n' + LINE + extra))
    assert words in told and "show.toml, line" in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('show = "demo"\n' + LINE + LINE, "cue.id '1' stands twice"),
        ('show = "demo"\n' + LINE + '[[program]]\nid = "reels"\n', "did you mean 'reels'?"),
        ('show = "demo"\n' + LINE + 'venues = ["paris"]\n[[venue]]\nid = "tokyo"\n', "'paris' stands in no [[venue]]"),
        ('show = "demo"\n' + LINE + '[rehearsal]\nshow = "demo"\n', "the show itself"),
        ('show = "demo"\n' + LINE + '[expect]\nready = 3\n[[venue]]\nid = "tokyo"\n', "there are 1 [[venue]]"),
        ('show = "demo"\n', "cue: is missing"),
        ('show = "demo"\n[[cue]]\nid = "1"\nname = "x"\naction = "play"\n', "play needs a program"),
        ('show = "demo"\n[[cue]]\nid = "1"\nname = "x"\naction = "seek"\n', "seek needs a position"),
        ('show = "demo"\n[[cue]]\nid = "1"\nname = "x"\naction = "hold"\nat = "20:00 Z"\n', "leave at out"),
        ("show = ", "not TOML"),
        ("cue = 5\nshow = 'demo'", "cue: "),
        ("show = 'demo'\ncue = [5]", "cue number 1"),
        ("show = 'demo'\nrehearsal = 5\n" + LINE, "rehearsal"),
    ],
)
def test_what_contradicts_itself_is_refused(text: str, words: str) -> None:
    assert words in "\n".join(faults(text))


def test_a_missing_file_and_a_huge_one_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ShowFileError, match="cannot be read"):
        load_show(tmp_path / "none.toml")
    (tmp_path / "huge.toml").write_bytes(b"#" * 2_000_000)
    with pytest.raises(ShowFileError, match="at most"):
        load_show(tmp_path / "huge.toml")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2025-06-02T20:00:00+08:00", "2025-06-02T12:00:00.000000Z"),
        ("20:00 Asia/Tokyo", "2025-06-03T11:00:00.000000Z"),  # 21:00 there now: tomorrow's
        ("22:30 Asia/Tokyo", "2025-06-02T13:30:00.000000Z"),
        ("9:00:01.5 +08:00", "2025-06-03T01:00:01.500000Z"),
        ("12:00 Z", "2025-06-03T12:00:00.000000Z"),
        ("12:00:01 utc", "2025-06-02T12:00:01.000000Z"),
        ("08:30 America/Toronto", "2025-06-02T12:30:00.000000Z"),
        ("minute", "2025-06-02T12:01:00.000000Z"),
    ],
)
def test_an_instant_is_read_with_its_zone(text: str, at: str) -> None:
    assert format_utc(instant_of(text, NOON)) == at


@pytest.mark.parametrize("text", ["20:00", "25:00 Z", "20:61 Z", "20:00 Asia", "20:00 +99:00", "tonight", "20:00 ../x"])
def test_an_instant_without_a_zone_or_sense_is_refused(text: str) -> None:
    with pytest.raises(TimeError):
        instant_of(text, NOON)


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 366 * 86_400), st.sampled_from(["Europe/Paris", "Z"]))
def test_a_time_of_day_is_the_next_one(hour: int, minute: int, into_s: int, zone: str) -> None:
    now = UtcUs(parse_utc("2025-01-01T00:00:00Z") + into_s * 1_000_000)
    at = instant_of(f"{hour:02d}:{minute:02d} {zone}", now)
    assert 0 < at - now <= 25 * 3600 * 1_000_000


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_whatever_stands_in_a_line_is_a_fault_or_a_line(value: Any) -> None:
    """Never a traceback."""
    as_toml = repr(value).replace("'", '"') if not isinstance(value, bool | None) else str(value).lower()
    for key in ("at", "lead", "lasts", "venues", "name", "from", "program"):
        with contextlib.suppress(ShowFileError):
            parsed(f'show = "demo"\n[[cue]]\nid = "1"\naction = "play"\n{key} = {as_toml}\n')


def test_what_a_line_does_is_told_in_few_words() -> None:
    assert first('from = "90s"\nrev = 2\n').words == "play reel r2 from 90 s"
    assert first('lasts = "20s"\n').words == "play reel, then back"
    assert first('lasts = "program"\n').lasts == "program"


def test_a_pin_of_the_program_counts_for_its_lines() -> None:
    show = parsed('show = "demo"\n' + LINE + '[[program]]\nid = "reel"\nrev = 7\n')
    assert show.pinned(show.cue[0]) == 7
    own = parsed('show = "demo"\n' + LINE + 'rev = 2\n[[program]]\nid = "reel"\nrev = 7\n')
    assert own.pinned(own.cue[0]) == 2


def test_the_venues_that_a_line_is_for() -> None:
    places = '[[venue]]\nid = "tokyo"\ngroups = ["asia"]\n[[venue]]\nid = "paris"\n'
    for venues, expected in (('["*"]', ["tokyo", "paris"]), ('["@asia"]', ["tokyo"]), ('["paris"]', ["paris"])):
        show = parsed('show = "demo"\n' + LINE + f"venues = {venues}\n" + places)
        assert [place.id for place in show.expected(show.cue[0])] == expected
