from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.units import UtcUs, format_utc, frames_to_us, parse_rate, parse_utc


@pytest.mark.parametrize(
    ("text", "utc_us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("2025-06-02T12:00:00.5Z", 1_748_865_600_500_000),
    ],
)
def test_times_are_microseconds_since_1970(text: str, utc_us: int) -> None:
    assert parse_utc(text) == utc_us


@given(st.datetimes(timezones=st.just(UTC)))
def test_any_time_is_written_as_it_is_read(moment: datetime) -> None:
    text = moment.strftime("%m-%dT%H:%M:%S.%f")
    wire = f"{moment.year:04}-{text}Z"
    assert format_utc(parse_utc(wire)) == wire


@given(st.integers(-(10**13), 10**17))
def test_any_instant_survives_the_wire(utc_us: int) -> None:
    assert parse_utc(format_utc(UtcUs(utc_us))) == utc_us


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2025-06-02",
        "2025-06-02T12:00:00",
        "2025-06-02T12:00:00+00:00",
        "2025-06-02T14:00:00+02:00",
        "2025-06-02 12:00:00Z",
        "2025-06-02T12:00Z",
        "2025-06-02T12:00:00.Z",
        "2025-06-02T12:00:00.1234567Z",
        "2025-06-02T12:00:00z",
        "2025-02-30T12:00:00Z",
        "2025-06-02T12:00:60Z",
        "2025-06-02T25:00:00Z",
        "0000-01-01T00:00:00Z",
        "2025-06-02T12:00:00Z\n",
        "٢٠٢٥-06-02T12:00:00Z",
    ],
)
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_utc(text)


@pytest.mark.parametrize(("text", "rate"), [("30", Fraction(30)), ("25/1", Fraction(25)), ("240", Fraction(240))])
def test_rates_are_exact(text: str, rate: Fraction) -> None:
    assert parse_rate(text) == rate
    assert parse_rate("30000/1001") == Fraction(30000, 1001)


@pytest.mark.parametrize(
    "text", ["", "0", "30/0", "0/0", "-30", "29.97", "30/", "/1", "241", "1e3", "30000/1001/1", "٣"]
)
def test_anything_else_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="frame rate"):
        parse_rate(text)


def test_frames_last_as_long_as_they_should_however_many() -> None:
    assert frames_to_us(30, Fraction(30)) == 1_000_000
    assert frames_to_us(1, Fraction(30)) == 33_333
    assert frames_to_us(2, Fraction(30)) == 66_667
    # Summed from a rounded frame, a day of NTSC would be off by seconds.
    assert frames_to_us(30_000 * 86_400, Fraction(30_000, 1_001)) == 1_001 * 86_400 * 1_000_000


@given(st.integers(0, 10**9), st.fractions(min_value=Fraction(1, 10), max_value=240))
def test_a_length_is_right_to_half_a_microsecond(frames: int, rate: Fraction) -> None:
    assert abs(Fraction(frames_to_us(frames, rate), 1_000_000) - frames / rate) <= Fraction(1, 2_000_000)
