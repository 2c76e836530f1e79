from pathlib import Path

import pytest

from agent.lab import rundir
from agent.lab.processes import LabError
from agent.lab.programme import Spot
from agent.lab.rundir import ClockSample, FilmFacts, RunFacts
from agent.units import UtcUs, parse_utc

DUE = parse_utc("2025-06-02T12:00:00.000000Z")


def facts() -> RunFacts:
    clock = [ClockSample(time=UtcUs(DUE + s * 1_000_000), error_ms=float(s), bound_ms=5.0) for s in (-9, -1, 4)]
    return RunFacts(
        venues=["tokyo", "paris"],
        films=[
            FilmFacts(name="a.mp4", clip=1, fps="30000/1001", frames=90),
            FilmFacts(name="b", clip=None, fps="25", frames=50),
        ],
        loop=True,
        due_utc=DUE,
        end_utc=UtcUs(DUE + 9_000_000),
        size="320x180",
        ready_s={"tokyo": 2.5, "paris": None},
        clock={"tokyo": clock},
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    rundir.save(tmp_path, facts())
    assert rundir.load(tmp_path) == facts()


def test_the_programme_has_exact_instants() -> None:
    show = facts().programme()
    assert show.due_ns == DUE * 1000
    assert show.due(Spot(0, 1, 0)) - show.due_ns == 3_003_000_000
    assert show.end_ns == show.due_ns + 9_000_000_000


def test_the_clock_at_the_start_is_the_nearest_sample() -> None:
    sample = facts().clock_at_start("tokyo")
    assert sample and sample.error_ms == -1.0
    assert facts().clock_at_start("paris") is None


@pytest.mark.parametrize(("text", "words"), [("{", "JSON"), ('{"v": 1}', "venues"), ("[]", "run the lab again")])
def test_a_broken_file_is_refused_by_field(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / rundir.RUN).write_text(text)
    with pytest.raises(LabError, match=words):
        rundir.load(tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"run\.json.*name the folder"):
        rundir.load(tmp_path)
