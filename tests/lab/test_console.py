import io
from pathlib import Path

import pytest
from rich.console import Console

from agent.lab.agents import Place
from agent.lab.console import Narrator, reasons, summary, venues_table
from agent.lab.pixels import Seen
from agent.lab.venues import VENUES
from agent.messages import Refusal
from agent.told import CacheStatus, ClockStatus, HostStatus, Status


def status(venue: str, *faults: str) -> Status:
    return Status(
        venue=venue,
        boot="0198f3a0-7c1e-7b3a-9d55-0d5c1f0e2a11",
        time=None,
        state="playing",
        cue=None,
        program="reel",
        rev=1,
        item=0,
        position_us=None,
        frame=None,
        error_us=None,
        dropped=0,
        late=0,
        reanchors=0,
        clock=ClockStatus(
            state="SYNC", bound_us=8200, frames=0.2, sources=5, agreeing=5, offset_host_us=None, reason=""
        ),
        latency_us=0,
        ready=not faults,
        reasons=[Refusal(code=fault, detail=fault) for fault in faults],
        next=None,
        pending=0,
        panic=None,
        cache=CacheStatus(films=5, bytes=1, fetching=None, missing=0),
        decoder=None,
        display=None,
        host=HostStatus(cpu=0.1, mem_mb=1, disk_free_gb=1.0),
        brokers={},
        unsigned=True,
    )


def rendered(statuses: dict[str, Status], seen: dict[str, Seen], errors: dict[str, float]) -> str:
    places = [Place(venue, Path("x"), ":1", Path("y"), 1, 2, (3,), 4, Path("z")) for venue in VENUES[:3]]
    console = Console(file=io.StringIO(), width=120)
    console.print(venues_table(places, statuses, seen, errors))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_the_table_shows_word_pixels_and_clock() -> None:
    text = rendered(
        {"shanghai": status("shanghai"), "tokyo": status("tokyo", "film_missing", "clock_bound")},
        {"shanghai": Seen(3, 74, -0.514)},
        {"shanghai": 1.234},
    )
    lines = {line.split()[0]: line.split() for line in text.splitlines()}
    assert lines["shanghai"] == ["shanghai", "playing", "3", "74", "-0.51", "+1.23", "±", "8.2", "ready"]
    assert lines["tokyo"][-2:] == ["film_missing,", "clock_bound"]
    assert lines["hongkong"] == ["hongkong", "–"]


def test_the_line_for_pipes_names_the_errors() -> None:
    line = summary({"tokyo": status("tokyo"), "paris": status("paris")}, {"tokyo": Seen(1, 2, 0.44)})
    assert line == "paris playing   tokyo playing +0.4 ms"


def test_a_venue_without_reasons_is_not_called_ready() -> None:
    assert reasons(status("tokyo").model_copy(update={"ready": False})) == "not ready"


def test_with_json_nothing_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    narrator = Narrator(json=True)
    narrator.say("five displays")
    narrator.warn("careful")
    with narrator.bar("making films") as progress:
        progress(1, 2)
    with narrator.live() as show:
        show(venues_table([], {}, {}, {}), "T+1")
        show(venues_table([], {}, {}, {}), "T+2")
    out, err = capsys.readouterr()
    assert out == ""
    assert "five displays" in err
    assert "T+1" in err
    assert "T+2" not in err  # lines come every ten seconds
