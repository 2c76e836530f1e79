from dataclasses import replace

import pytest
from makers import ANYBODY, T0, VENUE, S, now_at, program_body

from agent import library as libraries
from agent.intake import Taken, take_program
from agent.library import Library
from agent.programs import Program
from agent.units import UtcUs, format_utc


def taken(name: str, rev: int, issued: int = 0) -> Taken[Program]:
    body = program_body(rev=rev, program=name, issued=format_utc(UtcUs(T0 + issued * S)))
    found = take_program(body, (name, str(rev)), VENUE, ANYBODY, now_at(T0))
    assert isinstance(found, Taken)
    return found


def test_programs_are_found_by_their_revision_and_changes_are_counted() -> None:
    library = Library()
    first = taken("reel", 1)
    library.put(first)
    assert library.programs == {("reel", 1): first.message}
    assert library.digest(("reel", 1)) == first.digest
    before = library.changes
    assert library.pop(("reel", 2)) is None
    assert library.changes == before
    assert library.pop(("reel", 1)) is first
    assert library.changes == before + 1
    assert (library.programs, library.digest(("reel", 1))) == ({}, None)


def test_the_oldest_that_nobody_needs_is_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "MOST_PROGRAMS", 4)
    library = Library()
    for name, rev, issued in (("reel", 1, 30), ("reel", 2, 20), ("reel", 3, 10), ("ads", 7, 0)):
        assert not library.full
        library.put(taken(name, rev, issued))
    assert library.full
    assert library.spare(("x", 1), set()) == ("reel", 2), "by when it was issued; the newest of each is needed"
    assert library.spare(("x", 1), {("reel", 2)}) == ("reel", 1)
    assert library.spare(("x", 1), {("reel", 1), ("reel", 2)}) is None
    assert library.spare(("ads", 8), {("reel", 1), ("reel", 2)}) == ("ads", 7)


def test_another_body_under_a_revision_is_news_once_and_a_conflict_until_its_key_or_the_revision_goes() -> None:
    library, rival = Library(), replace(taken("reel", 1, issued=9), signers=frozenset({"stolen"}))
    library.put(taken("reel", 1))
    library.contest(rival)
    before = library.changes
    library.contest(rival)
    assert library.changes == before, "whoever repeats it keeps no venue busy"
    assert [refusal.code for refusal in library.conflicts.values()] == ["program_conflict"]
    library.settle(lambda signers: signers == {"stolen"})
    assert library.conflicts.keys() == {("reel", 1)}
    library.settle(lambda signers: False)
    assert library.conflicts == {}
    library.contest(rival)
    library.pop(("reel", 1))
    assert library.conflicts == {}
