from agent.outbox import ON_THEIR_WAY, ROOMS, Kind, Outbox, Outgoing, Room

SMALL: dict[Kind, Room] = {kind: Room(2, 1000) for kind in ROOMS}


def record(n: int, kind: Kind = "ack") -> Outgoing:
    return Outgoing("venue/a/ack", b"%d" % n, kind)


def state(n: int, topic: str = "venue/a/status") -> Outgoing:
    return Outgoing(topic, b"%d" % n, "state")


def drain(box: Outbox) -> list[bytes]:
    payloads = []
    while entry := box.take():
        payloads.append(entry[1].payload)
    return payloads


def deliver(box: Outbox) -> list[bytes]:
    """All that is held, where the broker answers for each message at once."""
    payloads = []
    while entry := box.take():
        payloads.append(entry[1].payload)
        box.taken(entry[0])
    return payloads


def test_records_go_out_in_order_and_stay_until_taken() -> None:
    box = Outbox()
    for n in range(3):
        assert box.put(record(n)) == []
    number, first = box.take() or (0, record(-1))
    assert first.payload == b"0"
    assert drain(box) == [b"1", b"2"]
    box.taken(number)
    box.rewind()
    assert drain(box) == [b"1", b"2"]


def test_of_states_only_the_newest_per_topic_is_kept() -> None:
    box = Outbox()
    for n in range(5):
        box.put(state(n))
    box.put(state(7, "venue/a/presence"))
    assert len(box) == 2
    assert drain(box) == [b"4", b"7"]


def test_a_state_replaced_while_on_its_way_is_followed_by_the_newer_one() -> None:
    box = Outbox()
    box.put(state(1))
    number, _ = box.take() or (0, None)
    box.put(state(2))
    box.taken(number)
    assert len(box) == 1
    assert drain(box) == [b"2"]


def test_the_oldest_record_is_given_up_and_named() -> None:
    box = Outbox(SMALL)
    box.put(state(9))
    box.put(record(0))
    box.put(record(1))
    assert [dropped.payload for dropped in box.put(record(2))] == [b"0"]
    assert drain(box) == [b"9", b"1", b"2"]


def test_no_kind_pushes_out_another() -> None:
    box = Outbox(SMALL)
    kinds: tuple[Kind, ...] = ("ack", "asrun", "refusal", "answer")
    for number, kind in enumerate(kinds):
        box.put(record(number, kind))
    for number in range(1000):
        for dropped in box.put(record(number, "refusal")):
            assert dropped.kind == "refusal"
    assert drain(box) == [b"0", b"3", b"998", b"999", b"1"], "records last"


def test_a_kind_is_bounded_by_its_bytes_too_and_one_message_always_has_room() -> None:
    box = Outbox({"answer": Room(100, 1000)})
    sizes = [400, 400, 400, 5000, 10]
    dropped = [[len(gone.payload) for gone in box.put(Outgoing("a", b"x" * size, "answer"))] for size in sizes]
    assert dropped == [[], [], [400], [400, 400], [5000]]


def test_what_was_taken_leaves_room() -> None:
    box = Outbox(SMALL)
    for n in range(100):
        assert box.put(record(n)) == []
        number, _ = box.take() or (0, None)
        box.taken(number)
    assert len(box) == 0
    assert len(box._shelves["ack"].numbers) <= 1


def test_days_without_a_broker_do_not_grow_the_list_of_numbers() -> None:
    box = Outbox(SMALL)
    for n in range(10_000):
        box.put(state(n))
    assert sum(map(len, box._unsent)) < 100
    assert drain(box) == [b"9999"]


def test_a_picture_is_not_sent_to_a_broker_that_was_away() -> None:
    """Whoever asked for it has gone; an answer of another kind was on its way and still counts."""
    box = Outbox()
    box.put(record(1, "shot"))
    box.put(record(2, "answer"))
    box.rewind()
    assert drain(box) == [b"2"] and len(box) == 1


def test_of_pictures_only_the_newest_wait_for_a_thin_line() -> None:
    box = Outbox()
    for n in range(10):
        box.put(record(n, "shot"))
    assert deliver(box) == [b"6", b"7", b"8", b"9"]


def test_neither_a_week_of_records_nor_pictures_hold_up_what_the_show_is_steered_by() -> None:
    box = Outbox()
    bulk: tuple[Kind, ...] = ("page", "shot", "asrun")
    for n in range(30):
        for kind in bulk:
            box.put(record(n, kind))
    on_their_way = [entry[1].kind for entry in iter(box.take, None)]
    assert on_their_way == ["asrun"] * ON_THEIR_WAY[1] + ["page"] * ON_THEIR_WAY[2]
    assert len(on_their_way) < ON_THEIR_WAY[0], "there is room for an ack, with nothing answered for"
    box.put(record(99))
    box.put(state(98))
    assert drain(box) == [b"99", b"98"]


def test_no_more_is_on_its_way_than_a_broker_takes_and_the_rest_follows() -> None:
    box = Outbox()
    for n in range(20):
        box.put(record(n))
    flying = [entry[0] for entry in iter(box.take, None)]
    assert len(flying) == 16
    box.taken(flying[3])
    assert drain(box) == [b"16"]
    box.rewind()
    assert deliver(box) == [b"%d" % n for n in range(20) if n != 3]
