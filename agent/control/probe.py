"""What a film is, by ffprobe: size, codec, exact frame count and rate; and whether every wall can show it on the frame.

A film is decoded once from end to end: only that tells how many pictures it has, and that none is damaged. What mpv
cannot enter at any frame exactly (tests/long/films shows it on the pixels) is refused here, before the show.
"""

import json
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from agent.messages import Refusal
from agent.programs import MIN_ITEM_US
from agent.units import US_PER_S, frames_to_us, parse_rate

STILL_FORMATS = ("image2", "_pipe")
EXACT_FORMATS = ("mp4", "matroska", "avi", "gif", "apng")
"""The containers in which mpv finds every frame. Others have no index, or time stamps that it has to guess."""
COPIED_FORMATS = ("mpegts", "flv", "ogg")
"""Those whose pictures have time stamps, so that they can go into Matroska as they are."""
TIMEOUT_S = 6 * 3600
"""Against a hung ffprobe only: an hour of 4K takes half an hour to decode."""
USUAL_RATES = tuple(Fraction(n, d) for n in (24_000, 25_000, 30_000, 48_000, 50_000, 60_000) for d in (1000, 1001))
ROUNDED = Fraction(1, 10_000)  # a tenth of the step from 30 to 30000/1001
SLACK_S = Fraction(4, 1000)
"""How far a time stamp may be from its instant: mpv takes a frame up to 5 ms early for the wanted one."""
MOST_RATE = 120
"""Above it that tolerance of mpv's reaches the frame before."""
UPRIGHT = ("", "1")


