"""How fast this machine decodes a film: `python -m agent.player.bench --film koi.mp4 --codec h264 --rate 30`.

The film is decoded by libmpv with the decoder that the player would use, without sound and display, as fast as it
goes, for a second at each of three places; the slowest counts. The pictures are those that mpv handed to its output,
none left out, counted by their own times. Hardware decodes into memory here (see `profile.to_memory`); drawing, which
the processor does where there are no graphics, is not in it.

A process of its own, at the lowest priority that Linux has (SCHED_IDLE), so that it takes only what a running show
leaves over; the kernel ends it at its deadline, however libmpv hangs. It prints one `capacity.Answer`.
"""

import argparse
import ctypes
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.host import cpu_times
from agent.player import machine
from agent.player.capacity import Answer, Library, Measured, Sighting, Unmeasured, pace
from agent.player.profile import AUTO, Profile, choose, decoder_name, to_memory
from agent.player.urgency import hurry
from agent.units import parse_rate

PLACES = (0.5, 0.25, 0.75)
PLACE_S = 1.0
PLACE_MOST_S = 4.0
ENOUGH_FRAMES = 30
SHORT_S = 8.0
"""A film so short is decoded from its begin only."""
DEADLINE_S = 30
FIRST_PICTURE_S = 20.0

NOTHING = -1

_OPTIONS = {
    "config": "no",
    "terminal": "no",
    "osc": "no",
    "load_scripts": "no",
    "ytdl": "no",
    "idle": "yes",
    "keep_open": "yes",
    "pause": "yes",
    "ao": "null",
    "audio": "no",
    "sub": "no",
    "cache": "no",
    "hr_seek": "no",
    "framedrop": "no",
    "untimed": "yes",
    "video_sync": "audio",
    "image_display_duration": "inf",
}


@dataclass(slots=True)
class _Watch:
    """What libmpv says of a film that was loaded once, stamped on its own thread."""

    seen: list[Sighting] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    error: str = ""


class Bench:
    """A libmpv that decodes for nobody."""

    def __init__(self, profile: Profile, codec: str) -> None:
        import mpv  # looks for libmpv when it is imported

        from agent.player.adopt import adopt

        self._mpv: Any = mpv.MPV(**_OPTIONS)
        adopted = adopt(self._mpv, to_memory(profile))
        self._mpv["hwdec"] = adopted.hwdec_for(codec)
        self._watches: dict[int, _Watch] = {}
        self._playing = NOTHING
        self._error = mpv.MpvEventEndFile.ERROR
        self._decode = mpv.lazy_decoder
        self._mpv.event_callback("start-file")(self._on_start)
        self._mpv.event_callback("playback-restart")(lambda _event: self._watch(self._playing).ready.set())
        self._mpv.event_callback("end-file")(self._on_end)
        self._mpv.observe_property("time-pos", self._on_position)
        self._mpv.observe_property("eof-reached", self._on_eof)

    def measure(self, film: Path, rate: float | None) -> Measured | Unmeasured:
        """Decode at each place; `rate` is the film's in frames a second, None for what the file says itself."""
        before, began = cpu_times(), _own_s()
        slowest: Measured | None = None
        places: tuple[float, ...] = PLACES
        while places:
            place, *rest = places
            seen = self._decode_at(film, place)
            if isinstance(seen, Unmeasured):
                return seen
            length_s = float(self._mpv.duration or 0.0)
            if length_s < SHORT_S and place:
                places = (0.0,)
                continue
            found = self._paced(seen, rate, place * length_s)
            if found is not None and (slowest is None or found.fps < slowest.fps):
                slowest = found
            places = tuple(rest)
        if slowest is None:
            return Unmeasured(code="failed", detail="too few of its pictures came to measure anything")
        return slowest.model_copy(update={"elsewhere": _elsewhere(before, began)})

    def _watch(self, entry: int) -> _Watch:
        """Of one loading: what an earlier one still says must not be taken for this one's."""
        return self._watches.setdefault(entry, _Watch())

    def _decode_at(self, film: Path, place: float) -> list[Sighting] | Unmeasured:
        self._mpv.pause = True
        self._mpv["start"] = f"{place:.0%}"
        watch = self._watch(int(self._mpv.command("loadfile", str(film), "replace")["playlist_entry_id"]))
        if not watch.ready.wait(FIRST_PICTURE_S) or watch.error:
            what = watch.error or f"no picture came within {FIRST_PICTURE_S:.0f} s"
            return Unmeasured(code="broken", detail=f"mpv cannot play it: {what}")
        if not self._mpv.video_format:
            return Unmeasured(code="broken", detail="mpv finds no picture in it")
        began = time.perf_counter()
        self._mpv.pause = False
        while not watch.over.wait(0.02):
            spent = time.perf_counter() - began
            if spent > PLACE_MOST_S or (spent > PLACE_S and len(watch.seen) > ENOUGH_FRAMES):
                break
        self._mpv.pause = True
        return list(watch.seen)

    def _paced(self, seen: list[Sighting], rate: float | None, at_s: float) -> Measured | None:
        own = float(self._mpv.container_fps or 0.0)
        paced = pace(seen, rate or own) if rate or own else None
        if paced is None:
            return None
        current = self._mpv.hwdec_current
        return Measured(
            codec=str(self._mpv.video_format),
            width=int(self._mpv.width or 0),
            height=int(self._mpv.height or 0),
            frames=paced[0],
            seconds=paced[1],
            at_s=at_s,
            decoder="software" if current in (None, "no", "") else str(current),
            elsewhere=0.0,
        )

    def _on_position(self, _name: str, value: float | None) -> None:
        watch = self._watch(self._playing)
        # During a seek time-pos is its target.
        if value is not None and watch.ready.is_set():
            watch.seen.append((time.perf_counter(), value))

    def _on_start(self, event: Any) -> None:
        self._playing = event.data.playlist_entry_id

    def _on_eof(self, _name: str, value: bool | None) -> None:
        if value:
            self._watch(self._playing).over.set()

    def _on_end(self, event: Any) -> None:
        if event.data.reason == self._error:
            watch = self._watch(event.data.playlist_entry_id)
            watch.error = str(event.as_dict(decoder=self._decode).get("file_error", "unknown error"))
            watch.over.set()
            watch.ready.set()


