import threading
from queue import SimpleQueue

from agent.clock.hands import Hands

LONG_S = 10.0


def threads(name: str) -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == name}


def ask(hands: Hands) -> threading.Thread:
    """Who does it."""
    said: SimpleQueue[threading.Thread] = SimpleQueue()
    hands.take(lambda: said.put(threading.current_thread()))
    return said.get(timeout=LONG_S)


def test_what_comes_one_after_the_other_is_done_by_few_and_what_comes_at_once_at_once() -> None:
    hands, name = Hands("few"), "few"
    # One may be asked again before it has put itself back, so a second one may be there.
    assert len({ask(hands) for _ in range(50)}) <= 2
    begun = threading.Barrier(6)

    def meet() -> None:
        begun.wait(LONG_S)

    for _ in range(5):
        hands.take(meet)
    begun.wait(LONG_S)  # all five are at work, or this breaks
    assert 5 <= len(threads(name)) <= 7
    hands.end()


def test_at_the_end_all_go_and_none_is_waited_for() -> None:
    hands, hold = Hands("gone"), threading.Event()
    ask(hands)

    def wait() -> None:
        hold.wait(LONG_S)

    hands.take(wait)
    hands.end()
    left = threads("gone")
    assert left, "one still works"
    hold.set()
    for thread in left:
        thread.join(LONG_S)
    assert threads("gone") == set()
