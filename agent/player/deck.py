"""One deck: one libmpv that holds a film at a frame, decoded and paused, until it is told to go.

The options hold for libmpv 0.35 to 0.40; their meaning is in mpv(1), that of the events in libmpv/client.h.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import mpv

from agent.clock.kernel import raw_now_ns
from agent.player import machine
from agent.player.adopt import adopt
from agent.player.profile import choose
from agent.player.urgency import OUTPUT, hurry, threads
from agent.player.wire import Screen, Start
from agent.units import RawNs

# How far ahead of its flip mpv queues a frame. At the default of 50 ms the phase of time-pos is bimodal at 30 fps.
TIMING_OFFSET_S = 0.018

NOTHING = -1

# What mpv itself puts in for an output that cannot rotate costs 0.16 to 0.25 of a core at 1080p30 and drops frames;
# these cost 0.03 to 0.07 and drop none (measured).
_TURNS = {90: "lavfi=[transpose=clock]", 180: "lavfi=[hflip,vflip]", 270: "lavfi=[transpose=cclock]"}

# What shines through where a picture is transparent is black, and not a chequerboard: up to 0.37, and from 0.38 on.
_BEHIND = {"alpha": "blend", "background": "color"}

_COMMON = {
    "config": "no",
    "terminal": "no",
    "osc": "no",
    "osd_level": "0",
    "ytdl": "no",
    "load_scripts": "no",
    # Nothing but the film: no subtitles, no files that lie beside it or that it names.
    "sid": "no",
    "autoload_files": "no",
    "ordered_chapters": "no",
    "access_references": "no",
    "input_default_bindings": "no",
    "input_vo_keyboard": "no",
    "input_cursor": "no",
    "resume_playback": "no",
    "idle": "yes",
    "keep_open": "yes",
    "pause": "yes",
    "video_sync": "audio",
    "video_timing_offset": str(TIMING_OFFSET_S),
    "framedrop": "vo",
    "hr_seek": "yes",
    "cache": "no",
    "cache_pause": "no",
    "interpolation": "no",
    "image_display_duration": "inf",
    "audio_pitch_correction": "no",
    "stop_screensaver": "no",
}


@dataclass(frozen=True, slots=True)
class DeckEvent:
    """Something that libmpv said, stamped on its own thread. `position_s` is set for `frame` only.

    `entry` is mpv's id of the film that it is about: an earlier film's event cannot be taken for the new one's.
    """

    deck: int
    kind: Literal["ready", "broken", "frame", "end"]
    raw: RawNs
    entry: int
    position_s: float = 0.0
    detail: str = ""


def video_options(screen: Screen) -> dict[str, str]:
    """How the picture lies on this wall; what decodes and draws it is the decode profile's."""
    if screen.output == "null":
        return {"ao": "null"}
    return {
        "keepaspect": "no" if screen.fit == "stretch" else "yes",
        "panscan": "1.0" if screen.fit == "cover" else "0.0",
    }


