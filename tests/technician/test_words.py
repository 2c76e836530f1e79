import pytest

from agent.technician import words


@pytest.mark.parametrize(
    ("value_us", "told"),
    [(8_240, "8.2"), (-120, "-0.12"), (20, "0.02"), (2.4, "0.002"), (0, "0.000"), (-0.1, "0.000"), (None, "–")],
)
def test_milliseconds_have_the_digits_that_tell_something(value_us: float | None, told: str) -> None:
    assert words.ms(value_us) == told


@pytest.mark.parametrize(
    ("value_us", "told"),
    [
        (78_500, "+78.5 ms"),
        (-100, "-0.10 ms"),
        (0, "0.000 ms"),
        (-0.1, "0.000 ms"),
        (-37_000_000, "-37.0 s"),
        (3_600_000_000_000, "+1000 h"),
        (3000 * 86_400_000_000, "+3000 days"),
    ],
)
def test_an_offset_is_told_in_the_unit_that_suits(value_us: float, told: str) -> None:
    assert words.offset(value_us) == told
    assert words.span(value_us) == told.lstrip("+-")


def test_signs_and_numbers() -> None:
    assert words.signed(-0.0004, 2) == "0.00" and words.signed(0.4, 1) == "+0.4"
    assert words.count(1, "time server") == "1 time server" and words.count(0, "frame") == "0 frames"
    assert words.listed(["a"], "says", "say") == "a says" and words.listed(["a", "b"], "says", "say") == "a, b say"
