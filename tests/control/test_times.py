import pytest

from agent.control.times import local_time, parse_instant, parse_position, parse_span, show_span, warn_of
from agent.units import US_PER_S, UtcUs, parse_utc

NOON = parse_utc("2025-06-02T12:00:00Z")


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("2025-06-02T12:00:00Z", "2025-06-02T12:00:00Z"),
        ("2025-06-02T20:00:00+08:00", "2025-06-02T12:00:00Z"),
        ("2025-06-02 08:00:00.5-04:00", "2025-06-02T12:00:00.500000Z"),
        ("2025-06-02T12:00:00.000001Z", "2025-06-02T12:00:00.000001Z"),
        ("minute", "2025-06-02T12:01:00Z"),
        ("next full minute", "2025-06-02T12:01:00Z"),
    ],
)
def test_instants(text: str, wire: str) -> None:
    assert parse_instant(text, NOON) == parse_utc(wire)


@pytest.mark.parametrize(
    "text",
    [
        *("2025-06-02T12:00:00", "noon", "", "2025-13-01T00:00:00Z", "12:00"),
        *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
    ],
)
def test_no_instants(text: str) -> None:
    with pytest.raises(ValueError, match=r"zone|not a time|no time"):
        parse_instant(text, NOON)


@pytest.mark.parametrize(
    ("text", "lack"),
    [
        ("12:00", "names no date and no zone"),
        ("8:30:15", "names no date and no zone"),
        ("12:00Z", "names no date;"),
        ("2025-06-02T12:00:00", "names no zone; add Z"),
        ("tomorrow", "is not a time"),
    ],
)
def test_what_an_instant_lacks_is_said_with_what_can_be_written(text: str, lack: str) -> None:
    with pytest.raises(ValueError, match=lack) as caught:
        parse_instant(text, NOON)
    assert lack.startswith("names no zone") or "next full minute, or --in 90s" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("90s", 90 * US_PER_S),
        ("2m", 120 * US_PER_S),
        ("1h30m", 5400 * US_PER_S),
        ("1.5s", 1_500_000),
        ("500ms", 500_000),
    ],
)
def test_spans(text: str, us: int) -> None:
    assert parse_span(text) == us
    assert parse_position(text) == us


@pytest.mark.parametrize("text", ["", "5", "-5s", "s", "5 parsecs", "1e3s", "9" * 400 + "s", "9" * 5000 + ":00:00"])
def test_no_spans(text: str) -> None:
    with pytest.raises(ValueError, match="not a length"):
        parse_span(text)
    with pytest.raises(ValueError, match="not a position"):
        parse_position(text)


@pytest.mark.parametrize(("text", "us"), [("01:30", 90 * US_PER_S), ("1:02:03.5", 3_723_500_000), ("0:00.25", 250_000)])
def test_positions(text: str, us: int) -> None:
    assert parse_position(text) == us


def test_short_notice_and_the_past_are_warned_of() -> None:
    assert "past" in (just := warn_of(UtcUs(NOON - 1), NOON)) and "newer" not in just
    long_past = warn_of(UtcUs(NOON - 540 * 86_400 * US_PER_S), NOON)
    assert "540 d 00 h in the past" in long_past and "newer cue" in long_past
    assert "only 1.5 s" in warn_of(UtcUs(NOON + 1_500_000), NOON)
    assert warn_of(UtcUs(NOON + 2 * US_PER_S), NOON) == ""


def test_the_walls_clocks() -> None:
    assert local_time(NOON, "Asia/Tokyo") == "Mon 21:00:00 JST"
    assert local_time(UtcUs(NOON + 500_000), "America/Toronto") == "Mon 08:00:00.500 EDT"
    evening = UtcUs(NOON + 6 * 3600 * US_PER_S)
    assert local_time(evening, "Asia/Tokyo") == "Tue 2025-06-03 03:00:00 JST"
    assert local_time(NOON, "Moon/Base") == ""
    assert local_time(NOON, "../etc") == ""


def test_spans_for_people() -> None:
    shown = [show_span(us) for us in (4_200_000, -4_200_000, 185 * US_PER_S, 7800 * US_PER_S, 273_600 * US_PER_S)]
    assert shown == ["4.2 s", "−4.2 s", "3 m 05 s", "2 h 10 m", "3 d 04 h"]
