from agent.board.pictures import Pictures


def test_every_wall_has_its_turn_also_where_some_come_and_go() -> None:
    pictures = Pictures()
    assert pictures.next_in_turn([]) is None
    assert [pictures.next_in_turn(["a", "b", "c"]) for _ in range(4)] == ["a", "b", "c", "a"]
    assert pictures.next_in_turn(["a", "c", "d"]) == "c"
    assert pictures.next_in_turn(["a", "b"]) == "a"
    assert [pictures.next_in_turn(["c", "a", "b"]) for _ in range(3)] == ["b", "c", "a"], "whatever their order is"
