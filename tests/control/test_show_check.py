"""`framezero show check` against brokers and venues that are only messages."""

from pathlib import Path

from brokers import Mosquitto, free_port
from fake_venue import framezero, polled, presence, retain, status, told, venue
from test_control_cue import keep_program

from agent.control.showcheck import of_clocks
from agent.control.showfile import parse_show
from agent.control.status import Wall
from agent.messages import encode

SHOW = """
show = "demo"
[[venue]]
id = "tokyo"
city = "Tokyo"
[[program]]
id = "reel"
films = 1
[[cue]]
id = "1"
name = "Reel"
action = "play"
program = "reel"
at = "20:00 Asia/Tokyo"
"""
INTERFACE = Path(__file__).parents[2] / "deploy" / "interface" / "README.md"
SAMPLE = Path(__file__).parents[2] / "deploy" / "shows" / "bring-your-vision.toml"


def written(folder: Path, text: str = SHOW) -> str:
    (folder / "show.toml").write_text(text)
    return str(folder / "show.toml")


async def test_the_sample_is_good_by_itself() -> None:
    code, out, err = await framezero("show", "check", str(SAMPLE), "--offline")
    assert (code, "READY" in out) == (0, True), out + err


async def test_a_show_that_could_begin_is_ready(mosquitto: Mosquitto, tmp_path: Path) -> None:
    mosquitto.hello()
    await keep_program(mosquitto, 3)
    await retain(mosquitto, "venue/tokyo/status", encode(status("tokyo")))
    async with venue(mosquitto, "tokyo", poll=polled()):
        code, out, err = await framezero("show", "check", written(tmp_path), "--broker", mosquitto.url, "--json")
    found = told(out)
    shape = "exit show findings[area about verdict what mend] cues[cue at]"
    assert found.keys() == {"exit", "show", "findings", "cues"} and found["cues"][0].keys() == {"cue", "at"}
    assert found["findings"][0].keys() == {"area", "about", "verdict", "what", "mend"}
    assert shape in INTERFACE.read_text()
    assert code == 0, out + err
    by_what = {(finding["area"], finding["about"]): finding for finding in found["findings"]}
    assert by_what["program", "reel"]["verdict"] == "ok" and "rev 3" in by_what["program", "reel"]["what"]
    assert by_what["key", "signing key"]["verdict"] == "warning"
    assert found["cues"][0]["at"].endswith("T11:00:00.000000Z")
    assert any("20:00:00 JST" in finding["what"] for finding in found["findings"])


async def test_what_is_missing_is_named_with_its_remedy(mosquitto: Mosquitto, tmp_path: Path) -> None:
    mosquitto.hello()
    await keep_program(mosquitto, 3)
    await retain(mosquitto, "venue/paris/presence", encode(presence("paris", online=False)))
    text = SHOW.replace("films = 1", "films = 12").replace("[[program]]", '[[venue]]\nid = "paris"\n[[program]]')
    await retain(mosquitto, "venue/tokyo/status", encode(status("tokyo")))
    async with venue(mosquitto, "tokyo", poll=polled(go=False)):
        code, out, _ = await framezero("show", "check", written(tmp_path, text), "--broker", mosquitto.url)
    assert code == 1, "a fault outranks a silence"
    for words in ("has films 1, and the file expects 12", "NO-GO film_missing", "koi.mp4 is being fetched", "offline"):
        assert words in out, out
    assert "NOT READY" in out


async def test_a_wall_that_is_only_silent_is_exit_3_and_no_broker_is_4(mosquitto: Mosquitto, tmp_path: Path) -> None:
    mosquitto.hello()
    await keep_program(mosquitto, 3)
    text = SHOW.replace('"tokyo"', '"oslo"')
    await retain(mosquitto, "venue/tokyo/status", encode(status("tokyo")))
    async with venue(mosquitto, "tokyo", poll=polled()):
        code, out, _ = await framezero("show", "check", written(tmp_path, text), "--broker", mosquitto.url)
    assert (code, "no broker has ever heard of it" in out) == (3, True), out
    code, out, _ = await framezero("show", "check", written(tmp_path), "--broker", f"mqtt://127.0.0.1:{free_port()}")
    assert (code, "--offline looks at the file alone" in " ".join(out.split())) == (4, True), out


def test_a_clock_that_no_wall_can_judge_is_not_called_good() -> None:
    show = parse_show(SHOW.encode(), "show.toml")
    silent = Wall("tokyo", None, None, True, None)
    for walls in ([], [silent]):
        (found,) = of_clocks(show, walls)
        assert (found.verdict, "no wall is heard" in found.what) == ("warning", True)
    heard = Wall("tokyo", presence("tokyo"), status("tokyo"), False, 0, 0)
    assert [found.verdict for found in of_clocks(show, [heard])] == ["ok"]


async def test_a_wall_that_does_not_answer_is_silent_and_one_of_the_show_that_rehearses_is_named(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    mosquitto.hello()
    await keep_program(mosquitto, 3)
    await retain(mosquitto, "venue/tokyo/status", encode(status("tokyo")))
    where = ("--broker", mosquitto.url)
    async with venue(mosquitto, "tokyo"):
        code, out, _ = await framezero("show", "check", written(tmp_path), *where)
        assert code == 3 and "did not answer when asked" in " ".join(out.split()), out
        text = SHOW.replace('"demo"', '"real"') + '[rehearsal]\nshow = "demo"\n'
        code, out, _ = await framezero("show", "check", written(tmp_path, text), "--rehearse", "--json", *where)
    whats = [finding["what"] for finding in told(out)["findings"] if finding["about"] == "tokyo"]
    assert "a wall of the show, and set to 'demo': what is rehearsed is seen on it" in whats
