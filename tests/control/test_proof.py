"""What records prove: each counts once, what is missing is named, and nothing is said that they do not say."""

from dataclasses import replace
from typing import Any

from asruns import MINUTE, record
from hypothesis import given
from hypothesis import strategies as some
from makers import T0, S, uuid_of

from agent.control.proof import Gap, Proof, Source, prove
from agent.control.proof_record import Record
from agent.control.proof_words import amiss, percent, verdict
from agent.units import UtcUs

CITIES = ("paris", "tokyo", "toronto")
END = 30


def start(venue: str, number: int, error_us: int = 0, **changes: Any) -> Record:
    due = T0 + number * MINUTE
    made = Record.of(record(number, "start", venue=venue, **changes))
    far = abs(error_us)
    return replace(made, observed=UtcUs(due + error_us), median_us=error_us, p95_us=far, p99_us=far, max_us=far)


def minute(venue: str, number: int, median_us: int = 0, **changes: Any) -> Record:
    made = Record.of(record(number, venue=venue, **changes))
    return replace(made, median_us=median_us, p95_us=abs(median_us), p99_us=abs(median_us))


def show(venues: tuple[str, ...] = CITIES, minutes: int = END) -> list[Record]:
    """Each wall plays a film of five minutes, looped."""
    return [
        each
        for index, venue in enumerate(venues)
        for number in range(minutes)
        for each in (
            *([start(venue, number, 100 * index)] if number % 5 == 0 else []),
            minute(venue, number, 10 * index),
        )
    ]


def proved(records: list[Record], until: int = END, made: int = END, **changes: Any) -> Proof:
    given: dict[str, Any] = {
        "show": "reel-show",
        "since": UtcUs(T0),
        "until": UtcUs(T0 + until * MINUTE),
        "made": UtcUs(T0 + made * MINUTE),
        "within_us": 20_000,
        **changes,
    }
    return prove(records, [Source(venue) for venue in CITIES], **given)


def test_a_show_without_fault_is_complete_and_clean() -> None:
    proof = proved(show())
    assert (proof.complete, proof.clean, amiss(proof)) == (True, True, [])
    assert [len(found.seen) for found in proof.starts] == [3] * 6
    assert {found.skew_us for found in proof.starts} == {200}
    assert {found.at_most_us for found in proof.starts} == {200 + 2 * 8000}
    assert [(found.skew_us, found.p99_us) for found in proof.minutes] == [(20, 20)] * END
    assert (proof.medians_within(19), proof.medians_within(20)) == (0.0, 1.0)
    wall = proof.walls[1]
    assert (wall.starts, wall.minutes, wall.frames, wall.median_us, wall.bound_us) == (6, 30, 54_000, 10, 8000)
    assert verdict(proof) == [
        "Each of 6 starts began in time on every wall that it was for.",
        "No wall that did so was more than 0.20 ms from its instant by its own observation, and no two more than "
        "0.20 ms apart, nor more than 16.2 ms if their clocks were as wrong as they may have been.",
        "Of 30 minutes that several walls have recorded, in 100 % each of them had 99 of 100 observed frames within "
        "20 ms of their instants; by their medians alone, they were within 20 ms of each other in 100 %.",
        "162\u202f000 frames were shown, 0 were dropped.",
    ]


def test_the_verdict_flatters_nobody_whose_medians_are_good() -> None:
    """Medians hide half of the frames: the headline counts those minutes in which nearly all frames were close."""
    records = [
        replace(each, p99_us=48_000, max_us=90_000, dropped=7)
        if each.kind == "minute" and each.venue == "tokyo" and each.due < T0 + 12 * MINUTE
        else each
        for each in show()
    ]
    proof = proved(records)
    assert (proof.frames_within(20_000), proof.medians_within(20_000)) == (0.6, 1.0)
    assert "in 60.00 % each of them had 99 of 100 observed frames within 20 ms" in " ".join(verdict(proof))
    assert "84 were dropped" in verdict(proof)[-1]
    assert amiss(proof) == [
        "tokyo: in 12 of 30 minutes fewer than 99 of 100 observed frames were within 20 ms of their instants",
        "tokyo: 84 frames were dropped",
    ]


def test_a_share_is_not_rounded_up_to_all() -> None:
    assert [percent(share) for share in (0.0, 0.5, 99_999 / 100_000, 1.0)] == ["0 %", "50.00 %", "99.99 %", "100 %"]


def test_clocks_that_nobody_vouched_for_give_no_limit() -> None:
    records = [
        replace(each, bound_us=None) if each.kind == "start" and each.venue == "paris" else each for each in show()
    ]
    proof = proved(records)
    assert proof.at_most_us is None
    assert "0.20 ms apart; for one or more, nobody vouched for a clock." in verdict(proof)[1]


def test_one_wall_alone_proves_no_togetherness() -> None:
    alone = [each for each in show() if each.venue == "paris"]
    said = verdict(proved(alone))
    assert said[-1].endswith("so how close together they were is not known.")
    assert said[-2] == "54\u202f000 frames were shown, 0 were dropped."


@given(some.randoms(use_true_random=False), some.lists(some.integers(0, 107), max_size=60))
def test_neither_order_nor_repetition_nor_new_numbers_change_anything(random: Any, again: list[int]) -> None:
    records = show()
    mixed = records + [replace(records[number], seq=number, book=uuid_of(5)) for number in again]
    random.shuffle(mixed)
    found = proved(mixed)
    plain = proved(records)
    assert [replace(each, seq=None, book=None) for each in found.records] == plain.records
    assert (found.starts, found.minutes, found.gaps) == (plain.starts, plain.minutes, plain.gaps)


