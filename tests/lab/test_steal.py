from agent.lab.steal import Ticks


def test_the_share_stolen_between_two_readings() -> None:
    before = Ticks.parse("cpu  100 0 50 800 10 0 5 20 7 0\ncpu0 1 2 3\n")
    after = Ticks.parse("cpu  150 0 70 1600 10 0 5 150 9 0\ncpu0 1 2 3\n")
    assert (before.all, before.stolen) == (985, 20)
    assert after.stolen_since(before) == 0.13


def test_a_kernel_that_does_not_count_it_stole_nothing() -> None:
    assert Ticks.parse("cpu  100 0 50 800 10 0 5\n").stolen == 0


def test_this_machine_has_counters_that_grow() -> None:
    before = Ticks.now()
    assert before.all > 0
    assert 0 <= Ticks.now().stolen_since(before) <= 1
