"""Spans of time as a tester writes them: `80ms`, `-0.08s`, `250us`, or milliseconds without a unit."""

import re

_FORM = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(us|µs|ms|s)?")
_MS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, None: 1.0}
LONGEST_MS = 100_000.0


def parse_ms(text: str) -> float:
    """A span in milliseconds. Raises ValueError with the remedy."""
    match = _FORM.fullmatch(text.strip())
    value = float(match[1]) * _MS[match[2]] if match else LONGEST_MS + 1
    if abs(value) > LONGEST_MS:
        raise ValueError(f"{text!r} is not a span such as 80ms, -10ms, 250us or 0.5s, of at most 100 s")
    return value
