from pathlib import Path
from types import SimpleNamespace
from typing import cast

from agent.lab.cables import FOLDER, Cables
from agent.lab.world import World


def test_a_file_pulls_a_cable_once_and_its_end_plugs_it_in(tmp_path: Path) -> None:
    done: list[tuple[str, bool]] = []
    cables = Cables(tmp_path, ["tokyo", "paris"], lambda venue, cut: done.append((venue, cut)))
    assert (cables.look(), done) == ([], [])
    (tmp_path / FOLDER / "paris").touch()
    (tmp_path / FOLDER / "atlantis").touch()
    assert cables.look() == ["paris: its cable is pulled"]
    assert cables.look() == []
    (tmp_path / FOLDER / "paris").unlink()
    assert cables.look() == ["paris: its cable is back"]
    assert done == [("paris", True), ("paris", False)]


def test_all_lines_of_a_venue_are_cut_and_no_other() -> None:
    done: list[tuple[str, bool]] = []

    def line(*names: str) -> SimpleNamespace:
        return SimpleNamespace(ports=dict.fromkeys(names, 1), cut=lambda link, cut: done.append((link, cut)))

    standing = SimpleNamespace(udp=line("paris-ntp-1", "tokyo-ntp-1"), tcp=line("tokyo-broker", "paris-broker"))
    World.pull(cast(World, standing), "paris", True)
    assert done == [("paris-ntp-1", True), ("paris-broker", True)]
