"""The short form of tests/long/asrun: every record of some agents' books comes back once, over long lines."""

from pathlib import Path

import pytest
from archive import measure


@pytest.mark.needs("mosquitto")
@pytest.mark.timeout(240)
def test_what_agents_keep_is_collected_over_long_lines(tmp_path: Path) -> None:
    figures = measure(tmp_path, venues=2, days=1.5, film_s=20, delay_ms=40)
    assert figures.records == 2 * (2160 + 6480)
    assert figures.collected == figures.records
