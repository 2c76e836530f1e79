"""What is in a film's file, and whether that is what its program says: pure.

The sha256 promises that the file is the one that the program names; this tells whether the program describes it. A
program that says otherwise would start at wrong frames, on all walls or on some, and nobody would know before the show.
"""

from fractions import Fraction
from functools import lru_cache

from agent.messages import Count, Model, Refusal
from agent.programs import Item, Variant
from agent.units import US_PER_S, parse_rate

SLACK_FRAMES = 2
"""By so much headers may differ from what decoding finds: Matroska rounds, and a last frame may have any length."""
SLACK_US = 10_000
RATE_SLACK = Fraction(1, 2000)
"""Half of the step from 30 to 30000/1001; Matroska's rates are rounded by less."""
_ALIASES = {"avc": "h264", "avc1": "h264", "h.264": "h264", "hvc1": "hevc", "hev1": "hevc", "h265": "hevc"}
_ALIASES |= {"h.265": "hevc", "jpeg": "mjpeg", "jpg": "mjpeg", "av01": "av1", "vp09": "vp9"}


class Contents(Model):
    """What the headers of a file say of its picture, `width` and `height` as it is shown.

    `fault` is set where the file is nothing that a wall could show, and the rest then means nothing. `frames` and
    `length_us` (of the picture, where it is told apart from the sound) are None where the container does not say.
    """

    fault: str = ""
    codec: str = ""
    width: Count = 0
    height: Count = 0
    rates: tuple[str, ...] = ()
    frames: Count | None = None
    length_us: Count | None = None


def mismatch(contents: Contents, item: Item, encode: Item | Variant) -> Refusal | None:
    """Why a file is not the film that an item of a program describes, in the encode of this venue; None if it is."""
    fault = contents.fault or _difference(contents, item, encode)
    if not fault:
        return None
    detail = f"{item.name}: {fault}; publish the film again with 'framezero publish', and cue the new revision"
    return Refusal(code="film_mismatch", detail=detail)


def _difference(contents: Contents, item: Item, encode: Item | Variant) -> str:
    # A variant need not name its codec.
    codec = encode.codec
    if codec is not None and _plain(codec) != _plain(contents.codec):
        return f"the file is {contents.codec}, the program says {codec}"
    if (contents.width, contents.height) != (encode.width, encode.height):
        found = f"{contents.width}x{contents.height}"
        return f"the file is {found} pixels large, the program says {encode.width}x{encode.height}"
    if item.fps is None or item.frames is None:
        return ""  # a still: how long it stands is the program's own affair
    wanted = _rate(item.fps)
    rates = [rate for rate in map(_rate, contents.rates) if rate is not None]
    if wanted is None or not any(abs(rate / wanted - 1) <= RATE_SLACK for rate in rates):
        told = " or ".join(dict.fromkeys(contents.rates)) or "no"
        return f"the file has {told} frames a second, the program says {item.fps}"
    if contents.frames == item.frames or contents.length_us is None:
        return ""
    length_us = item.frames * US_PER_S / wanted
    if abs(contents.length_us - length_us) <= SLACK_FRAMES * US_PER_S / wanted + SLACK_US:
        return ""
    found = f"{contents.frames} frames" if contents.frames else f"{contents.length_us / US_PER_S:.2f} s of picture"
    return f"the file has {found}, the program says {item.frames} frames ({float(length_us) / US_PER_S:.2f} s)"


def _plain(codec: str) -> str:
    return _ALIASES.get(codec.lower(), codec.lower())


@lru_cache(maxsize=256)
def _rate(text: str) -> Fraction | None:
    try:
        return parse_rate(text)
    except ValueError:
        return None
