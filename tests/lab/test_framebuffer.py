import struct
from pathlib import Path

import numpy as np
import pytest

from agent.lab import barcode
from agent.lab.framebuffer import Framebuffer, snapshots
from agent.lab.processes import LabError


def write_screen(path: Path, picture: np.ndarray, colours: int = 256, bits: int = 32, padding: int = 8) -> Path:
    """A file as Xvfb makes it, with `picture` (RGB) on the screen; lines are longer than their pixels need."""
    lines, width = picture.shape[:2]
    line_bytes = width * 4 + padding
    header = [160, 7, 2, 24, width, lines, 0, 0, 32, 0, 32, bits, line_bytes, 4, 0xFF0000, 0xFF00, 0xFF, 8, colours]
    header += [colours, width, lines, 0, 0, 0]
    pixels = np.zeros((lines, line_bytes), np.uint8)
    pixels[:, : width * 4].reshape(lines, width, 4)[:, :, :3] = picture[:, :, ::-1]
    path.write_bytes(struct.pack(">25I", *header).ljust(160, b"\0") + bytes(colours * 12) + pixels.tobytes())
    return path


def coded(clip: int, frame: int, width: int = 320, height: int = 180) -> np.ndarray:
    picture = np.zeros((height, width, 3), np.uint8)
    for row, word in enumerate(barcode.words(clip, frame)):
        top, bottom = barcode.row_span(row, height)
        for block in range(16):
            first, behind = barcode.block_span(block, width)
            picture[top:bottom, first:behind] = 255 * (word >> (15 - block) & 1)
    return picture


def read_code(screen: Framebuffer) -> tuple[int, int] | None:
    upper, lower = screen.barcode_slices()
    return barcode.decode(screen.memory[upper], screen.memory[lower])


@pytest.mark.parametrize("size", [(320, 180), (160, 90), (854, 480), (1080, 1920), (1920, 1080)])
def test_reads_the_code_at_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    screen = Framebuffer.open(write_screen(tmp_path / "s", coded(9, 54321, *size)))
    assert screen.size == size
    assert read_code(screen) == (9, 54321)
    screen.close()


def test_snapshot_has_the_colours_of_the_screen(tmp_path: Path) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (90, 160, 3), np.uint8)
    screen = Framebuffer.open(write_screen(tmp_path / "s", picture, colours=3))
    assert (screen.snapshot() == picture).all()
    screen.close()


def test_snapshots_are_named(tmp_path: Path) -> None:
    paths = {name: write_screen(tmp_path / name, coded(1, n)) for n, name in enumerate(("tokyo", "paris"))}
    pictures = snapshots(paths)
    assert list(pictures) == ["tokyo", "paris"]
    assert (pictures["paris"] == coded(1, 1)).all()


def test_a_signature_samples_the_whole_screen(tmp_path: Path) -> None:
    picture = np.zeros((180, 320, 3), np.uint8)
    picture[:, :, 1] = np.arange(180)[:, None]
    screen = Framebuffer.open(write_screen(tmp_path / "s", picture))
    samples = b"".join(screen.memory[piece] for piece in screen.signature_slices())
    assert len(samples) == 64
    assert sorted(set(samples)) == [11, 33, 56, 78, 101, 123, 146, 168]  # lines, top to bottom
    screen.close()


def test_what_is_no_screen_is_refused_with_the_remedy(tmp_path: Path) -> None:
    empty, short, odd = (tmp_path / name for name in ("empty", "short", "odd"))
    empty.touch()
    short.write_bytes(b"x" * 40)
    write_screen(odd, coded(1, 1), bits=16)
    for path, words in (
        (tmp_path / "none", "no framebuffer"),
        (empty, "no framebuffer"),
        (short, "too short"),
        (odd, "24 bits depth"),
    ):
        with pytest.raises(LabError, match=words):
            Framebuffer.open(path)


def test_a_screen_shorter_than_its_header_says_is_refused(tmp_path: Path) -> None:
    path = write_screen(tmp_path / "s", coded(1, 1))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(LabError, match="shorter"):
        Framebuffer.open(path)


def test_a_screen_too_small_for_the_code_is_refused(tmp_path: Path) -> None:
    screen = Framebuffer.open(write_screen(tmp_path / "s", np.zeros((60, 100, 3), np.uint8)))
    with pytest.raises(LabError, match="too small"):
        screen.barcode_slices()
    screen.close()
