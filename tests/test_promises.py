from agent.effects import Kept
from agent.messages import Refusal
from agent.promises import Promises

FULL = Refusal(code="journal", detail="the disk is full")


def test_a_write_waits_for_the_journals_word() -> None:
    promises = Promises()
    promises.ordered("cue/1")
    assert (promises.waiting("cue/1"), promises.short("cue/1")) == (True, None)
    promises.heard(Kept(("cue/1",), None))
    assert (promises.waiting("cue/1"), promises.short("cue/1")) == (False, None)


def test_a_write_that_fails_is_short_until_it_has_come_right() -> None:
    promises = Promises()
    promises.ordered("cue/1")
    before = promises.changes
    for _ in range(3):
        promises.heard(Kept(("cue/1",), FULL))
    assert (promises.waiting("cue/1"), promises.short("cue/1")) == (False, FULL)
    assert promises.changes == before + 1, "the same word again is no news"
    promises.heard(Kept(("cue/1",), None))
    assert promises.short("cue/1") is None
    assert promises.changes == before + 2


def test_that_a_cue_is_on_the_disk_is_no_news_to_others_but_that_a_program_is() -> None:
    promises = Promises()
    for key, news in (("cue/1", 0), ("program/reel/1", 1)):
        promises.ordered(key)
        before = promises.changes
        promises.heard(Kept((key,), None))
        assert promises.changes == before + news


def test_a_further_write_about_the_same_waits_anew() -> None:
    promises = Promises()
    promises.heard(Kept(("cue/1",), FULL))
    promises.ordered("cue/1")
    assert (promises.waiting("cue/1"), promises.short("cue/1")) == (True, None)
