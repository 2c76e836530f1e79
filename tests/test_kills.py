"""The short form of tests/long/kills, and whether it would notice."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import kills
import pytest
from brokers import Mosquitto

from agent.cache.disk import place_of
from agent.lab.processes import Processes

KILLS = 10


@pytest.mark.needs("mosquitto", "chronyd")
@pytest.mark.timeout(300)
async def test_whatever_was_promised_survives_a_kill_at_any_point(
    processes: Processes, mosquitto: Mosquitto, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    place, programs = kills.prepare(processes, mosquitto, tmp_path)
    figures = await kills.Run(place, programs, seed=1).go(KILLS, lambda _: None)
    assert not figures.faults
    assert figures.kills == KILLS and figures.cues_lost == 0
    assert figures.checked > 0 and figures.films_checked > 0, "nothing was there to be lost"
    record_property(
        "figure",
        f"kills: {KILLS} SIGKILLs, {figures.accepted} of {figures.sent} cues accepted and none lost, "
        f"{figures.films_checked} films whole, {figures.fetched} fetched, {figures.evicted} evicted",
    )


def test_a_lost_cue_and_a_film_that_is_not_whole_are_noticed(tmp_path: Path) -> None:
    film = kills._noise(0)
    sha256 = hashlib.sha256(film).hexdigest()
    place = kills.Place(tmp_path, None, tmp_path / "agent.toml", {sha256: film})  # type: ignore[arg-type]
    run = kills.Run(place, [], seed=1)
    run._judge()
    assert not run.figures.faults
    run._accepted.add("a cue")
    run._expires["a cue"] = 2**60
    path = place_of(place.cache, sha256)
    path.parent.mkdir(parents=True)
    path.write_bytes(film[:-1])
    path.with_name("left-over").write_bytes(b"")
    run._judge()
    words = ("accepted cues are not in the journal", "is not whole", "the cache grows")
    assert all(word in fault for word, fault in zip(words, run.figures.faults, strict=True)), run.figures.faults
