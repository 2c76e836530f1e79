"""Text from outside, made fit for a terminal: pure.

Whatever a venue, a broker or a stranger sends may hold escape sequences that move the cursor, rename the window or
repaint a line that was red, and bidirectional overrides that show a name as another one (Unicode TR 36). None of that
reaches an operator's terminal: every text from outside goes through here, and nothing else does it.
"""

import re
from unicodedata import category

MAX_CHARS = 1000
"""What is longer is cut: a sentence with a remedy is not."""

# ECMA-48, section 5: CSI … final byte; OSC, DCS, SOS, PM and APC up to BEL or ST; and other two-byte sequences.
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_SPACES = str.maketrans("\t\n\v\f\r\u2028\u2029", " " * 7)


def printable(text: str, most_chars: int = MAX_CHARS) -> str:
    """One line without control characters, escape sequences and changes of direction, cut at `most_chars`."""
    if text.isprintable() and len(text) <= most_chars:
        return text
    plain = _SEQUENCES.sub("", text[: 4 * most_chars]).translate(_SPACES)
    kept = "".join(char for char in plain if char not in _DIRECTIONS and category(char) not in _UNSAFE)
    return kept if len(kept) <= most_chars else f"{kept[: most_chars - 1]}…"