@dataclass(frozen=True, slots=True)
class Film:
    """One probed file, `width` and `height` as it is shown. A still has `duration_us` instead of `fps` and `frames`.

    `begins_us` is the file's own time stamp of its first frame.
    """

    path: Path
    codec: str
    width: int
    height: int
    fps: str | None
    frames: int | None
    duration_us: int | None
    sound: bool
    begins_us: int = 0


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
    videos = [s for s in streams if s.get("codec_type") == "video" and not _is_cover(s)]
    if complaint and not streams:
        return Refusal(code="broken", detail=f"{path}: is not a film or is broken ({complaint}); export it again")
    if not videos or not videos[0].get("width") or not videos[0].get("height"):
        return Refusal(code="no_picture", detail=f"{path}: has no picture; give a film or a still")
    video = videos[0]
    formats = str(about.get("format", {}).get("format_name", ""))
    still = any(name in formats for name in STILL_FORMATS)
    if not still and not any(name in formats.split(",") for name in EXACT_FORMATS):
        how = "-c copy" if formats in COPIED_FORMATS else "-crf 16"
        what = f"a container ({formats}) in which not every frame can be found exactly"
        return Refusal(code="container", detail=f"{path}: is {what}; {_mend(path, how)}")
    if len(videos) > 1:
        mend = _mend(path, "-map 0:v:0 -map 0:a? -c copy")
        return Refusal(code="two_pictures", detail=f"{path}: has {len(videos)} pictures, not one; {mend}")
    seen, complaint = _decode(path, video)
    announced = int(video.get("nb_frames") or 0)
    if complaint or not seen.frames or seen.packets < announced:
        why = complaint or f"{min(len(seen.frames), seen.packets)} of {announced} frames are there"
        return Refusal(code="broken", detail=f"{path}: is broken or cut off ({why}); export or copy it again")
    sound = any(s.get("codec_type") == "audio" for s in streams)
    return _judge(path, video, seen, sound, still_us if still else None)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What decoding showed: every frame, and how many packets there were."""

    frames: list[dict[str, Any]]
    packets: int


def _judge(path: Path, video: dict[str, Any], seen: _Seen, sound: bool, still_us: int | None) -> Film | Refusal:
    """Whether a whole film of a fit container can be shown on the frame."""
    turn = _turn(video)
    codec, width, height = str(video.get("codec_name", "unknown")), int(video["width"]), int(video["height"])
    if turn % 180:
        width, height = height, width
    fault = next(_faults(path, seen.frames, turn), None)
    if fault is not None:
        return fault
    if still_us is not None and len(seen.frames) == 1:
        return Film(path, codec, width, height, None, None, still_us, False)
    rate = constant_rate(video, seen.frames)
    times = [frame["pts"] for frame in seen.frames if isinstance(frame.get("pts"), int)]
    if rate is None or len(times) < len(seen.frames):
        usual = _usual(_rate(video.get("avg_frame_rate")) or Fraction(30))
        lack = "frames of uneven length" if len(times) == len(seen.frames) else "frames without time stamps"
        mend = _mend(path, f"-fps_mode cfr -r {_written(usual)} -crf 16")
        return Refusal(code="uneven", detail=f"{path}: has {lack}, on which walls cannot meet; {mend}")
    if rate > MOST_RATE:
        mend = _mend(path, "-r 60 -crf 16")
        return Refusal(code="rate", detail=f"{path}: has {float(rate):g} frames a second, at most {MOST_RATE}; {mend}")
    begins_us = round(times[0] * Fraction(video["time_base"]) * US_PER_S)
    if begins_us < 0:
        return Refusal(code="begin", detail=f"{path}: begins before its own zero; {_mend(path, '-crf 16')}")
    length_us = int(frames_to_us(len(times), rate))
    if length_us < MIN_ITEM_US:
        seconds = f"{length_us / US_PER_S:.2f} s"
        return Refusal(code="too_short", detail=f"{path}: lasts {seconds}; a film must last 2 s at least")
    return Film(path, codec, width, height, _written(rate), len(times), None, sound, begins_us)


def _faults(path: Path, frames: list[dict[str, Any]], turn: int) -> Iterator[Refusal]:
    """What the frames themselves have against being shown."""
    if turn % 90:
        yield Refusal(code="turned", detail=f"{path}: is to be turned by {turn}°; export it upright")
    if any(frame.get("interlaced_frame") for frame in frames):
        what = "is interlaced, which a wall shows as combs"
        also = "(if it only says so: '-vf setfield=prog' instead)"
        mend = _mend(path, "-vf bwdif=send_frame -crf 16")
        yield Refusal(code="interlaced", detail=f"{path}: {what}; {mend} {also}")
    sizes = {(frame.get("width"), frame.get("height")) for frame in frames}
    if len(sizes) > 1:
        yield Refusal(code="sizes", detail=f"{path}: changes its size on the way; export it in one size")
    if any(str(frame.get("tags", {}).get("Orientation", "")).strip() not in UPRIGHT for frame in frames):
        # Which versions of mpv turn such a picture differs: the walls would not show the same.
        yield Refusal(code="turned", detail=f"{path}: lies on its side and only a tag says so; save it upright")


def constant_rate(stream: dict[str, Any], frames: list[dict[str, Any]]) -> Fraction | None:
    """The rate at which all frames come, in frames per second; None when they do not come at one."""
    tick = Fraction(stream.get("time_base") or "1/1000")
    times = [frame["pts"] for frame in frames if isinstance(frame.get("pts"), int)]
    candidates = [rate for key in ("r_frame_rate", "avg_frame_rate") if (rate := _rate(stream.get(key))) is not None]
    for rate in candidates:
        # Containers round time stamps to their ticks; Matroska's are whole milliseconds.
        slack = min(Fraction(1, 4), 2 * tick * rate, SLACK_S * rate)
        if times and all(abs((at - times[0]) * tick * rate - n) <= slack for n, at in enumerate(times)):
            return rate
    return None


def _rate(text: Any) -> Fraction | None:
    """A rate of the header; one that a container rounded (Matroska: 19001/317) becomes the usual rate it means."""
    try:
        rate = parse_rate(str(text))
    except ValueError:
        return None
    return next((usual for usual in USUAL_RATES if abs(usual / rate - 1) < ROUNDED), rate)


def _usual(rate: Fraction) -> Fraction:
    return min(USUAL_RATES, key=lambda usual: abs(usual - rate))


def _written(rate: Fraction) -> str:
    return str(rate.numerator) if rate.denominator == 1 else f"{rate.numerator}/{rate.denominator}"


def _mend(path: Path, how: str) -> str:
    """The command that makes a fit film of this one."""
    return f"mend it: ffmpeg -i {shlex.quote(path.name)} {how} {shlex.quote(path.stem + '-fit.mkv')}"


def _turn(stream: dict[str, Any]) -> int:
    """By how many degrees the file has itself turned when it is shown."""
    found = [data["rotation"] for data in stream.get("side_data_list", []) if "rotation" in data]
    return int(found[0]) if found else 0


def _is_cover(stream: dict[str, Any]) -> bool:
    return bool(stream.get("disposition", {}).get("attached_pic"))


def _decode(path: Path, video: dict[str, Any]) -> tuple[_Seen, str]:
    """Decode the whole picture; what came of it, and ffprobe's complaint."""
    wanted = "packet=flags:frame=pts,width,height,interlaced_frame:frame_tags=Orientation"
    found, complaint = _ffprobe(
        path, *("-threads", "0", "-select_streams", str(video["index"])), *("-show_entries", wanted)
    )
    both = found.get("packets_and_frames", [])
    frames = [entry for entry in both if entry["type"] == "frame"]
    return _Seen(frames, sum(entry["type"] == "packet" for entry in both)), complaint


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
