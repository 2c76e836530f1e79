from pathlib import Path
from typing import Any

from makers import item_body, program_body

from agent.cache.disk import place_of
from agent.config import Config, parse
from agent.effects import KeepProgram
from agent.journal import Journal
from agent.messages import Refusal
from agent.technician.films import Stock, stock


def config(folder: Path) -> Config:
    tree: dict[str, Any] = {
        "venue": "paris",
        "groups": ["west"],
        "show": "reel-show",
        "timezone": "Europe/Paris",
        "state_dir": str(folder / "state"),
        "broker": {"urls": ["mqtt://127.0.0.1"]},
        "clock": {"servers": ["ntp.example"]},
        "cache": {"dir": str(folder / "cache")},
    }
    return parse(tree, "test")


def put(folder: Path, letter: str) -> None:
    path = place_of(folder / "cache", letter * 64)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"film")


def test_the_films_of_a_running_agent_are_known_each_once_and_in_this_venues_encode(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "state")
    assert isinstance(journal, Journal)
    variant = {"sha256": "c" * 64, "size": 1, "width": 180, "height": 320, "urls": ["http://films.example/c"]}
    still: dict[str, Any] = {"name": "still.png", "codec": "png", "fps": None, "frames": None, "duration_us": 5_000_000}
    items = [item_body("a"), item_body("b", variants={"@west": variant}), item_body("d"), item_body("e", **still)]
    journal.keep(KeepProgram("reel", 1, program_body(items)))
    journal.keep(KeepProgram("reel", 2, program_body([*items[:1], item_body("f", fps="25")], rev=2)))
    journal.keep(KeepProgram("other", 1, program_body([item_body("9")], show="another-show", program="other")))
    for letter in "abcef":
        put(tmp_path, letter)
    try:
        found = stock(config(tmp_path))
    finally:
        journal.close()
    assert isinstance(found, Stock)
    assert [(film.name, film.sha256[0], film.rate) for film in found.here] == [
        ("a.mp4", "a", "30"),
        ("b.mp4", "c", "30"),
        ("still.png", "e", ""),
        ("f.mp4", "f", "25"),
    ]
    assert found.missing == ("d.mp4",) and found.unread == ()
    assert (found.here[1].width, found.here[1].height) == (180, 320)
    assert [film.is_still for film in found.here] == [False, False, True, False]


def test_a_program_that_this_version_cannot_read_is_named(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "state")
    assert isinstance(journal, Journal)
    journal.keep(KeepProgram("reel", 3, b"{}"))
    journal.close()
    found = stock(config(tmp_path))
    assert isinstance(found, Stock) and found.unread == ("reel/3",)


def test_without_a_journal_it_is_said(tmp_path: Path) -> None:
    found = stock(config(tmp_path))
    assert isinstance(found, Refusal) and found.code == "journal_absent"
