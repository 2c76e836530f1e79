"""Who else uses our name, from boot ids in presences alone."""

from agent.rivals import REMEMBERED_S, Rivals

OURS, LAST_LIFE, OTHER = "ours", "last-life", "other"


def test_our_own_words_and_our_last_life_are_no_rival() -> None:
    rivals = Rivals(OURS)
    assert not rivals.live(OURS, online=True, now_s=0)
    assert not rivals.live(LAST_LIFE, online=False, now_s=0), "a will that came late"
    assert not rivals.kept(LAST_LIFE, ours_before=False, now_s=0)
    assert not rivals.kept(OURS, ours_before=True, now_s=0)
    assert rivals.current(0) == ""


def test_a_broker_that_lost_our_first_word_is_no_rival_either() -> None:
    rivals = Rivals(OURS)
    assert not rivals.kept(LAST_LIFE, ours_before=True, now_s=0), "restored from before we came"
    assert not rivals.kept(OURS, ours_before=True, now_s=1)
    assert rivals.current(1) == ""


def test_another_that_speaks_is_a_rival_at_once_and_one_that_spoke_at_the_second_sight() -> None:
    assert Rivals(OURS).live(OTHER, online=True, now_s=0)
    rivals = Rivals(OURS)
    assert not rivals.kept(OTHER, ours_before=True, now_s=0)
    assert rivals.kept(OTHER, ours_before=True, now_s=1)
    assert rivals.current(1) == OTHER


def test_a_rival_is_forgotten_when_it_leaves_no_more_traces() -> None:
    rivals = Rivals(OURS)
    rivals.live(OTHER, online=True, now_s=0)
    assert rivals.current(REMEMBERED_S - 1) == OTHER
    assert rivals.current(REMEMBERED_S) == ""
    rivals.pushed_out(500)
    assert rivals.current(501) == OTHER, "who else"
    rivals = Rivals(OURS)
    rivals.pushed_out(0)
    assert rivals.current(1) == "?"
