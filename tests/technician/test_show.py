from datetime import UTC, datetime

import pytest
from rich.console import Console

from agent.clock.mapping import ClockState
from agent.clock.report import ClockReport, SourceReport
from agent.technician.gauge import Gauge
from agent.technician.show import as_json, page

GOOD = SourceReport(
    "ntp1.one.example:123", False, True, "agrees", "192.0.2.1:123", -120.0, 4000.0, 8000.0, 15.0, 2, 64, 3.0, 64.0
)
LIAR = SourceReport(
    "ntp2.two.example:123",
    False,
    False,
    "contradicts the majority by +80.0 ms",
    "192.0.2.2:123",
    80_000.0,
    4100.0,
    8200.0,
    15.0,
    1,
    8,
    9.0,
    2.0,
)
DENIED = SourceReport("ntp3.three.example:123", False, False, "the server sends the kiss 'DENY' instead of a time")
REPORT = ClockReport(ClockState.SYNC, "3 of 5 time servers agree", 8200.0, -50.12, 1.4, 5, 3, (GOOD, LIAR, DENIED))
NOW = datetime(2025, 6, 2, 12, 0, 37, tzinfo=UTC)


def shown(gauge: Gauge, width: int) -> str:
    console = Console(width=width, record=True)
    console.print(page(gauge, NOW, "Asia/Tokyo"))
    return console.export_text()


@pytest.mark.parametrize("width", [80, 120])
def test_a_clock_fits_a_terminal_and_tells_everything(width: int) -> None:
    text = shown(Gauge(REPORT, 37_000_000, 12.0), width)
    assert max(map(len, text.splitlines())) <= width
    flat = " ".join(text.split())
    for word in ("SYNC", "3 of 5 time servers agree", "at most 8.2 ms wrong (0.25 frames", "rate -50.12 ± 1.40 ppm"):
        assert word in flat
    assert "12:00:00 UTC 21:00:00 Asia/Tokyo" in flat, "the venue's time, not the host's wrong one"
    assert "37000.000 ms ahead" in flat and "12 s old" in flat
    for word in ("✓", "✗", "·", "-0.120 ± 4.0", "stratum 2", "every 64 s", "no more"):
        assert word in text


def test_a_clock_that_knows_nothing_says_so() -> None:
    report = ClockReport(ClockState.UNSYNC, "no time server has answered yet", None, None, None, 3, 0, (DENIED,))
    text = shown(Gauge(report, None, None), 80)
    assert "UNSYNC" in text and "measured just now" in text and "wrong" not in text
    assert as_json(Gauge(report, None, None))["bound_us"] is None
