from dataclasses import replace
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


def shown(gauge: Gauge, width: int = 80, now: datetime = NOW, correction_ms: float = 0.0) -> str:
    console = Console(width=width, record=True)
    console.print(page(gauge, now, "Asia/Tokyo", correction_ms))
    return console.export_text()


@pytest.mark.parametrize("width", [80, 120])
def test_a_clock_fits_a_terminal_and_tells_everything(width: int) -> None:
    text = shown(Gauge(REPORT, 37_000_000, 12.0), width)
    assert max(map(len, text.splitlines())) <= width
    flat = " ".join(text.split())
    for word in ("SYNC", "3 of 5 time servers agree", "at most 8.2 ms wrong (0.25 frames", "rate -50.12 ± 1.40 ppm"):
        assert word in flat
    assert "12:00:00 UTC 21:00:00 Asia/Tokyo" in flat, "the venue's time, not the host's wrong one"
    assert "37.0 s ahead" in flat and "12 s old" in flat
    for word in ("✓", "✗", "·", "-0.120 ± 4.0", "stratum 2", "every 64 s", "no more"):
        assert word in text


def test_a_clock_that_knows_nothing_says_so() -> None:
    report = ClockReport(ClockState.UNSYNC, "no time server has answered yet", None, None, None, 3, 0, (DENIED,))
    text = shown(Gauge(report, None, None), 80)
    assert "UNSYNC" in text and "measured just now" in text and "wrong" not in text
    assert as_json(Gauge(report, None, None))["bound_us"] is None


UNHEARD = replace(DENIED, name="ntp4.a-rather-long-name.example:123", code="silent", why="no answer within 1.5 s")
LOST = ClockReport(ClockState.UNSYNC, "no time server has answered yet", None, None, None, 1, 0, (UNHEARD,))


def test_figures_have_columns_only_where_there_are_any() -> None:
    text = shown(Gauge(LOST, None, None))
    assert "offset" not in text and "delay" not in text
    assert "no answer within 1.5 s" in text, "and so there is room for the reason"
    assert "offset" in shown(Gauge(REPORT, None, None)) and "delay" in shown(Gauge(REPORT, None, None))


def test_small_figures_are_told_and_a_negative_nothing_is_not() -> None:
    tiny = replace(GOOD, offset_us=-0.2, error_us=20.0, delay_us=41.0)
    text = shown(Gauge(replace(REPORT, bound_us=23.0, freq_ppm=-0.001, per_source=(tiny,)), -100, None))
    assert "at most 0.02 ms wrong (less than 0.01 frames" in text and "0.000 ± 0.02" in text and "0.04" in text
    assert "rate 0.00 ±" in text and "-0.0" not in text and "0.10 ms behind" in text


def test_a_far_offset_is_told_in_its_own_unit() -> None:
    far = replace(LIAR, offset_us=3_600_000_000_000.0, code="falseticker", why="contradicts by +3600000000.0 ms")
    text = shown(Gauge(replace(REPORT, per_source=(far,)), 3000 * 86_400_000_000, None), 120)
    assert "+1000 h" in text and "3600000000" not in text and "3000 days ahead" in text
    assert "contradicts the majority by +1000 h" in " ".join(text.split())


def test_who_agrees_by_what_it_said_before_is_told_from_who_answers() -> None:
    fallen = replace(GOOD, code="silent", why="no answer within 1.5 s")
    assert "agrees by earlier samples" in " ".join(
        shown(Gauge(replace(REPORT, per_source=(fallen,)), 0, 5.0), 120).split()
    )


def test_a_correction_is_told_where_it_is_set() -> None:
    assert "correction_ms = -2 applied" in shown(Gauge(REPORT, 0, None), correction_ms=-2.0)
    assert "correction_ms" not in shown(Gauge(REPORT, 0, None))


def test_without_servers_the_hosts_own_time_is_shown_unless_it_cannot_be() -> None:
    host = replace(LOST, state=ClockState.HOST)
    text = shown(Gauge(host, None, None))
    assert "by the host's own clock" in text and "12:00:37 UTC   21:00:37 Asia/Tokyo" in text
    unsure = shown(Gauge(LOST, None, None))
    assert "12:00:37" not in unsure and "not believed" not in unsure
    early = shown(Gauge(LOST, None, None), now=datetime(1970, 1, 1, tzinfo=UTC))
    assert "not believed: it says 1970-01-01" in early and "UTC" not in early
