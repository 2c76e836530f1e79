import pytest

from agent.board import palette


def test_contrast_is_that_of_wcag() -> None:
    assert palette.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert palette.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("ground", palette.GROUNDS)
@pytest.mark.parametrize("colour", palette.TEXTS)
def test_every_text_can_be_read_on_every_ground(colour: str, ground: str) -> None:
    assert palette.contrast(colour, ground) >= palette.WCAG_AA


@pytest.mark.parametrize("fill", palette.FILLS)
def test_what_is_written_on_a_button_can_be_read(fill: str) -> None:
    assert palette.contrast(palette.ON_FILL, fill) >= palette.WCAG_AA


def _without_green_cones(colour: str) -> tuple[float, float, float]:
    """The colour as a deuteranope sees it: Machado, Oliveira and Fernandes (2009), severity 1.0, on linear light."""
    matrix = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881))
    red, green, blue = ((int(colour[at : at + 2], 16) / 255) ** 2.2 for at in (1, 3, 5))
    seen = [max(0.0, min(1.0, sum(a * b for a, b in zip(row, (red, green, blue), strict=True)))) for row in matrix]
    return seen[0] ** (1 / 2.2), seen[1] ** (1 / 2.2), seen[2] ** (1 / 2.2)


@pytest.mark.parametrize("one", [palette.GOOD, palette.WARN, palette.BAD, palette.INFO])
def test_states_stay_apart_for_eyes_without_green_cones(one: str) -> None:
    for other in {palette.GOOD, palette.WARN, palette.BAD, palette.INFO} - {one}:
        seen = zip(_without_green_cones(one), _without_green_cones(other), strict=True)
        assert sum((a - b) ** 2 for a, b in seen) ** 0.5 > 0.12, other


def test_the_style_sheet_gets_every_colour() -> None:
    assert f"--good:{palette.GOOD};" in palette.variables()
