from agent.control.once import Once


def test_each_is_new_once_and_the_oldest_of_many_is_forgotten() -> None:
    once = Once[int](3)
    assert [once.first(mark) for mark in (1, 2, 1, 3, 2)] == [True, True, False, True, False]
    assert once.first(4), "and 1 is forgotten now"
    assert [once.first(mark) for mark in (4, 3, 2, 1)] == [False, False, False, True]