def _own_s() -> float:
    used = os.times()
    return used.user + used.system


def _elsewhere(before: tuple[int, int], own_before_s: float) -> float:
    """The share of all processors that other processes took since then."""
    busy, total = (after - then for after, then in zip(cpu_times(), before, strict=True))
    own = (_own_s() - own_before_s) * os.sysconf("SC_CLK_TCK")
    return round(min(1.0, max(0.0, (busy - own) / total)), 3) if total else 0.0


def library(profile: Profile) -> Library:
    """Which libmpv there is and what it takes of a profile; nothing is opened or drawn."""
    import mpv

    from agent.player.adopt import adopt

    realtime = hurry()
    core = mpv.MPV(**_OPTIONS)
    adopted = adopt(core, profile)
    return Library(
        mpv=str(core.mpv_version),
        profile=adopted.name,
        note=adopted.note,
        remedy=adopted.remedy,
        hwdec=adopted.hwdec,
        hardware=sorted(adopted.hardware),
        uses_hardware=adopted.uses_hardware,
        realtime=realtime,
    )


def _give_way() -> None:
    """Run only where nobody else wants to, and end with whoever asked and at the deadline, whatever hangs."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(DEADLINE_S)
    os.nice(19)
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _answer(words: argparse.Namespace) -> Answer:
    try:
        if words.film is None:
            return library(choose(machine.read(), words.output, words.decoder))
        _give_way()
        # Of a wall without display too it is of interest what the machine could.
        profile = choose(machine.read(), "x11", words.decoder)
        return Bench(profile, words.codec).measure(words.film, float(words.rate) if words.rate else None)
    except OSError as error:
        return Unmeasured(code="libmpv_absent", detail=f"libmpv cannot be loaded ({error})")


def main() -> None:
    """Entry point."""
    told = argparse.ArgumentParser(
        prog="python -m agent.player.bench",
        description="How fast this machine decodes a film, as one line of JSON; without --film, which libmpv there is.",
        epilog="Example: python -m agent.player.bench --film koi.mp4 --codec h264 --rate 30000/1001",
    )
    told.add_argument("--film", type=Path, help="the film, a file")
    told.add_argument("--codec", default="", help="its codec, as ffprobe names it")
    told.add_argument("--rate", type=parse_rate, help="its frames a second; default: what the file says")
    told.add_argument("--decoder", type=decoder_name, default=AUTO, help="as display.decoder in agent.toml")
    told.add_argument("--output", choices=("x11", "null"), default="x11", help="as display.output in agent.toml")
    sys.stdout.write(_answer(told.parse_args()).model_dump_json() + "\n")
    sys.stdout.flush()
    os._exit(0)  # libmpv's own way out may block on a stuck core


if __name__ == "__main__":
    main()
