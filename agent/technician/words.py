"""How figures and names are put for people. Pure."""

from collections.abc import Sequence

_FROM_S = 10.0
_FROM_H = 7_200.0
_FROM_DAYS = 8_640_000.0


def ms(value_us: float | None) -> str:
    """Microseconds as milliseconds, without the unit, with as many digits as tell something; a dash for None."""
    if value_us is None:
        return "–"
    value = value_us / 1e3
    digits = 1 if abs(value) >= 1 else 2 if abs(value) >= 0.01 else 3
    return _plain(f"{value:.{digits}f}")


def span(value_us: float) -> str:
    """How long or how far apart, in the unit that suits: ms, s, h or days; without a sign."""
    seconds = abs(value_us) / 1e6
    if seconds < _FROM_S:
        return f"{ms(abs(value_us))} ms"
    if seconds < _FROM_H:
        return f"{seconds:.1f} s"
    return f"{seconds / 3600:.0f} h" if seconds < _FROM_DAYS else f"{seconds / 86_400:.0f} days"


def offset(value_us: float) -> str:
    """The same with a sign."""
    told = span(value_us)
    return told if told == span(0.0) else f"{'-' if value_us < 0 else '+'}{told}"


def signed(value: float, digits: int) -> str:
    """A figure with its sign, but never a negative nothing."""
    return _plain(f"{value:+.{digits}f}")


def count(number: int, noun: str) -> str:
    """So many of something: `1 time server`, `2 time servers`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], one: str, many: str) -> str:
    """Names, and what they do: `a says`, `a, b say`."""
    return f"{', '.join(names)} {one if len(names) == 1 else many}"


def _plain(figure: str) -> str:
    return figure if float(figure) else figure.lstrip("+-")
