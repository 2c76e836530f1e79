"""`framezero publish` with real films and a real mosquitto."""

import hashlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from brokers import Mosquitto, MosquittoFactory
from fake_venue import framezero, retained, told
from test_json_shapes import same

from agent.control.probe import Film, probe
from agent.control.publish import PublishError, VariantWish, parse_variants
from agent.messages import Refusal, decode
from agent.programs import Program

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed: apt install ffmpeg")

STILL_US = 10_000_000


def ffmpeg(out: Path, *arguments: str) -> Path:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments, str(out)], check=True)
    return out


def film(folder: Path, name: str, *, rate: str = "30", seconds: str = "2.5", extra: tuple[str, ...] = ()) -> Path:
    source = f"testsrc=size=64x48:rate={rate}:duration={seconds}"
    return ffmpeg(folder / name, "-f", "lavfi", "-i", source, *extra, "-pix_fmt", "yuv420p")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of films: good ones, and one of each fault."""
    folder = tmp_path_factory.mktemp("films")
    film(folder, "koi.mp4")
    film(folder, "ntsc.mov", rate="30000/1001", extra=("-f", "mov"))
    film(folder, "coarse.mkv", rate="60000/1001", extra=("-c:v", "libx264", "-bf", "2"))
    film(folder, "stream.ts", rate="25", extra=("-c:v", "libx264"))
    film(folder, "tall.webm", extra=("-vf", "scale=36:64", "-c:v", "libvpx-vp9"))
    film(folder, "other.mp4", seconds="3")
    film(folder, "plain.mp4", rate="30000/1001", extra=("-bf", "2", "-use_editlist", "0", "-c:v", "libx264"))
    film(folder, "combs.mp4", extra=("-c:v", "libx264", "-flags", "+ilme+ildct", "-x264-params", "tff=1"))
    film(folder, "quick.mp4", rate="150")
    turned = ("-metadata:s:v", "rotate=90", "-c", "copy")
    ffmpeg(folder / "turned.mp4", "-i", str(folder / "koi.mp4"), *turned)
    ffmpeg(folder / "two-pictures.mp4", *("-i", str(folder / "koi.mp4")) * 2, "-map", "0", "-map", "1", "-c", "copy")
    sine = ("-f", "lavfi", "-i", "sine=duration=2.5", "-c:a", "aac", "-shortest")
    film(folder, "loud.mp4", extra=sine)
    film(folder, "short.mp4", seconds="1.9")
    film(folder, "two.mp4", seconds="2")
    uneven = ("-vf", r"select='not(eq(mod(n\,7)\,3))'", "-fps_mode", "vfr")
    film(folder, "uneven.mp4", seconds="3", extra=uneven)
    ffmpeg(folder / "still.png", "-f", "lavfi", "-i", "color=red:size=32x32", "-frames:v", "1")
    ffmpeg(folder / "still.jpg", "-f", "lavfi", "-i", "color=red:size=32x32", "-frames:v", "1")
    ffmpeg(folder / "only.m4a", "-f", "lavfi", "-i", "sine=duration=3")
    lying = (folder / "still.jpg").read_bytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6: on its side
    app1 = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (folder / "lying.jpg").write_bytes(lying[:2] + app1 + lying[2:])
    whole = film(folder, "front.mp4", seconds="4", extra=("-movflags", "+faststart")).read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    hole = bytearray((folder / "plain.mp4").read_bytes())
    hole[len(hole) // 2 : len(hole) // 2 + 500] = bytes(500)
    (folder / "hole.mp4").write_bytes(hole)
    (folder / "headless.mp4").write_bytes((folder / "koi.mp4").read_bytes()[:3000])
    (folder / "text.mp4").write_text("this is not a film\n" * 50)
    (folder / "empty.mp4").write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("name", "rate", "frames"),
    [
        ("koi.mp4", "30", 75),
        ("ntsc.mov", "30000/1001", 75),
        ("coarse.mkv", "60000/1001", 150),
        ("tall.webm", "30", 75),
        ("loud.mp4", "30", 75),
        ("two.mp4", "30", 60),
    ],
)
def test_a_constant_rate_is_found_with_the_exact_frame_count(films: Path, name: str, rate: str, frames: int) -> None:
    found = probe(films / name, STILL_US)
    assert isinstance(found, Film), found
    assert (found.fps, found.frames, found.duration_us) == (rate, frames, None)
    assert (found.width, found.height) == ((36, 64) if name == "tall.webm" else (64, 48))
    assert (found.sound, found.begins_us) == (name == "loud.mp4", 0)


def test_a_still_has_a_duration(films: Path) -> None:
    for name in ("still.png", "still.jpg"):
        still = probe(films / name, STILL_US)
        assert isinstance(still, Film)
        assert (still.fps, still.duration_us, still.sound) == (None, STILL_US, False)


def test_a_film_that_begins_behind_its_files_zero_says_where(films: Path) -> None:
    plain = probe(films / "plain.mp4", STILL_US)
    assert isinstance(plain, Film), plain
    assert (plain.frames, plain.begins_us) == (75, 66_733)  # two frames of reordering, and no edit list takes them out


def test_a_film_that_turns_itself_has_the_size_that_is_shown(films: Path) -> None:
    turned = probe(films / "turned.mp4", STILL_US)
    assert isinstance(turned, Film), turned
    assert (turned.width, turned.height) == (48, 64)


@pytest.mark.parametrize("name", ["stream.ts", "uneven.mp4", "combs.mp4", "quick.mp4", "two-pictures.mp4"])
def test_the_remedy_that_a_refusal_names_mends_the_film(films: Path, name: str, tmp_path: Path) -> None:
    refused = probe(films / name, STILL_US)
    assert isinstance(refused, Refusal)
    command = re.search(r"mend it: (ffmpeg .*-fit\.mkv)", refused.detail)
    assert command is not None, refused
    shutil.copy(films / name, tmp_path)
    subprocess.run([*shlex.split(command[1]), "-v", "error"], cwd=tmp_path, check=True)
    (mended,) = tmp_path.glob("*-fit.mkv")
    assert isinstance(probe(mended, STILL_US), Film)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("short.mp4", "too_short"),
        ("only.m4a", "no_picture"),
        ("cut.mp4", "broken"),
        ("hole.mp4", "broken"),
        ("stream.ts", "container"),
        ("uneven.mp4", "uneven"),
        ("combs.mp4", "interlaced"),
        ("quick.mp4", "rate"),
        ("two-pictures.mp4", "two_pictures"),
        ("lying.jpg", "turned"),
        ("headless.mp4", "broken"),
        ("text.mp4", "broken"),
        ("empty.mp4", "broken"),
        ("nowhere.mp4", "missing"),
        (".", "missing"),
    ],
)
def test_what_is_no_whole_film_is_refused_by_name(films: Path, name: str, code: str) -> None:
    found = probe(films / name, STILL_US)
    assert isinstance(found, Refusal), found
    assert found.code == code
    assert (films / name).name in found.detail


def in_site(site: Path) -> Path:
    (stored,) = site.rglob("*.mp4")
    return stored


def publish(films: Path, site: Path, broker: Mosquitto, *names: str) -> tuple[str, ...]:
    places = ("--program", "reel", "--to", str(site), "--url", "https://films.example/show/", "--show", "demo")
    return ("publish", *(str(films / name) for name in names), *places, "--broker", broker.url)


async def test_the_site_is_content_addressed_and_the_program_kept(
    films: Path, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    site = tmp_path / "site"
    code, out, err = await framezero(*publish(films, site, mosquitto, "koi.mp4", "ntsc.mov"), "--json")
    assert code == 0, err
    found = same("publish", out)
    assert (found["program"], found["rev"], found["reused"]) == ("reel", 1, False)
    for item, name in zip(found["items"], ("koi.mp4", "ntsc.mov"), strict=True):
        data = (films / name).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        place = f"{digest[:2]}/{digest}{Path(name).suffix}"
        assert (item["sha256"], item["size"], item["name"]) == (digest, len(data), name)
        assert item["urls"] == [f"https://films.example/show/{place}"]
        assert (site / place).read_bytes() == data
    ((topic, payload, _),) = await retained(mosquitto, "program/#")
    program = decode(Program, payload)
    assert topic == "program/reel/1" and isinstance(program, Program)
    assert not list(site.rglob("*.part"))


async def test_the_same_films_keep_their_revision_and_others_get_the_next(
    films: Path, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    site = tmp_path / "site"
    assert (await framezero(*publish(films, site, mosquitto, "koi.mp4")))[0] == 0
    stored = in_site(site)
    before = (stored.stat().st_mtime_ns, stored.stat().st_ino)
    code, out, _ = await framezero(*publish(films, site, mosquitto, "koi.mp4"))
    assert (code, "that revision stands" in out) == (0, True)
    assert (stored.stat().st_mtime_ns, stored.stat().st_ino) == before
    code, out, _ = await framezero(*publish(films, site, mosquitto, "koi.mp4", "two.mp4"), "--json")
    assert (code, told(out)["rev"]) == (0, 2)
    # Back to the first content is a new revision: `cue play` takes the newest.
    code, out, _ = await framezero(*publish(films, site, mosquitto, "koi.mp4"), "--json")
    assert (code, told(out)["rev"]) == (0, 3)
    assert sorted(topic for topic, _, _ in await retained(mosquitto, "program/#")) == [
        f"program/reel/{rev}" for rev in (1, 2, 3)
    ]


async def test_a_broker_that_lost_the_program_gets_it_back_to_the_byte(
    films: Path, tmp_path: Path, mosquittos: MosquittoFactory
) -> None:
    one, two = mosquittos(), mosquittos()
    assert (await framezero(*publish(films, tmp_path, one, "koi.mp4")))[0] == 0
    code, out, _ = await framezero(*publish(films, tmp_path, one, "koi.mp4"), "--broker", two.url, "--json")
    assert (code, told(out)["rev"], told(out)["reused"]) == (0, 1, True)
    ((_, first, _),), ((_, second, _),) = await retained(one, "program/#"), await retained(two, "program/#")
    assert first == second


async def test_all_faults_are_said_at_once_and_nothing_is_written(
    films: Path, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    names = ("koi.mp4", "text.mp4", "short.mp4", "only.m4a", "nowhere.mp4")
    code, _, err = await framezero(*publish(films, tmp_path / "site", mosquitto, *names))
    assert code == 2
    assert all(name in err for name in names[1:]) and "koi.mp4" not in err
    assert not (tmp_path / "site").exists()
    assert not await retained(mosquitto, "program/#")


@pytest.mark.parametrize("flipped", [False, True])
async def test_a_broken_copy_in_the_site_is_replaced(
    films: Path, tmp_path: Path, mosquitto: Mosquitto, flipped: bool
) -> None:
    await framezero(*publish(films, tmp_path, mosquitto, "koi.mp4"))
    stored = in_site(tmp_path)
    stored.chmod(0o644)
    whole = stored.read_bytes()
    stored.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if flipped else b"half")
    await framezero(*publish(films, tmp_path, mosquitto, "koi.mp4"))
    assert stored.read_bytes() == (films / "koi.mp4").read_bytes()


async def test_a_film_may_be_had_at_several_addresses(films: Path, tmp_path: Path, mosquitto: Mosquitto) -> None:
    mirrors = ("--url", "http://depot.local:8080")
    code, out, _ = await framezero(*publish(films, tmp_path, mosquitto, "koi.mp4"), *mirrors, "--json")
    [item] = told(out)["items"]
    name = f"{item['sha256'][:2]}/{item['sha256']}.mp4"
    assert code == 0
    assert item["urls"] == [f"https://films.example/show/{name}", f"http://depot.local:8080/{name}"]
    many = [word for number in range(9) for word in ("--url", f"https://films{number}.example")]
    code, _, err = await framezero(*publish(films, tmp_path, mosquitto, "koi.mp4"), *many)
    assert (code, "at most 8" in err) == (2, True)


async def test_a_site_that_cannot_be_written_is_named(films: Path, tmp_path: Path, mosquitto: Mosquitto) -> None:
    (tmp_path / "site").write_text("a file where a folder should be")
    code, _, err = await framezero(*publish(films, tmp_path / "site", mosquitto, "koi.mp4"))
    assert (code, "site" in err) == (2, True)


async def test_wrong_names_and_no_broker(films: Path, tmp_path: Path, mosquitto: Mosquitto) -> None:
    wrong = ("publish", str(films / "koi.mp4"), "--program", "Reel!", "--to", str(tmp_path), "--url", "ftp://x")
    code, _, err = await framezero(*wrong, "--show", "demo", "--broker", mosquitto.url)
    assert code == 2
    assert "--program" in err and "--url" in err
    mosquitto.stop()
    code, _, err = await framezero(*publish(films, tmp_path / "site", mosquitto, "koi.mp4"))
    assert (code, "nobody listens" in err) == (4, True)
    assert not (tmp_path / "site").exists()


async def test_a_broker_that_refuses_programs_is_not_success(
    films: Path, tmp_path: Path, mosquittos: MosquittoFactory
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read framezero/#\n")
    acl.chmod(0o600)
    broker = mosquittos(f"acl_file {acl}")
    code, _, err = await framezero(*publish(films, tmp_path / "site", broker, "koi.mp4"))
    assert (code, "access list" in err) == (1, True)


async def test_a_variant_stands_beside_its_film_in_site_and_program(
    films: Path, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    wishes = (
        "--variant",
        f"koi.mp4=toronto-dundas:{films / 'tall.webm'}",
        "--variant",
        f"koi.mp4=@west:{films / 'loud.mp4'}",
    )
    command = publish(films, tmp_path, mosquitto, "koi.mp4", "two.mp4")
    code, out, err = await framezero(*command, *wishes, "--json")
    assert code == 0, err
    ((_, payload, _),) = await retained(mosquitto, "program/#")
    program = decode(Program, payload)
    assert isinstance(program, Program)
    koi, two = program.items
    assert two.variants == {}
    for venue, groups, name in (
        ("toronto-dundas", ("west",), "tall.webm"),
        ("paris", ("west",), "loud.mp4"),
        ("kyoto", (), "koi.mp4"),
    ):
        encode = koi.for_venue(venue, groups)
        data = (films / name).read_bytes()
        assert (encode.sha256, encode.size) == (hashlib.sha256(data).hexdigest(), len(data))
        place = encode.urls[0].removeprefix("https://films.example/show/")
        assert (tmp_path / place).read_bytes() == data
    tall, loud = koi.variants["toronto-dundas"], koi.variants["@west"]
    assert (tall.codec, tall.width, tall.height, tall.sound) == ("vp9", 36, 64, None)
    assert (koi.sound, loud.sound) == (False, True)
    assert told(out)["items"][0]["variants"].keys() == {"toronto-dundas", "@west"}
    code, out, _ = await framezero(*command, *wishes)
    assert "at toronto-dundas" in out and "that revision stands" in out


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ("koi.mp4=paris:{films}/other.mp4", "has 90 frames at 30 a second, not 75 frames at 30 a second"),
        ("koi.mp4=paris:{films}/ntsc.mov", "75 frames at 30000/1001 a second, not 75 frames at 30"),
        ("koi.mp4=paris:{films}/still.png", "has one picture, not 75 frames"),
        ("koi.mp4=paris:{films}/text.mp4", "is broken"),
        ("sky.mp4=paris:{films}/tall.webm", "no film is named 'sky.mp4'; the films are koi.mp4"),
        ("koi.mp4=Paris:{films}/tall.webm", "write NAME=VENUE:FILE"),
        ("koi.mp4=*:{films}/tall.webm", "write NAME=VENUE:FILE"),
    ],
)
async def test_a_variant_that_could_not_meet_the_others_is_refused(
    films: Path, tmp_path: Path, mosquitto: Mosquitto, wish: str, why: str
) -> None:
    command = publish(films, tmp_path / "site", mosquitto, "koi.mp4")
    code, _, err = await framezero(*command, "--variant", wish.format(films=films))
    assert (code, why in " ".join(err.split())) == (2, True), err
    assert not (tmp_path / "site").exists()
    assert not await retained(mosquitto, "program/#")


def test_two_films_of_one_name_and_two_variants_of_one_venue_are_ambiguous() -> None:
    wish = "koi.mp4=paris:a.mp4"
    with pytest.raises(PublishError, match="2 films are named"):
        parse_variants([wish], [Path("a/koi.mp4"), Path("b/koi.mp4")])
    with pytest.raises(PublishError, match="paris has a variant of"):
        parse_variants([wish, "koi.mp4=paris:b.mp4"], [Path("koi.mp4")])
    assert parse_variants([wish], [Path("koi.mp4"), Path("koi.mp4")]), "one film that comes twice is one film"
    odd = parse_variants(["a=b.mp4=@west:c:d=e.mp4"], [Path("a=b.mp4")])
    assert odd == [VariantWish("a=b.mp4", "@west", Path("c:d=e.mp4"))]
