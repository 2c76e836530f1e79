import io

from fake_venue import now_us, presence, status
from rich.console import Console

from agent.control.status import Wall, page
from agent.control.tables import MOST_ROWS, few, fitting, shortlist

LAYOUTS = (("a", "b", "c"), ("a", "c"), ("a",))


def drawn(width: int, *rows: dict[str, str]) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(fitting(rows, LAYOUTS, {"b": "bee"}, width))
    return console.export_text()


def test_as_many_columns_as_fit_and_no_cell_is_cut() -> None:
    rows = ({"a": "[red]aaaa[/]", "b": "b" * 20, "c": "cccc"}, {"a": "a", "c": "錦鯉"})
    assert "bee" in drawn(40, *rows) and "bbbb" in drawn(40, *rows)
    narrow = drawn(15, *rows)
    assert "bee" not in narrow and "cccc" in narrow and "錦鯉" in narrow
    assert "cccc" not in drawn(5, *rows) and "aaaa" in drawn(5, *rows)
    assert all(len(line) <= 40 for line in drawn(40, *rows).splitlines())


def test_of_too_many_the_bad_ones_are_drawn_first() -> None:
    few_items = list(range(MOST_ROWS))
    assert shortlist(few_items, lambda item: item % 2 == 0) == (few_items, "")
    many = list(range(1000))
    first, rest = shortlist(many, lambda item: item != 999)
    assert (first[0], first[1:], rest) == (999, many[: MOST_ROWS - 1], "and 900 more, all good; --json has all")
    _, rest = shortlist(many, lambda item: item < 500)
    assert rest == "and 900 more, 400 of them not good either; --json has all"


def test_names_are_counted_beyond_some() -> None:
    assert (few(["a"]), few(["a", "b", "c"]), few(["a", "b", "c", "d", "e"])) == ("a", "a, b, c", "a, b, c +2")


def test_a_fleet_is_drawn_with_what_is_wrong_at_its_top() -> None:
    walls = [Wall(f"v{number}", presence(f"v{number}"), status(f"v{number}"), False, 0) for number in range(300)]
    walls[299] = Wall("v299", presence("v299"), status("v299", ready=False), False, 0)
    other = presence("v298").model_copy(update={"messages": [2]})
    walls[298] = Wall("v298", other, status("v298"), False, 0)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(page(walls, now_us(), 120))
    lines = console.export_text().splitlines()
    assert lines[2].startswith("v298 ") and lines[3].startswith("v299 ")
    assert len(lines) < 120 and "and 200 more, all good; --json has all" in lines
    assert any("v299: film_missing" in line for line in lines) and any("v298: version" in line for line in lines)
