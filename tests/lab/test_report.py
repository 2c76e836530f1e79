import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from agent.lab import report, rundir
from agent.lab.processes import LabError
from agent.lab.programme import Programme, Spot
from agent.lab.rundir import ClockSample, FilmFacts, RunFacts
from agent.units import UtcUs, parse_utc

DUE = parse_utc("2025-06-02T12:00:00.000000Z")
VENUES = ["tokyo", "paris"]
MS = 1_000_000


def write_run(
    folder: Path,
    lates_ms: dict[str, float],
    *,
    gap_p99: float = 0.3,
    mode: str = "barcode",
    keep: Callable[[str, Spot], bool] = lambda venue, spot: True,
    max_p99_ms: float | None = 5.0,
    stolen: float | None = None,
) -> None:
    """The folder of a run of two films, looped for 9 s, with walls that are late by constants."""
    facts = RunFacts(
        venues=list(lates_ms),
        films=[
            FilmFacts(name=f"{n}.mp4", clip=n, fps=rate, frames=frames)
            for n, rate, frames in ((1, "30", 60), (2, "60", 120))
        ],
        loop=True,
        due_utc=DUE,
        end_utc=UtcUs(DUE + 9_000_000),
        size="320x180",
        max_p99_ms=max_p99_ms,
        max_first_ms=5.0,
        ready_s=dict.fromkeys(lates_ms, 2.5),
        stolen=stolen,
        clock={
            "tokyo": [
                ClockSample(time=DUE, error_ms=-0.4, bound_ms=6.0),
                ClockSample(time=UtcUs(0), error_ms=0.1, bound_ms=6.0),
            ]
        },
    )
    rundir.save(folder, facts)
    show = facts.programme()
    start = show.due_ns - 3000 * MS
    lines: list[object] = [{"meter": 1, "mode": mode, "displays": list(lates_ms), "start_ns": start, "realtime": True}]
    changes = sorted(_changes(show, lates_ms, keep, mode), key=lambda change: change[0])
    lines += changes
    lines.append({"at_ns": start + 13_000 * MS, "looks": 1, "gap_ms": {"p50": 0.2, "p99": gap_p99, "max": 2.0}})
    (folder / rundir.METER).write_text("".join(json.dumps(line) + "\n" for line in lines))


def _changes(
    show: Programme, lates_ms: dict[str, float], keep: Callable[[str, Spot], bool], mode: str
) -> list[tuple[int, int, object]]:
    changes: list[tuple[int, int, object]] = []
    for index, (venue, late) in enumerate(lates_ms.items()):
        changes.append((show.due_ns - 3000 * MS, index, None))
        for spot in show.spots(show.end_ns or 0):
            if keep(venue, spot):
                clip = show.items[spot.item].clip
                code = [clip, spot.frame] if mode == "barcode" else f"{clip}-{spot.frame}"
                changes.append((show.due(spot) + round(late * MS), index, code))
    return changes


def shown(made: report.Report) -> str:
    console = Console(width=130, file=io.StringIO(), record=True)
    console.print(report.table(made))
    return console.export_text()


def test_a_good_run(tmp_path: Path) -> None:
    write_run(tmp_path, {"tokyo": 1.0, "paris": 0.25})
    made = report.conclude(tmp_path)
    assert made.status == 0 and made.faults == []
    figures = json.loads((tmp_path / rundir.REPORT).read_text())
    assert figures["venues"] == ["tokyo", "paris"]
    assert figures["due_utc"] == "2025-06-02T12:00:00.000000Z"
    tokyo = figures["displays"][0]
    assert tokyo["first_frame_error_ms"] == tokyo["median_error_ms"] == tokyo["p99_error_ms"] == 1.0
    assert (tokyo["clock_error_ms"], tokyo["clock_bound_ms"]) == (-0.4, 6.0)
    assert figures["displays"][1]["clock_error_ms"] is figures["displays"][1]["clock_bound_ms"] is None
    assert figures["skew_ms"] == dict.fromkeys(("first", "median", "p95", "p99", "max"), 0.75)
    assert figures["meter_gap_ms"] == {"p99": 0.3, "max": 2.0}
    assert tokyo["cuts"]["count"] == 4 and tokyo["cuts"]["bad"] == 0
    assert (tmp_path / rundir.PLOT).read_bytes().startswith(b"\x89PNG")
    text = shown(made)
    assert "IN SYNC within 5 ms" in text and "tokyo" in text and "0/4" in text
    assert tokyo["clock"] == {
        "samples": 2,
        "median_abs_ms": 0.25,
        "p95_abs_ms": 0.385,
        "max_abs_ms": 0.4,
        "bound_min_ms": 6.0,
        "bound_max_ms": 6.0,
        "outside_bound": 0,
    }


def test_a_clock_outside_the_bound_that_it_claims_is_a_fault(tmp_path: Path) -> None:
    write_run(tmp_path, {"tokyo": 1.0, "paris": 1.75})
    facts = rundir.load(tmp_path)
    late = ClockSample(time=UtcUs(0), error_ms=-7.0, bound_ms=6.0, doubt_ms=0.5)
    unsure = ClockSample(time=UtcUs(0), error_ms=6.2, bound_ms=6.0, doubt_ms=0.5)
    clock = {"tokyo": [*facts.clock["tokyo"], unsure, late]}
    rundir.save(tmp_path, facts.model_copy(update={"clock": clock}))
    made = report.conclude(tmp_path)
    assert made.status == 1
    assert made.faults == ["tokyo: its clock was outside the bound it gave 1 times"]


