"""Every kind of film that comes to a wall, good and odd, as recipes for ffmpeg."""

from fractions import Fraction
from typing import Any

from screening import H264, TONE, Recipe

RATES = ("24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60")
LONG = Fraction(6)

_X265 = "-c:v libx265 -preset ultrafast -x265-params log-level=none"
_VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8"
_LONG = Recipe("long.mp4", f"{H264} -bf 3 -g 25", seconds=LONG)
_LONG_TONE = Recipe("long-tone.mp4", f"{H264} -bf 3 -g 25 -c:a aac", sound=TONE, seconds=LONG)
_FFMPEG = "ffmpeg -nostdin -v error -y"
_SUBTITLES = (
    r"printf '1\n00:00:00,000 --> 00:00:09,000\nSUBTITLES\n' > lines.srt && "
    f"{_FFMPEG} -i long.mp4 -i lines.srt -map 0 -map 1 -c copy -c:s srt -disposition:s:0 default+forced {{out}}"
)
_CUT_OFF = f"{_FFMPEG} -i long.mp4 -c copy -movflags +faststart whole.mp4 && head -c 60000 whole.mp4 > {{out}}"
_DAMAGED = "cp long.mp4 {out} && head -c 3000 /dev/zero | dd of={out} bs=1 seek=40000 conv=notrunc status=none"
_COPY: dict[str, Any] = {"options": "-c copy", "seconds": LONG}


def _at_every_rate() -> list[Recipe]:
    recipes = []
    for rate in RATES:
        name = rate.replace("/1001", "n")
        recipes += [
            Recipe(f"h264-{name}.mp4", H264, rate),
            Recipe(f"h264-{name}-tone.mp4", f"{H264} -c:a aac", rate, sound=TONE),
            Recipe(f"h264-{name}-opus.mkv", f"{H264} -c:a libopus", rate, sound=TONE),
            Recipe(f"hevc-{name}.mov", f"{_X265} -tag:v hvc1", rate),
            Recipe(f"vp9-{name}.webm", _VP9, rate),
            Recipe(f"av1-{name}.mp4", "-c:v libsvtav1 -preset 12", rate),
            Recipe(f"prores-{name}.mov", "-c:v prores_ks -profile:v 3", rate),
        ]
    return recipes


def _codecs() -> list[Recipe]:
    return [
        Recipe("hevc-open-gop.mp4", f"{_X265}:open-gop=1:keyint=20:min-keyint=20:bframes=3 -preset fast", "30"),
        Recipe("hevc-open-gop.mkv", f"{_X265}:open-gop=1:keyint=20 -preset fast -c:a libopus", "30", sound=TONE),
        Recipe("h264-open-gop.mp4", f"{H264} -bf 3 -x264-params open-gop=1:keyint=25", seconds=LONG),
        Recipe("h264-one-gop.mp4", f"{H264} -bf 3 -g 250", seconds=LONG),
        Recipe("h264-intra-refresh.mp4", f"{H264} -x264-params intra-refresh=1"),
        Recipe("h264-444.mp4", "-c:v libx264 -preset veryfast -pix_fmt yuv444p", "30"),
        Recipe("h264-10bit.mp4", "-c:v libx264 -preset veryfast -pix_fmt yuv420p10le", "30"),
        Recipe("hevc-10bit.mp4", f"{_X265} -pix_fmt yuv420p10le", "60"),
        Recipe("vp9-altref-opus.webm", f"{_VP9} -auto-alt-ref 1 -lag-in-frames 16 -c:a libopus", "30", sound=TONE),
        Recipe("vp8-altref.webm", "-c:v libvpx -deadline good -cpu-used 4 -auto-alt-ref 1 -lag-in-frames 16", "30"),
        Recipe("av1-opus.mkv", "-c:v libsvtav1 -preset 12 -c:a libopus", "30", sound=TONE),
        Recipe("prores-4444.mov", "-c:v prores_ks -profile:v 4 -pix_fmt yuva444p10le -c:a pcm_s16le", sound=TONE),
        Recipe("dnxhr.mov", "-c:v dnxhd -profile:v dnxhr_sq"),
        Recipe("hap.mov", "-c:v hap", "30"),
        Recipe("ffv1.mkv", "-c:v ffv1", "30"),
        Recipe("mjpeg.avi", "-c:v mjpeg -q:v 3"),
        Recipe("gif.gif", "", "25"),
        Recipe("odd-size.mkv", "-vf scale=321:181 -c:v ffv1", "30"),
        Recipe("wide-pixels.mp4", f"-vf scale=240:180,setsar=4/3 {H264}"),
        Recipe("still.png", "-frames:v 1"),
        Recipe("still.jpg", "-frames:v 1 -q:v 2"),
        Recipe("still.webp", "-frames:v 1 -lossless 1"),
    ]


