import math
from fractions import Fraction

import pytest

from agent.player.refresh import Mode, cadence, half_ns, let_go_at, parse_mode, uneven
from agent.units import RawNs

PERIOD = 20_000_000
HZ = 50.0
NTSC = Fraction(60_000, 1001)


def test_without_a_refresh_nothing_changes() -> None:
    assert let_go_at(RawNs(123), None) == 123
    assert half_ns(None) == 0


def seen_at(let_go: int, vblank: int) -> int:
    """A display shows what it has at its next blank."""
    return vblank + math.ceil((let_go - vblank) / PERIOD) * PERIOD


def test_with_unknown_phase_the_mean_error_is_zero() -> None:
    due = RawNs(7_000_000_000)
    errors = [seen_at(let_go_at(due, HZ), phase) - due for phase in range(0, PERIOD, PERIOD // 100)]
    assert abs(sum(errors) / len(errors)) <= PERIOD / 100
    assert max(map(abs, errors)) <= PERIOD / 2


@pytest.mark.parametrize("vblank", [0, 7_000_000_000, 9_013_000_000])
@pytest.mark.parametrize("due", [7_000_000_000, 7_003_000_000, 7_009_900_000, 7_010_100_000, 7_019_000_000])
def test_with_a_known_phase_the_nearest_blank_is_aimed_at_from_the_middle(due: int, vblank: int) -> None:
    at = let_go_at(RawNs(due), HZ, RawNs(vblank))
    assert (at - vblank) % PERIOD == PERIOD // 2
    assert abs(seen_at(at, vblank) - due) <= PERIOD / 2


def test_jitter_of_almost_half_a_refresh_reaches_the_same_blank() -> None:
    at = let_go_at(RawNs(7_003_000_000), HZ, RawNs(0))
    assert {seen_at(at + off, 0) for off in (-9_900_000, 0, 9_900_000)} == {7_000_000_000}


@pytest.mark.parametrize(
    ("rate", "hz", "refreshes"),
    [
        (Fraction(25), 50.0, 2),
        (Fraction(50), 50.0, 1),
        (Fraction(30), 60.0, 2),
        (Fraction(60), 60.0, 1),
        (Fraction(30_000, 1001), 60_000 / 1001, 2),
        (Fraction(24), 120.0, 5),
        (Fraction(60), 60.004, 1),
    ],
)
def test_rates_that_divide_the_refresh_run_smoothly(rate: Fraction, hz: float, refreshes: int) -> None:
    found = cadence(rate, hz)
    assert (found.even, found.refreshes) == (True, refreshes)
    assert uneven(rate, hz) is None


@pytest.mark.parametrize(
    ("rate", "hz", "told"),
    [
        (Fraction(24), 60.0, "by turns"),
        (Fraction(25), 60.0, "by turns"),
        (Fraction(30), 50.0, "by turns"),
        (Fraction(60), 50.0, "left out"),
        (NTSC, 60.0, "jerks every 17 s"),
        (Fraction(24_000, 1001), 24.0, "jerks every 42 s"),
    ],
)
def test_rates_that_do_not_are_told_how_they_look(rate: Fraction, hz: float, told: str) -> None:
    found = uneven(rate, hz)
    assert found is not None and told in found


def test_modes() -> None:
    assert parse_mode("") is None
    assert parse_mode("1920x1080@60") == Mode(1920, 1080, 60.0)
    assert parse_mode("1080x1920@59.94") == Mode(1080, 1920, 59.94)
    assert parse_mode("3840x2160") == Mode(3840, 2160, None)


@pytest.mark.parametrize("text", ["1080p", "1920x1080@", "1920x1080@0", "1920x1080@999", "1920×1080", "1920x1080 60"])
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="1920x1080@60"):
        parse_mode(text)
