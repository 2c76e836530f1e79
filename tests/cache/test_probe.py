"""Looking into files with the real ffprobe, honest ones and those that would have it read something else."""

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from agent.cache import probe
from agent.cache.probe import Probe, contents_of
from agent.contents import Contents, mismatch
from agent.control.publish import probe_all, store
from agent.programs import Item

pytestmark = pytest.mark.needs("ffmpeg", "ffprobe")


def made(path: Path, *options: str, size: str = "64x48", rate: str = "30", seconds: float = 2) -> Path:
    source = ["-f", "lavfi", "-i", f"testsrc=size={size}:rate={rate}:duration={seconds}"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, *options, str(path)], check=True, timeout=60)
    return path


def copied(source: Path, path: Path, before: tuple[str, ...] = (), after: tuple[str, ...] = ()) -> Path:
    command = ["ffmpeg", "-v", "error", *before, "-i", str(source), *after, "-c", "copy", str(path)]
    subprocess.run(command, check=True, timeout=60)
    return path


def looked(path: Path) -> Contents:
    found = Probe().look(path)
    assert found is not None
    return found


KINDS = {
    "a.mp4": (),
    "a.mkv": (),
    "ntsc.mkv": ("-r", "30000/1001"),
    "sound.mkv": ("-f", "lavfi", "-i", "sine=duration=3", "-map", "0", "-map", "1"),
    "sound.mp4": ("-f", "lavfi", "-i", "sine=duration=3", "-map", "0", "-map", "1"),
    "a.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime"),
    "a.mov": ("-c:v", "prores"),
    "a.avi": ("-c:v", "mjpeg"),
    "a.png": ("-frames:v", "1"),
    "a.jpg": ("-frames:v", "1"),
    "a.webp": ("-frames:v", "1"),
    "a.gif": ("-r", "25"),
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Item]:
    """Every kind of film, published: what the operator's machine says of each, with the file in the site."""
    folder = tmp_path_factory.mktemp("films")
    files = [made(folder / name, *options) for name, options in KINDS.items()]
    long = made(folder / "long.mp4", "-g", "250", seconds=4)
    # A cut that copies keeps what comes before it, and an edit list hides that.
    files.append(copied(long, folder / "cut.mp4", before=("-ss", "1.5")))
    files.append(copied(long, folder / "turned.mp4", after=("-metadata:s:v", "rotate=90")))
    bill = probe_all(files, 5_000_000)
    items = [store(billing, folder / "site", ["http://f.example"], lambda _: None) for billing in bill]
    return {item.name: item for item in items} | {"": items[0].model_copy(update={"name": str(folder / "site")})}


@pytest.mark.parametrize("name", [*KINDS, "turned.mp4", "cut.mp4"])
def test_what_publish_says_of_a_film_is_found_in_it(films: dict[str, Item], name: str) -> None:
    item, site = films[name], Path(films[""].name)
    [file] = site.glob(f"??/{item.sha256}*")
    bare = file.with_name("bare-" + item.sha256)  # as in the cache: no ending tells what it is
    shutil.copy(file, bare)
    assert mismatch(looked(bare), item, item) is None, looked(bare)


def test_another_film_does_not_fit(films: dict[str, Item]) -> None:
    site = Path(films[""].name)
    [file] = site.glob(f"??/{films['a.mp4'].sha256}*")
    found = looked(file)
    assert found.frames == 60 and found.length_us == 2_000_000
    misfits = {name for name, item in films.items() if name and mismatch(found, item, item)}
    assert misfits >= {"ntsc.mkv", "a.webm", "a.png", "a.gif", "a.mov"}


SECRET = "secret-of-the-venue"


def concat(folder: Path, film: Path) -> str:
    return f"ffconcat version 1.0\nfile {film}\n"


def hls(folder: Path, film: Path) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{film}\n#EXT-X-ENDLIST\n"


def hls_of_web(folder: Path, film: Path) -> str:
    return "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n"


def dash(folder: Path, film: Path) -> str:
    return f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>file://{film}</BaseURL></MPD>'


def sdp(folder: Path, film: Path) -> str:
    return "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"


def svg(folder: Path, film: Path) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file://{film}"/></svg>'


@pytest.mark.parametrize("playlist", [concat, hls, hls_of_web, dash, sdp, svg])
def test_a_list_that_names_other_files_is_no_film(tmp_path: Path, playlist: object) -> None:
    film = made(tmp_path / "film.ts")
    assert callable(playlist)
    (tmp_path / "list").write_text(playlist(tmp_path, film))
    assert looked(tmp_path / "list").fault


@pytest.mark.parametrize("content", [b"", b"\x00" * 5000, b"not a film\n" * 500, bytes(range(256)) * 100])
def test_noise_is_no_film(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "noise").write_bytes(content)
    assert looked(tmp_path / "noise").fault


def test_sound_alone_and_its_cover_are_no_film(tmp_path: Path) -> None:
    cover = made(tmp_path / "cover.png", "-frames:v", "1")
    song = tmp_path / "song.mp4"
    tones = ["-f", "lavfi", "-i", "sine=duration=2", "-i", str(cover), "-map", "0", "-map", "1"]
    subprocess.run(
        ["ffmpeg", "-v", "error", *tones, "-c:v", "png", "-disposition:v:0", "attached_pic", str(song)], check=True
    )
    assert looked(song).fault


def test_a_look_that_takes_too_long_is_ended_and_is_no_fault_of_the_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ffprobe").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "ffprobe").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(probe, "TIMEOUT_S", 0.1)
    assert Probe().look(tmp_path / "film") is None


def test_a_player_without_ffprobe_warns_once_and_takes_every_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    looker = Probe()
    assert [looker.look(tmp_path / "a"), looker.look(tmp_path / "b")] == [None, None]
    assert capsys.readouterr().out.count("apt-get install ffmpeg") == 1


PICTURE = {"codec_type": "video", "width": 1, "height": 1}


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"streams": [{"codec_type": "video"}]},
        {"streams": [{"codec_type": "video", "width": 1, "height": 1, "nb_frames": "x" * 99, "duration": "N/A"}]},
        {
            "streams": [
                {"codec_type": "video", "width": 1, "height": 1, "tags": {"DURATION": "a:b:c"}, "duration": "1/0"}
            ]
        },
    ],
)
def test_odd_answers_of_ffprobe_are_read_as_far_as_they_go(odd: dict[str, object]) -> None:
    found = contents_of(odd)
    assert found.fault or (found.frames is None and found.length_us is None)


@pytest.mark.parametrize(
    "tag", [b"999999999999:00:00", b"1e9999999999:00:00", b"-9999999999:00:00.", b"99999999:00:00.000"]
)
def test_a_film_cannot_stop_the_agent_by_what_it_says_of_its_length(tmp_path: Path, tag: bytes) -> None:
    film = made(tmp_path / "a.mkv")
    honest, told = film.read_bytes(), b"00:00:02.000000000"
    assert told in honest
    film.write_bytes(honest.replace(told, tag))
    found = looked(film)
    assert (found.fault, found.width, found.length_us) == ("", 64, 2_000_000)  # the file's own length, of the container


def test_matroskas_own_durations_are_read() -> None:
    stream = {**PICTURE, "tags": {"DURATION": "00:01:02.500000000"}}
    assert contents_of({"streams": [stream]}).length_us == int(Fraction("62.5") * 1_000_000)
