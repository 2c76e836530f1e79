"""What a film is, by ffprobe: size, codec, exact frame count, and whether its frames come at a constant rate."""

import json
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from agent.messages import MIN_ITEM_US, Refusal
from agent.units import US_PER_S, frames_to_us, parse_rate

STILL_FORMATS = ("image2", "_pipe")
TIMEOUT_S = 600
USUAL_RATES = tuple(Fraction(n, d) for n in (24_000, 25_000, 30_000, 48_000, 50_000, 60_000) for d in (1000, 1001))
ROUNDED = Fraction(1, 10_000)  # a tenth of the step from 30 to 30000/1001


@dataclass(frozen=True, slots=True)
class Film:
    """One probed file. A still, or a film of variable frame rate, has `duration_us` instead of `fps` and `frames`."""

    path: Path
    codec: str
    width: int
    height: int
    fps: str | None
    frames: int | None
    duration_us: int | None
    sound: bool


def probe(path: Path, still_us: int) -> Film | Refusal:
    """Look at one file; a still is given `still_us`. A refusal names the file and the remedy."""
    if not path.is_file():
        return Refusal(code="missing", detail=f"{path}: is not a file; check the path")
    try:
        path.name.encode()
    except UnicodeEncodeError:
        return Refusal(code="name", detail=f"{path.name!r}: its name is not UTF-8; rename it")
    about, complaint = _ffprobe(path, "-show_format", "-show_streams")
    streams = about.get("streams", [])
    video = next((s for s in streams if s.get("codec_type") == "video" and not _is_cover(s)), None)
    if complaint and not streams:
        return Refusal(code="broken", detail=f"{path}: is not a film or is broken ({complaint}); export it again")
    if video is None or not video.get("width") or not video.get("height"):
        return Refusal(code="no_picture", detail=f"{path}: has no picture; give a film or a still")
    format_name = str(about.get("format", {}).get("format_name", ""))
    codec, width, height = str(video.get("codec_name", "unknown")), int(video["width"]), int(video["height"])
    sound = any(s.get("codec_type") == "audio" for s in streams)
    packets, complaint = _ffprobe(
        path, "-select_streams", str(video["index"]), "-show_entries", "packet=pts,duration,flags"
    )
    shown = [packet for packet in packets.get("packets", []) if "D" not in str(packet.get("flags", ""))]
    announced = int(video.get("nb_frames") or 0)
    if complaint or not shown or len(packets["packets"]) < announced:
        why = complaint or f"{len(shown)} of {announced} frames are there"
        return Refusal(code="broken", detail=f"{path}: is broken or cut off ({why}); export or copy it again")
    if len(shown) == 1 and any(name in format_name for name in STILL_FORMATS):
        return Film(path, codec, width, height, None, None, still_us, False)
    rate = constant_rate(video, shown)
    if rate is not None:
        film = Film(path, codec, width, height, _written(rate), len(shown), None, sound)
        length_us = int(frames_to_us(len(shown), rate))
    else:
        length_us = _length_us(video, shown)
        film = Film(path, codec, width, height, None, None, length_us, sound)
    if length_us < MIN_ITEM_US:
        seconds = f"{length_us / US_PER_S:.2f} s"
        return Refusal(code="too_short", detail=f"{path}: lasts {seconds}; a film must last 2 s at least")
    return film


def constant_rate(stream: dict[str, Any], packets: list[dict[str, Any]]) -> Fraction | None:
    """The rate at which all frames come, in frames per second; None when they do not come at one."""
    tick = Fraction(stream.get("time_base") or "1/1000")
    times = sorted(packet["pts"] for packet in packets if isinstance(packet.get("pts"), int))
    candidates = [rate for key in ("r_frame_rate", "avg_frame_rate") if (rate := _rate(stream.get(key))) is not None]
    if len(times) < len(packets):
        # Without time stamps (a raw stream) there is only what the header says.
        return candidates[0] if len(candidates) == 2 and candidates[0] == candidates[1] else None
    for rate in candidates:
        # Containers round time stamps to their ticks; Matroska's are whole milliseconds.
        slack = min(Fraction(1, 4), 2 * tick * rate)
        if all(abs((at - times[0]) * tick * rate - n) <= slack for n, at in enumerate(times)):
            return rate
    return None


def _rate(text: Any) -> Fraction | None:
    """A rate of the header; one that a container rounded (Matroska: 19001/317) becomes the usual rate it means."""
    try:
        rate = parse_rate(str(text))
    except ValueError:
        return None
    return next((usual for usual in USUAL_RATES if abs(usual / rate - 1) < ROUNDED), rate)


def _written(rate: Fraction) -> str:
    return str(rate.numerator) if rate.denominator == 1 else f"{rate.numerator}/{rate.denominator}"


def _length_us(stream: dict[str, Any], packets: list[dict[str, Any]]) -> int:
    tick = Fraction(stream.get("time_base") or "1/1000")
    stamped = [packet for packet in packets if isinstance(packet.get("pts"), int)]
    if not stamped:
        return round(Fraction(stream.get("duration") or 0) * US_PER_S)
    last = max(stamped, key=lambda packet: int(packet["pts"]))
    span: int = last["pts"] + int(last.get("duration") or 0) - min(packet["pts"] for packet in stamped)
    return round(span * tick * US_PER_S)


def _is_cover(stream: dict[str, Any]) -> bool:
    return bool(stream.get("disposition", {}).get("attached_pic"))


def _ffprobe(path: Path, *wanted: str) -> tuple[dict[str, Any], str]:
    """Run ffprobe; returns what it found, and its complaint if it has one.

    Raises FileNotFoundError when ffprobe is not installed: `publish` asks for it before it begins.
    """
    # 'file:' keeps names with a colon from being taken for protocols.
    command = ["ffprobe", "-v", "error", *wanted, "-of", "json", f"file:{path}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return {}, f"ffprobe needed more than {TIMEOUT_S} s"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    complaint = lines[-1].removeprefix(f"file:{path}: ") if lines else ""
    found = json.loads(done.stdout or b"{}") if done.returncode == 0 else {}
    return found, complaint or ("" if done.returncode == 0 else "ffprobe failed")
