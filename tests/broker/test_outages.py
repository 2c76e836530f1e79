"""The short form of tests/long/outages, and its judge."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import outages
import pytest
from brokers import MosquittoFactory
from outages import Ear, Outcome, judge

from agent.units import UtcUs, format_utc

GOOD = Outcome("killed", "steady", (0.4,), (False,), 0.3, 0, 0)


@pytest.mark.needs("mosquitto", "ffmpeg", "chronyd")
@pytest.mark.timeout(180)
async def test_walls_start_and_join_whatever_happens_to_brokers_lines_and_agents(
    tmp_path: Path, mosquittos: MosquittoFactory
) -> None:
    brokers = mosquittos(), mosquittos()
    outcomes = await outages.play(tmp_path, brokers, outages.ROUNDS, outages.SHORT, print)
    assert [fault for outcome in outcomes for fault in outcome.faults()] == []


def test_a_venue_that_did_what_it_should_is_good() -> None:
    assert GOOD.faults() == []
    joined = Outcome("killed", "away", (0.4,), (True,), 0.3, 0, 0)
    assert joined.faults() == []
    twice = Outcome("killed", "killed", (0.4, 0.5), (False, True), 0.3, 2, 0)
    assert twice.faults() == [], "an agent that is killed takes along what it had not told yet"
    slow = Outcome("killed", "killed", (0.5,), (True,), 0.3, 0, 0, ready=False)
    assert slow.faults() == [], "a machine that took too long to start it again"


@pytest.mark.parametrize(
    ("venue", "changes", "word"),
    [
        ("steady", {"starts_ms": (), "joined": ()}, "never started"),
        ("steady", {"joined": (True,)}, "started late all the same"),
        ("away", {"joined": (False,)}, "could not have it in time"),
        ("steady", {"starts_ms": (0.1, 0.1), "joined": (False, True)}, "started 2 times"),
        ("killed", {}, "did not join"),
        ("steady", {"starts_ms": (80.0,)}, "80.0 ms off"),
        ("steady", {"place_s": None}, "not where it should be"),
        ("steady", {"place_s": 2.0}, "not where it should be"),
        ("cut", {"lost": 1}, "1 of its words were lost"),
        ("steady", {"twice": 1}, "told twice"),
    ],
)
def test_a_venue_that_did_not_is_named(venue: str, changes: dict[str, Any], word: str) -> None:
    assert any(word in fault for fault in replace(GOOD, venue=venue, **changes).faults())


def test_words_starts_and_places_are_counted_from_what_was_heard() -> None:
    t0_us = 1_700_000_000_000_000
    ack = {"venue": "cut", "cue": "c", "ready": None, "reason": None}
    accepted = {**ack, "stage": "accepted", "ready": True}
    started = {**ack, "stage": "started", "error_us": 400, "joined": False, "life": 0}
    status = {
        "venue": "cut",
        "cue": "c",
        "state": "playing",
        "time": format_utc(UtcUs(t0_us + 25_000_000)),
        "frame": 120,
    }
    run = {"venue": "cut", "cue": "c", "kind": "start", "due": "x"}
    ear = Ear({"ack": [accepted], "status": [status], "asrun": [run, run]})
    found = judge("killed", "cut", "c", t0_us, ear, [accepted, started])
    assert (found.starts_ms, found.joined, found.lost, found.twice) == ((0.4,), (False,), 1, 1)
    assert found.place_s == 1.0, "frame 120 of a loop of 20 s, five seconds into its second turn"
