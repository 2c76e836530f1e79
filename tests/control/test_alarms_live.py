"""`framezero alarms` over a real broker: real agents whose cables are pulled, a wall that misses a cue, one look."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import cuts
import pytest
from brokers import Mosquitto, free_port
from fake_venue import framezero, presence, retain, status, told

from agent.messages import encode

LOOP = {"action": "play", "program": "nobody-has-it", "rev": 1, "loop": True}


@pytest.mark.needs("mosquitto", "chronyd")
@pytest.mark.timeout(180)
async def test_a_pulled_cable_and_a_missed_cue_are_named(
    mosquitto: Mosquitto, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    async with cuts.site(tmp_path, mosquitto, ["tokyo", "paris"]) as site:
        cue = await site.cue(LOOP, 5)
        _, missed = await site.posts.first(lambda body: (body["code"], body["venue"]) == ("missed", "tokyo"), 20)
        assert missed["about"] == cue and missed["severity"] == "critical"
        assert "tokyo MISSED play nobody-has-it" in missed["sentence"] and "program_unknown" in missed["sentence"]
        await site.posts.first(lambda body: (body["code"], body["venue"]) == ("missed", "paris"), 20)
        seconds, silent = await site.pull("tokyo", 1.0)
    record_property("seconds_until_said", round(seconds, 2))
    # The limit of the contract, over the real thing.
    assert seconds <= cuts.MOST_S
    assert "tokyo is silent for 1" in silent["sentence"] and "line is cut" in silent["sentence"]
    assert "cable" in silent["remedy"]
    assert not [body for _, body in site.posts.got if body["code"] == "all_silent"]


@pytest.mark.needs("mosquitto")
async def test_one_look_tells_all_and_its_exit_status_can_be_trusted(mosquitto: Mosquitto, tmp_path: Path) -> None:
    mosquitto.hello()
    await retain(mosquitto, "venue/tokyo/presence", encode(presence("tokyo")))
    await retain(mosquitto, "venue/tokyo/status", encode(status("tokyo", unsigned=False, next=None)))
    where = ("--broker", mosquitto.url)
    code, out, err = await framezero("alarms", "--once", *where)
    assert (code, out.strip(), err) == (0, "no alarm", "")
    await retain(mosquitto, "venue/paris/presence", encode(presence("paris", online=False)))
    await retain(mosquitto, "venue/tokyo/status", encode(status("tokyo", unsigned=False, next=None)))
    code, out, _ = await framezero("alarms", "--once", *where, "--json")
    assert (code, [alarm["code"] for alarm in told(out)["alarms"]]) == (3, ["silent"])
    await retain(mosquitto, "venue/tokyo/status", encode(status("tokyo", next=None, state="fault")))
    rules = tmp_path / "rules.toml"
    rules.write_text('[alarms]\noff = ["unsigned"]\nvenues = ["osaka"]\n')
    code, out, _ = await framezero("alarms", "--once", *where, "--rules", str(rules))
    assert code == 1
    assert "CRITICAL never_seen: osaka is expected and was never seen" in out
    assert "CRITICAL fault: tokyo: the wall has no player" in out


@pytest.mark.needs("mosquitto")
async def test_the_watcher_outlives_a_broker_that_is_not_there_yet(mosquitto: Mosquitto, tmp_path: Path) -> None:
    mosquitto.stop()
    rules = tmp_path / "rules.toml"
    rules.write_text("[alarms]\nclear_after_s = 0\n")
    argv = [sys.executable, "-m", "agent.cli", "alarms", "--broker", mosquitto.url, "--json", "--rules", str(rules)]
    watcher = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert watcher.stdout is not None
    try:
        async with asyncio.timeout(60):
            raised = json.loads(await watcher.stdout.readline())
            mosquitto.start()
            cleared = json.loads(await watcher.stdout.readline())
    finally:
        watcher.terminate()
        ended = await watcher.wait()
    assert (raised["event"], raised["code"], raised["severity"]) == ("raised", "broker", "critical")
    assert (cleared["event"], cleared["code"]) == ("cleared", "broker")
    assert ended == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--webhook", "ftp://a/b"), "--webhook: write a web address such as https://"),
        (("--command", "logger 'open"), "--command: No closing quotation"),
        (("--rules", "/nowhere.toml"), "/nowhere.toml: cannot be read"),
    ],
)
async def test_wrong_usage_is_exit_2(words: tuple[str, ...], said: str) -> None:
    code, _, err = await framezero("alarms", "--broker", "mqtt://127.0.0.1:1", *words)
    assert (code, said in err) == (2, True), err


async def test_one_look_without_a_broker_is_exit_4() -> None:
    code, _, err = await framezero("alarms", "--once", "--broker", f"mqtt://127.0.0.1:{free_port()}")
    assert (code, "nobody listens" in err) == (4, True)