def test_a_wall_that_was_away_has_missed_starts_joined_late_and_a_gap_and_all_is_named() -> None:
    lost = [each for each in show() if not (each.venue == "paris" and T0 + 7 * MINUTE <= each.due < T0 + 12 * MINUTE)]
    back = replace(start("paris", 12, 900, joined=True), due=UtcUs(T0 + 12 * MINUTE))
    proof = proved([*lost, back])
    assert [(found.due, found.missing) for found in proof.starts if found.missing] == [(T0 + 10 * MINUTE, ("paris",))]
    assert proof.joined == [back]
    assert proof.gaps == [Gap("paris", uuid_of(1), UtcUs(T0 + 7 * MINUTE), UtcUs(T0 + 12 * MINUTE))]
    assert (proof.complete, proof.clean, proof.walls[0].missed, proof.walls[0].joined) == (False, False, 1, 1)
    said = "\n".join(amiss(proof))
    assert "paris: 5 minutes without record, 2025-06-02 12:07:00–12:12:00 UTC" in said
    assert "paris: joined late, at 2025-06-02 12:12:00 UTC" in said
    assert "paris: no record of 1 start at 2025-06-02 12:10:00 UTC" in said


def test_a_start_inside_a_minute_that_is_not_over_is_no_gap_and_a_silence_is() -> None:
    running = [each for each in show(minutes=11) if not (each.kind == "minute" and each.due >= T0 + 9 * MINUTE)]
    assert proved(running, until=11, made=10).gaps == []
    late = proved(running, until=20, made=20)
    assert [(gap.venue, gap.since) for gap in late.gaps] == [(venue, T0 + 9 * MINUTE) for venue in CITIES]
    assert late.gaps[0].until == T0 + 20 * MINUTE - 75 * S


def test_an_end_or_the_next_cue_ends_what_has_to_be_recorded() -> None:
    def ended(venue: str) -> Record:
        return replace(minute(venue, 10), kind="end", observed=UtcUs(T0 + 10 * MINUTE + 20 * S))

    records = show(minutes=10)
    assert [gap.venue for gap in proved(records).gaps] == list(CITIES)
    assert proved([*records, *map(ended, CITIES)]).gaps == []
    black = [
        replace(start(venue, 10), cue=uuid_of(2), item=None, sha256=None, program=None, rev=None) for venue in CITIES
    ]
    assert proved([*records, *black]).gaps == [], "and black leaves no minutes"


def test_a_newer_cue_for_some_walls_only_is_no_missing_start_of_the_older_one() -> None:
    records = [each for each in show() if each.venue != "tokyo" or each.due < T0 + 10 * MINUTE]
    spot = [start("tokyo", number, cue=uuid_of(2)) for number in (10, 15, 20, 25)]
    spot += [minute("tokyo", number, cue=uuid_of(2)) for number in range(10, END)]
    proof = proved([*records, *spot])
    assert proof.clean
    assert proof.complete
    assert len(proof.starts) == 10


def test_a_wall_that_a_cue_was_for_and_that_has_no_record_of_it_at_all_is_named_where_that_is_known() -> None:
    records = show(("paris", "tokyo"))
    assert proved(records).clean
    known = proved(records, parties={uuid_of(1): frozenset({*CITIES, "elsewhere"})})
    assert {found.missing for found in known.starts} == {("toronto",)}
    assert "toronto: has no record of this period" in amiss(known)


def test_numbers_that_are_not_there_are_counted() -> None:
    numbered = [replace(each, book=uuid_of(6), seq=number + 5) for number, each in enumerate(show(("paris",)))]
    proof = proved([each for each in numbered if each.seq not in (19, 22)])
    assert (proof.walls[0].unnumbered, proof.complete) == (2, False)
    told_late = [each for each in numbered if each.seq not in (5, 6, 39)]
    assert proved(told_late).walls[0].unnumbered == 0, "near the rims a number may be of a record outside"
    only_starts = proved(numbered, only=lambda each: each.kind == "start")
    assert (only_starts.walls[0].unnumbered, len(only_starts.records)) == (0, 6)


def test_a_film_that_runs_and_is_joined_anew_has_begun_in_time() -> None:
    anew = replace(start("paris", 12, 300, joined=True), due=UtcUs(T0 + 12 * MINUTE + 7 * S))
    proof = proved([*show(), anew])
    assert (proof.clean, proof.joined, proof.righted, proof.walls[0].joined) == (True, [], [anew], 0)
    assert amiss(proof) == ["paris: joined a running film anew, because it was off, once: 2025-06-02 12:12:07 UTC"]


def test_a_time_without_a_bound_is_said_and_makes_no_limit() -> None:
    records = [replace(each, bound_us=None, clock="HOST") if each.venue == "tokyo" else each for each in show()]
    proof = proved(records)
    assert {found.at_most_us for found in proof.starts} == {None}
    assert proof.walls[1].unvouched == 36
    assert "tokyo: 36 records from a time in which nobody vouched" in "\n".join(amiss(proof))


def test_only_the_period_counts_and_an_empty_one_says_so() -> None:
    proof = proved(show(), since=UtcUs(T0 + 10 * MINUTE), until=15)
    assert ([found.due for found in proof.starts], len(proof.records)) == ([T0 + 10 * MINUTE], 3 * 6)
    empty = proved([])
    assert verdict(empty) == ["No venue has a record of this period."]
    assert amiss(empty) == [f"{venue}: has no record of this period" for venue in CITIES]
