from pathlib import Path

import pytest

from agent.lab import reel
from agent.lab.processes import LabError
from agent.lab.reel import Reel
from agent.programs import Item, Program


def item(name: str, **length: object) -> Item:
    fields = {"name": name, "sha256": "0" * 64, "size": 1, "codec": "h264", "width": 2, "height": 2, "sound": False}
    return Item.model_validate({**fields, "urls": ["http://a/b"], **length})


def program(*items: Item) -> Program:
    return Program(v=1, program="reel", rev=1, show="lab", issued=0, items=list(items))  # type: ignore[arg-type]


def test_ones_own_films_play_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.MKV", "notes.txt"):
        (tmp_path / name).touch()
    found = reel.take(tmp_path)
    assert [path.name for path in found.paths] == ["a.MKV", "b.mp4"]
    assert found.mode == "signature"


@pytest.mark.parametrize(("folder", "words"), [("none", "cannot be read"), (".", "holds no films")])
def test_a_folder_without_films_is_refused(tmp_path: Path, folder: str, words: str) -> None:
    with pytest.raises(LabError, match=words) as caught:
        reel.take(tmp_path / folder)
    assert caught.value.status == 2


def test_the_facts_are_those_of_the_published_program() -> None:
    films = Reel((Path("a"), Path("b")), (1, 2))
    assert films.mode == "barcode"
    found = reel.facts(films, program(item("a", fps="30", frames=90), item("b", fps="60", frames=180)))
    assert [(film.clip, film.fps, film.frames) for film in found] == [(1, "30", 90), (2, "60", 180)]


def test_a_film_without_a_constant_rate_cannot_be_measured() -> None:
    with pytest.raises(LabError, match=r"still\.png: has no constant frame rate"):
        reel.facts(Reel((Path("still.png"),), ()), program(item("still.png", duration_us=3_000_000)))
