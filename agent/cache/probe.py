"""What is in a film's file, by ffprobe: a look at its headers by a process of its own, within a time.

ffprobe reads the one file and nothing else: no network, no playlist that names other files, no list of pictures.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import structlog

from agent.contents import Contents
from agent.units import US_PER_S

log = structlog.get_logger()

TIMEOUT_S = 60.0
FILMS = ("mov", "matroska", "avi", "gif", "apng", "mpegts", "mpeg", "flv", "ogg", "mxf", "asf")
STILLS = ("png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe", "jpegxl_pipe")
"""Containers that hold their pictures themselves. Playlists (hls, concat, dash, image2 …) name other files."""
REMEDY = "sudo apt-get install ffmpeg"
_WANTED = (
    "format=format_name,duration:stream=codec_type,codec_name,width,height,r_frame_rate,avg_frame_rate,nb_frames,duration"
    ":stream_tags=DURATION:stream_side_data=rotation:stream_disposition=attached_pic"
)
_UNKNOWN = {"0/0", "0/1", "", None}
_SECONDS = re.compile(r"(\d{1,9})(\.\d{1,18})?", re.ASCII)
"""What a file may say of its length: more digits, or an exponent, are no length but an attack on whoever reckons."""
MOST_SECONDS = 1_000_000_000


def available() -> bool:
    """Whether films can be looked into on this machine."""
    return shutil.which("ffprobe") is not None


class Probe:
    """Looks into files. What this machine lacks is no fault of a film: then nothing is known of it."""

    def __init__(self) -> None:
        self._warned = False

    def look(self, path: Path) -> Contents | None:
        """What is in a file; None where that cannot be told. Takes its time: call it in a thread."""
        if not available():
            self._warn("ffprobe is not installed: films are not compared with their programs", remedy=REMEDY)
            return None
        command = ["ffprobe", "-v", "error", "-protocol_whitelist", "file"]
        command += ["-format_whitelist", ",".join((*FILMS, *STILLS)), "-show_entries", _WANTED]
        try:
            done = _run([*command, "-of", "json", f"file:{path}"])
        except (OSError, subprocess.SubprocessError) as error:
            self._warn("a film could not be looked into", path=str(path), error=type(error).__name__)
            return None
        if done.returncode < 0:
            self._warn("ffprobe crashed on a film", path=str(path), signal=-done.returncode)
            return None
        try:
            found = json.loads(done.stdout) if done.returncode == 0 else {}
        except ValueError:
            found = {}
        return contents_of(found)

    def _warn(self, text: str, **fields: Any) -> None:
        if not self._warned:
            self._warned = True
            log.warning(text, **fields)


def _run(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            with contextlib.suppress(OSError):  # it may be over already
                os.setpriority(os.PRIO_PROCESS, process.pid, 19)
            out, _ = process.communicate(timeout=TIMEOUT_S)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out)


def contents_of(found: dict[str, Any]) -> Contents:
    """What ffprobe's answer means. A file that it cannot read is nothing that a wall could show."""
    streams = [stream for stream in found.get("streams", []) if stream.get("codec_type") == "video"]
    videos = [stream for stream in streams if not stream.get("disposition", {}).get("attached_pic")]
    if not videos or not videos[0].get("width") or not videos[0].get("height"):
        return Contents(fault="the file is no film and no still that a wall could show")
    video = videos[0]
    width, height = int(video["width"]), int(video["height"])
    turns = [data["rotation"] for data in video.get("side_data_list", []) if "rotation" in data]
    if turns and int(turns[0]) % 180:
        width, height = height, width
    return Contents(
        codec=str(video.get("codec_name", "unknown"))[:64],
        width=width,
        height=height,
        rates=tuple(
            str(rate) for key in ("r_frame_rate", "avg_frame_rate") if (rate := video.get(key)) not in _UNKNOWN
        ),
        frames=_number(video.get("nb_frames")),
        length_us=_length_us(video, found.get("format", {}), alone=len(found["streams"]) == 1),
    )


def _number(text: Any) -> int | None:
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 16 else None


def _length_us(video: dict[str, Any], whole: dict[str, Any], *, alone: bool) -> int | None:
    """How long the picture lasts: by its own word, or by the file's where there is nothing else in it."""
    tag = str(video.get("tags", {}).get("DURATION", ""))
    told = [_seconds(video.get("duration")), _clock(tag), _seconds(whole.get("duration")) if alone else None]
    return next((round(seconds * US_PER_S) for seconds in told if seconds and seconds < MOST_SECONDS), None)


def _seconds(text: Any) -> Fraction | None:
    return Fraction(text) if isinstance(text, str) and _SECONDS.fullmatch(text) else None


def _clock(text: str) -> Fraction | None:
    """Matroska's own way: 00:01:02.500000000."""
    parts = [seconds for part in text.split(":") if (seconds := _seconds(part)) is not None]
    return parts[0] * 3600 + parts[1] * 60 + parts[2] if len(parts) == 3 and text.count(":") == 2 else None
