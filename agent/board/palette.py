"""The colours of a dark room, and how well they can be read: pure.

States are told by shape, word and place before colour. The hues are near those of Okabe and Ito (Color Universal
Design, 2008), lightened for a near-black ground; they stay apart for eyes without red or green cones.
"""

GROUND = "#0a0c0f"
PANEL = "#11151a"
RAISED = "#1a2029"
LINE = "#2a323d"
TEXT = "#e8ecf1"
DIM = "#a7b1be"
FAINT = "#8792a0"
GOOD = "#45d3a3"
WARN = "#f2c14e"
BAD = "#ff7259"
INFO = "#74bdf5"
FOCUS = "#ffffff"

TEXTS = (TEXT, DIM, FAINT, GOOD, WARN, BAD, INFO)
"""Every colour that letters have on a ground."""
GROUNDS = (GROUND, PANEL, RAISED)
ON_FILL = "#06090c"
"""Letters on a filled button or pill."""
FILLS = (GOOD, WARN, BAD, INFO, TEXT)
VENUES = ("#74bdf5", "#f2c14e", "#45d3a3", "#e59ac6", "#ff7259", "#f5ef7a", "#b3a5ff", "#d8dee6")
"""One for each line of a plot; from the ninth venue on they begin again."""

WCAG_AA = 4.5
"""The least contrast of text by WCAG 2.2, success criterion 1.4.3."""


def contrast(one: str, other: str) -> float:
    """The ratio of the luminances of two `#rrggbb` colours as WCAG 2.2 reckons it, 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def variables() -> str:
    """The colours as CSS variables, for the style sheet."""
    named = {
        "ground": GROUND,
        "panel": PANEL,
        "raised": RAISED,
        "line": LINE,
        "text": TEXT,
        "dim": DIM,
        "faint": FAINT,
        "good": GOOD,
        "warn": WARN,
        "bad": BAD,
        "info": INFO,
        "focus": FOCUS,
        "on-fill": ON_FILL,
    }
    return ":root{" + "".join(f"--{name}:{colour};" for name, colour in named.items()) + "}"


def _luminance(colour: str) -> float:
    def linear(value: int) -> float:
        share = value / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(colour[at : at + 2], 16)) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
