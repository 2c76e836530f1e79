import pytest

from agent.lab.spans import parse_ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("80ms", 80),
        ("-80ms", -80),
        ("+0.08s", 80),
        ("250us", 0.25),
        ("250µs", 0.25),
        ("10", 10),
        ("0", 0),
        (" 5 ms ", 5),
    ],
)
def test_spans_as_testers_write_them(text: str, ms: float) -> None:
    assert parse_ms(text) == pytest.approx(ms)


@pytest.mark.parametrize("text", ["", "ms", "80 minutes", "1e3ms", "101s", "8,0ms", "nan", "--5ms"])
def test_anything_else_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="such as 80ms"):
        parse_ms(text)
