import json
from typing import Any

import pytest
from makers import item_body

from agent.contents import Contents, mismatch
from agent.messages import Refusal, decode
from agent.programs import Item

GOOD = Contents(codec="h264", width=320, height=180, rates=("30/1", "30/1"), frames=90, length_us=3_000_000)


def item(**changes: Any) -> Item:
    made = decode(Item, json.dumps(item_body("a", **changes)).encode())
    assert not isinstance(made, Refusal), made
    return made


def found(contents: Contents, wanted: Item) -> str:
    refusal = mismatch(contents, wanted, wanted)
    if refusal is None:
        return ""
    assert refusal.code == "film_mismatch" and "a.mp4" in refusal.detail and "publish" in refusal.detail
    return refusal.detail


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"codec": "hevc", "rates": ("25/1", "30000/1001"), "length_us": 3_003_000},
        {"frames": None, "length_us": 3_033_000},  # Matroska's sound is a little longer
        {"frames": None, "length_us": None},
        {"frames": 200},  # an edit list shows part of them
    ],
)
def test_a_film_that_is_as_its_program_says_is_taken(changes: dict[str, Any]) -> None:
    fps = "30000/1001" if "rates" in changes else "30"
    wanted = item(fps=fps, codec=changes.get("codec", "h264"))
    assert found(GOOD.model_copy(update=changes), wanted) == ""


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"codec": "hevc"}, "the file is hevc, the program says h264"),
        ({"width": 640}, "640x180"),
        ({"width": 180, "height": 320}, "180x320"),
        ({"rates": ("25/1", "25/1")}, "25/1 frames a second, the program says 30"),
        ({"rates": ("30000/1001",)}, "30000/1001"),
        ({"rates": ()}, "no frames a second"),
        ({"frames": 60, "length_us": 2_000_000}, "60 frames, the program says 90"),
        ({"frames": None, "length_us": 4_000_000}, "4.00 s of picture"),
        ({"fault": "the file is no film"}, "no film"),
    ],
)
def test_what_differs_is_named(changes: dict[str, Any], named: str) -> None:
    assert named in found(GOOD.model_copy(update=changes), item())


def test_a_still_and_a_variant_are_compared_by_what_is_said_of_them() -> None:
    still = item(codec="png", fps=None, frames=None, duration_us=5_000_000)
    assert found(Contents(codec="png", width=320, height=180), still) == ""
    assert "png" in found(GOOD, still)
    variant = {"sha256": "b" * 64, "size": 1, "width": 100, "height": 200, "urls": ["http://f.example/b"]}
    both = item(variants={"paris": variant})
    tall = GOOD.model_copy(update={"codec": "vp9", "width": 100, "height": 200})
    assert mismatch(tall, both, both.variants["paris"]) is None  # its codec is not told
    assert mismatch(tall, both, both) is not None
    assert mismatch(GOOD, both, both.variants["paris"]) is not None


def test_names_of_codecs_that_mean_the_same_are_the_same() -> None:
    assert found(GOOD, item(codec="avc1")) == "" and found(GOOD, item(codec="H264")) == ""


def test_contents_survive_the_disk() -> None:
    assert Contents.model_validate_json(GOOD.model_dump_json()) == GOOD