def _odd_but_good() -> list[Recipe]:
    cut: dict[str, Any] = {"source": "-ss 1.5 -i long.mp4", **_COPY}
    return [
        _LONG,
        _LONG_TONE,
        Recipe("fragments.mp4", f"{H264} -g 20 -movflags +frag_keyframe+empty_moov+default_base_moof", "30"),
        Recipe("fragments-tone.mp4", f"{H264} -c:a aac -g 20 -movflags +frag_keyframe+empty_moov", "30", sound=TONE),
        Recipe("dash.mp4", f"{H264} -c:a aac -g 20 -movflags +dash+global_sidx", "30", sound=TONE),
        Recipe("no-edit-list.mp4", f"{H264} -bf 3 -use_editlist 0", "30"),
        Recipe("no-edit-list-tone.mp4", f"{H264} -bf 3 -c:a aac -use_editlist 0", "30", sound=TONE),
        Recipe("negative-offsets.mp4", f"{H264} -bf 3 -movflags +negative_cts_offsets -use_editlist 0", "30"),
        Recipe("no-index.mkv", shell=f"{_FFMPEG} -i long-tone.mp4 -c copy -f matroska - > {{out}}", seconds=LONG),
        Recipe("edit-list-into-gop.mp4", first=38, **cut),
        Recipe("cut-into-gop.mkv", first=25, **cut),
        Recipe("late-sound.mp4", source="-i long.mp4 -itsoffset 0.5 -i long-tone.mp4 -map 0:v -map 1:a", **_COPY),
        Recipe("late-picture.mp4", source="-itsoffset 0.5 -i long.mp4 -i long-tone.mp4 -map 0:v -map 1:a", **_COPY),
        Recipe("late-picture.mkv", source="-itsoffset 0.5 -i long.mp4 -i long-tone.mp4 -map 0:v -map 1:a", **_COPY),
        Recipe("long-sound.mp4", f"-map 0:v -map 1:a {H264} -c:a aac", sound="-f lavfi -i sine=440:duration=6"),
        Recipe("short-sound.mp4", f"-map 0:v -map 1:a {H264} -c:a aac", sound="-f lavfi -i sine=440:duration=1"),
        Recipe("subtitles.mkv", shell=_SUBTITLES, seconds=LONG),
        Recipe(
            "cover-art.mp4",
            "-map 0 -map 1 -c:v:0 copy -c:v:1 mjpeg -disposition:v:1 attached_pic",
            source="-i long.mp4 -f lavfi -i color=red:size=320x180:duration=0.04",
            seconds=LONG,
        ),
        Recipe("timecode.mov", "-c copy -timecode 10:00:00:00", source="-i long.mp4", seconds=LONG),
    ]


def _refused() -> list[Recipe]:
    uneven = r"-vf select='not(eq(mod(n\,7)\,3))' -fps_mode vfr -c:v libx264"
    return [
        Recipe("stream.ts", f"{H264} -c:a aac", sound=TONE, refused="container"),
        Recipe("program.mpg", "-c:v mpeg2video -bf 2 -c:a mp2", sound=TONE, refused="container"),
        Recipe("flash.flv", f"{H264} -c:a aac", sound=TONE, refused="container"),
        Recipe("raw.h264", f"{H264} -f h264", refused="container"),
        Recipe("h264.avi", f"{H264} -bf 2", refused="uneven"),
        Recipe("uneven.mp4", uneven, seconds=LONG, refused="uneven"),
        Recipe("interlaced.mp4", "-c:v libx264 -flags +ilme+ildct -x264-params tff=1", refused="interlaced"),
        Recipe("fast.mp4", f"{H264} -preset ultrafast", "150", refused="rate"),
        Recipe(
            "two-pictures.mkv",
            "-map 0:v -map 1:v -c copy -disposition:v:0 0 -disposition:v:1 default",
            source="-i long.mp4 -i long-tone.mp4",
            refused="two_pictures",
        ),
        Recipe("cut-off.mp4", shell="head -c 60000 long.mp4 > {out}", refused="broken"),
        Recipe("cut-off-index-first.mp4", shell=_CUT_OFF, refused="broken"),
        Recipe("cut-off.mkv", shell="head -c 60000 no-index.mkv > {out}", refused="broken"),
        Recipe("damaged.mp4", shell=_DAMAGED, refused="broken"),
    ]


def recipes() -> list[Recipe]:
    """All of them; one that is made of another comes behind it."""
    return [*_at_every_rate(), *_codecs(), *_odd_but_good(), *_refused()]