def test_made_again_it_is_the_same(tmp_path: Path) -> None:
    write_run(tmp_path, {"tokyo": 1.0, "paris": 0.25})
    report.conclude(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in (rundir.REPORT, rundir.PAGE)}
    report.conclude(tmp_path)
    assert before == {name: (tmp_path / name).read_bytes() for name in before}


def test_skew_above_the_limit_is_missed(tmp_path: Path) -> None:
    write_run(tmp_path, {"tokyo": 4.0, "paris": -1.5})
    made = report.conclude(tmp_path)
    assert made.status == 1 and made.faults == ["skew p99 5.50 ms is above 5 ms"]
    assert "NOT IN SYNC" in shown(made)
    write_run(tmp_path, {"tokyo": 4.0, "paris": -1.5}, max_p99_ms=None)
    assert report.conclude(tmp_path).status == 0


def test_a_late_first_frame_is_missed(tmp_path: Path) -> None:
    write_run(tmp_path, {"tokyo": 6.0, "paris": 6.0})
    made = report.conclude(tmp_path)
    assert made.status == 1 and len(made.faults) == 2 and "first frame came +6.00 ms" in made.faults[0]


def test_a_dark_display_is_missed(tmp_path: Path) -> None:
    write_run(tmp_path, {"tokyo": 1.0, "paris": 1.0}, keep=lambda venue, _: venue == "tokyo")
    made = report.conclude(tmp_path)
    assert made.status == 1
    assert made.faults[0] == "paris: never showed a film" and "no frame was seen on all" in made.faults[1]
    assert json.loads((tmp_path / rundir.REPORT).read_text())["skew_ms"]["p99"] is None
    assert (tmp_path / rundir.PAGE).exists() and "–" in shown(made)


def test_a_bad_cut_is_missed_and_named(tmp_path: Path) -> None:
    write_run(
        tmp_path, {"tokyo": 1.0, "paris": 1.0}, keep=lambda venue, spot: (venue, spot) != ("paris", Spot(1, 0, 0))
    )
    made = report.conclude(tmp_path)
    assert made.faults == ["paris: 1 of 4 cuts bad (first frame missing 1)"]
    assert "paris: 1 frames were due and never seen" in made.notes


def test_a_coarse_meter_voids_even_a_bad_run(tmp_path: Path) -> None:
    write_run(tmp_path, {"tokyo": 9.0, "paris": -9.0}, gap_p99=1.5)
    made = report.conclude(tmp_path)
    assert made.status == 5
    assert "VOID" in shown(made) and "Void" in (tmp_path / rundir.PAGE).read_text()


def test_films_without_barcodes(tmp_path: Path) -> None:
    write_run(tmp_path, {"tokyo": 1.0, "paris": 0.5}, mode="signature")
    made = report.conclude(tmp_path)
    assert made.status == 0 and made.analysis.skew.at(99) == 0.5
    assert any("half a frame" in note for note in made.notes)
    assert "–" in shown(made)


def test_a_run_cut_short_says_so(tmp_path: Path) -> None:
    write_run(tmp_path, {"tokyo": 1.0, "paris": 1.0})
    meter = tmp_path / rundir.METER
    lines = meter.read_text().splitlines()
    end = json.loads(lines[len(lines) // 2])[0]
    last = {**json.loads(lines[-1]), "at_ns": end}
    meter.write_text("\n".join([*lines[: len(lines) // 2], json.dumps(last)]) + "\n")
    made = report.conclude(tmp_path)
    assert any(note.startswith("cut short: measured for 4.") for note in made.notes) and made.status == 0


def test_a_venue_that_was_not_measured_is_missed(tmp_path: Path) -> None:
    write_run(tmp_path, {"tokyo": 1.0, "paris": 1.0})
    facts = rundir.load(tmp_path)
    rundir.save(tmp_path, facts.model_copy(update={"venues": ["tokyo", "paris", "toronto"]}))
    assert report.conclude(tmp_path).faults == ["toronto: was not measured"]


def test_a_folder_that_holds_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="name the folder of a lab run"):
        report.conclude(tmp_path)


@pytest.mark.parametrize(("stolen", "said"), [(None, False), (0.002, False), (0.0712, True)])
def test_processor_time_that_the_host_took_is_said(tmp_path: Path, stolen: float | None, said: bool) -> None:
    write_run(tmp_path, {"tokyo": 1.0, "paris": 2.0}, stolen=stolen)
    made = report.conclude(tmp_path)
    told = [note for note in made.notes if "steal" in note]
    assert len(told) == said
    assert not said or "the host gave 7.1% of the processors' time away" in told[0]
    assert report.as_json(made)["stolen"] == (None if stolen is None else round(stolen, 3))
    assert made.status == 0


def test_what_was_done_to_the_time_servers_is_told(tmp_path: Path) -> None:
    write_run(tmp_path, {"tokyo": 1.0, "paris": 2.0})
    assert not [note for note in report.conclude(tmp_path).notes if "time server" in note]
    done = {"liar_ms": 80.0, "asymmetry_ms": 10.0, "true_clocks": True}
    rundir.save(tmp_path, rundir.load(tmp_path).model_copy(update=done))
    made = report.conclude(tmp_path)
    assert [note for note in made.notes if "lied by +80 ms" in note] and [
        note for note in made.notes if "by 5 ms" in note
    ]
    figures = report.as_json(made)
    assert {name: figures[name] for name in done} == done
