from agent.outbox import Outbox, Outgoing


def record(n: int) -> Outgoing:
    return Outgoing("venue/a/ack", b"%d" % n, False)


def state(n: int, topic: str = "venue/a/status") -> Outgoing:
    return Outgoing(topic, b"%d" % n, True)


def drain(box: Outbox) -> list[bytes]:
    payloads = []
    while entry := box.take():
        payloads.append(entry[1].payload)
    return payloads


def test_records_go_out_in_order_and_stay_until_taken() -> None:
    box = Outbox(10)
    for n in range(3):
        assert box.put(record(n)) is None
    number, first = box.take() or (0, record(-1))
    assert first.payload == b"0"
    assert drain(box) == [b"1", b"2"]
    box.taken(number)
    box.rewind()
    assert drain(box) == [b"1", b"2"]


def test_of_states_only_the_newest_per_topic_is_kept() -> None:
    box = Outbox(10)
    for n in range(5):
        box.put(state(n))
    box.put(state(7, "venue/a/presence"))
    assert len(box) == 2
    assert drain(box) == [b"4", b"7"]


def test_a_state_replaced_while_on_its_way_is_followed_by_the_newer_one() -> None:
    box = Outbox(10)
    box.put(state(1))
    number, _ = box.take() or (0, None)
    box.put(state(2))
    box.taken(number)
    assert len(box) == 1
    assert drain(box) == [b"2"]


def test_the_oldest_record_is_given_up_and_named() -> None:
    box = Outbox(2)
    box.put(state(9))
    box.put(record(0))
    box.put(record(1))
    dropped = box.put(record(2))
    assert dropped is not None and dropped.payload == b"0"
    assert drain(box) == [b"9", b"1", b"2"]


def test_days_without_a_broker_do_not_grow_the_list_of_numbers() -> None:
    box = Outbox(2)
    for n in range(10_000):
        box.put(state(n))
    assert len(box._unsent) < 100
    assert drain(box) == [b"9999"]