class Deck:
    """A libmpv in a window of its own.

    Its events reach `post` on libmpv's thread: the receiver has to be quick and thread-safe.
    """

    def __init__(self, index: int, screen: Screen, window: int | None, post: Callable[[DeckEvent], None]) -> None:
        self.index = index
        self.entry = NOTHING
        self._post = post
        self._playing = NOTHING
        self._begins_s = 0.0
        self._loud = screen.volume > 0  # without sound the film runs by the clock alone, and its start can be trimmed
        options = {**_COMMON, **video_options(screen), "volume": str(screen.volume)}
        if window is not None:
            options["wid"] = str(window)
        cores = threads("core")
        self._mpv = mpv.MPV(**options)
        self.profile = adopt(self._mpv, choose(machine.read(), screen.output, screen.decoder))
        for core in threads("core") - cores:
            hurry(core)
        if screen.rotate and screen.output != "null":
            rotates = self.profile.options.get("vo", "").startswith("gpu")
            self._mpv["video-rotate" if rotates else "vf"] = screen.rotate if rotates else _TURNS[screen.rotate]
        behind = "alpha" if "alpha" in self._mpv.options else "background"
        self._mpv[behind] = _BEHIND[behind]
        self._mpv.event_callback("start-file")(self._on_start_file)
        self._mpv.event_callback("playback-restart")(self._on_restart)
        self._mpv.event_callback("end-file")(self._on_end_file)
        self._mpv.observe_property("time-pos", self._on_position)
        self._mpv.observe_property("eof-reached", self._on_eof)

    @property
    def version(self) -> str:
        """What mpv calls itself."""
        return str(self._mpv.mpv_version)

    @property
    def decoder(self) -> str:
        """The decoder in use, as status names it."""
        current = self._mpv.hwdec_current
        return "software" if current in (None, "no", "") else str(current)

    @property
    def dropped(self) -> int:
        """Frames of this film that mpv's output left out; what its decoder leaves out is a gap in the positions."""
        return int(self._mpv.frame_drop_count or 0)

    @property
    def audible(self) -> bool:
        """Whether the film sounds; one with sound on a machine without a sound device does not."""
        return bool(self._mpv.current_ao)

    def prepare(self, start: Start, speed: float) -> None:
        """Load the film paused at its frame, to run at `speed`; a `ready` or `broken` event follows."""
        self._mpv.pause = True
        self._mpv.speed = speed
        # By the file's own time stamps; where nobody has looked at them, from whatever begins first in it, be it sound.
        self._mpv["rebase-start-time"] = "yes" if start.begins_us is None else "no"
        begins_us = start.begins_us or 0
        self._begins_s = begins_us / 1e6
        self._mpv["start"] = f"{(begins_us + start.position_us) / 1e6:.6f}" if start.kind == "film" else "none"
        self._mpv["aid"] = "auto" if start.sound and self._loud else "no"
        # A frame queued before the one ahead of it is seen would be taken for that one (watch.py).
        self._mpv["video-timing-offset"] = min(TIMING_OFFSET_S, 0.9 * (start.frame_us or 1e6) / 1e6)
        if self.profile.by_codec:
            self._mpv["hwdec"] = self.profile.hwdec_for(start.codec)
        self._mpv["loop-file"] = "inf" if start.kind == "slate" else "no"
        self.entry = int(self._mpv.command("loadfile", start.path, "replace")["playlist_entry_id"])

    def be_ready(self) -> None:
        """The film is decoded: its output, which exists only now, becomes urgent."""
        for output in threads("vo"):
            hurry(output, OUTPUT)

    def go(self) -> None:
        """Let the film run: the frame after the held one follows one frame later."""
        self._mpv.pause = False

    def speed(self, factor: float) -> None:
        """Run faster or slower."""
        self._mpv.speed = factor

    def hold(self) -> None:
        """Freeze the picture and silence the sound."""
        self._mpv.pause = True

    def mute(self, on: bool) -> None:
        """Silence the sound, or give it back."""
        self._mpv.mute = on

    def touch(self) -> None:
        """Ask mpv's core for anything: where it is stuck this does not return."""
        _ = self._mpv.pause

    def clear(self) -> None:
        """Unload the film."""
        self.entry = NOTHING
        self._mpv.command("stop")

    def _say(
        self, kind: Literal["ready", "broken", "frame", "end"], entry: int, position_s: float = 0.0, detail: str = ""
    ) -> None:
        self._post(DeckEvent(self.index, kind, raw_now_ns(), entry, position_s, detail))

    def _on_start_file(self, event: Any) -> None:
        self._playing = event.data.playlist_entry_id

    def _on_restart(self, _event: Any) -> None:
        self._say("ready", self._playing)

    def _on_end_file(self, event: Any) -> None:
        if event.data.reason == mpv.MpvEventEndFile.ERROR:
            why = event.as_dict(decoder=mpv.lazy_decoder).get("file_error", "unknown error")
            self._say("broken", event.data.playlist_entry_id, detail=str(why))

    def _on_position(self, _name: str, value: float | None) -> None:
        if value is not None:
            self._say("frame", self._playing, position_s=value - self._begins_s)

    def _on_eof(self, _name: str, value: bool | None) -> None:
        if value:
            self._say("end", self._playing)
