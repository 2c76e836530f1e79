"""What the wizard asks, and what answers mean; every answer is judged by agent.toml's own validators."""

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agent import config
from agent.technician.agent_toml import render
from agent.technician.judge import GOOD_OPERATORS, GOOD_SERVERS, operator_of
from agent.technician.questions import (
    CERTIFICATE,
    COPY,
    IDENTITY,
    NOBODY,
    PASSWORD,
    Draft,
    Here,
    Question,
    Screen,
    faults,
    questions,
    read,
    write,
)
from agent.technician.regions import time_servers

VENUES = Path(__file__).parents[2] / "deploy" / "venues"
HERE = Here("player-7", "Asia/Tokyo", "/etc/framezero", frozenset(), (), 100.0)
ANSWERS: dict[tuple[str, ...], str] = {("show",): "s", ("broker", "urls"): "cue-a.example, cue-b.example"}


def asked(draft: Draft, here: Here = HERE, **typed: str) -> dict[str, Question]:
    """Answer everything, by option where one is given, else as ANSWERS has it, else with the default."""
    found = {}
    for question in questions(draft, here):
        found[question.option] = question
        text = typed.get(question.option.lstrip("-").replace("-", "_"), ANSWERS.get(question.path))
        value = question.default if text is None else read(question, text)
        assert value is not None and faults(question, value) == [], (question, value)
        draft.set(question.path, value)
    return found


def question(kind: str, *path: str) -> Question:
    return Question(path or ("groups",), "--x", "", "", kind)  # type: ignore[arg-type]


def test_the_defaults_of_a_new_player_make_a_configuration_for_a_show() -> None:
    draft = Draft({})
    asked(draft)
    found = config.parse(tomllib.loads(render(draft.tree)), "agent.toml")
    assert found.venue == "player-7" and found.timezone == "Asia/Tokyo" and found.cache.quota_gb == 70
    assert found.broker.urls == ["mqtts://cue-a.example:8883", "mqtts://cue-b.example:8883"]
    assert (found.broker.ca, found.broker.key) == ("/etc/framezero/ca.pem", "/etc/framezero/venue.key")
    assert str(found.trust.keys) == "/etc/framezero/keys" and found.trust.require


def test_a_second_run_with_the_defaults_changes_nothing() -> None:
    runs: list[dict[str, str]] = [{}, {"identity": PASSWORD}, {"identity": NOBODY}]
    for typed in (*runs, {"time_server": "10.0.0.1:1123 ours, [fd00::1]:5"}):
        draft = Draft({})
        asked(draft, HERE, **typed)
        text = render(draft.tree)
        here = Here(
            "other", "Europe/Paris", "/etc", frozenset(["venue.pem", "ca.pem"]), (Screen(":7", "1x1", "1x1@60", ()),)
        )
        again = Draft(tomllib.loads(text))
        for one in questions(again, here):
            again.set(one.path, one.default)
        assert render(again.tree) == text, typed


@pytest.mark.parametrize("path", sorted(VENUES.glob("*.toml")), ids=lambda path: path.stem)
def test_what_the_wizard_does_not_ask_for_stays_as_it_was(path: Path) -> None:
    tree = tomllib.loads(path.read_text())
    more: dict[str, dict[str, Any]] = {
        "clock": {"correction_ms": 0.25, "listen": "127.0.0.1:1123", "chrony": False},
        "display": {"volume": 0, "decoder": "software", "slate": '/a b/"ü" \\ \x7f.png', "fit": "cover"},
        "cache": {"rate_mbps": 12.5},
        "metrics": {"listen": "127.0.0.1:9460"},
        "trust": {"require": False},
    }
    for table, part in more.items():
        tree.setdefault(table, {}).update(part)
    assert tomllib.loads(render(tree)) == tree, "nothing is lost, and nothing is written otherwise"
    draft = Draft(tomllib.loads(render(tree)))
    asked(draft, latency_ms="40")
    kept = tomllib.loads(render(draft.tree))
    assert all(kept[table][key] == value for table, part in more.items() for key, value in part.items())
    assert kept["display"]["latency_ms"] == 40 and kept["venue"] == path.stem


@pytest.mark.parametrize("path", sorted(VENUES.glob("*.toml")), ids=lambda path: path.stem)
def test_a_city_of_the_samples_is_offered_its_time_servers(path: Path) -> None:
    sample = config.load(path, {})
    assert time_servers(sample.timezone) == [server.host for server in sample.clock.servers]


@pytest.mark.parametrize("zone", ["Europe/Vienna", "America/Lima", "Africa/Lagos", "Pacific/Fiji", "UTC", "Nowhere"])
def test_everywhere_five_servers_of_three_operators_are_offered(zone: str) -> None:
    servers = time_servers(zone)
    assert len(set(servers)) == GOOD_SERVERS and len({operator_of(server) for server in servers}) >= GOOD_OPERATORS


def test_the_proof_of_identity_decides_what_else_is_asked_and_takes_away_what_does_not_fit() -> None:
    draft = Draft({})
    assert {"--ca", "--cert", "--cert-key"} <= asked(draft).keys() and draft.get(("broker", "cert"))
    by_password = asked(draft, identity=PASSWORD)
    assert {"--username", "--password-file"} <= by_password.keys() and "--cert" not in by_password
    assert draft.get(("broker", "cert")) is None and draft.get(("broker", "password_file")) == "/etc/framezero/password"
    assert not {"--ca", "--cert", "--username"} & asked(draft, identity=NOBODY).keys()
    assert draft.tree["broker"].keys() == {"urls", "root"}


@pytest.mark.parametrize(
    "broker",
    [
        {"urls": ["mqtts://a"], "ca": "/ca.pem", "username": "me"},
        {"urls": ["mqtts://a"], "cert": "/c.pem", "key": "/k.pem", "username": "me", "password_file": "/p"},
        {"urls": ["mqtt://a"], "cert": "/both.pem"},
        {"urls": ["mqtt://a"]},
    ],
)
def test_what_a_file_of_hand_leaves_out_or_adds_means_the_same_afterwards(broker: dict[str, Any]) -> None:
    """On a host that would be guessed at otherwise: another screen, disk, folder, and certificates that lie about."""
    tree = {"venue": "v", "show": "s", "timezone": "Asia/Tokyo", "state_dir": "/s", "cache": {"dir": "/c"}}
    tree |= {"clock": {"servers": ["ntp1.example"]}, "broker": broker}
    here = Here("w", "UTC", "/f", frozenset(["venue.pem", "ca.pem"]), (Screen(":7", "1x1", "1x1@60", ()),), 50.0)
    draft = Draft(copy.deepcopy(tree))
    for one in questions(draft, here):
        draft.set(one.path, one.default)
    after = config.parse(tomllib.loads(render(draft.tree)), "")
    assert after == config.parse(tree, "")


def test_what_lies_in_the_folder_is_guessed() -> None:
    def identity(*present: str, **typed: str) -> Any:
        draft = Draft({})
        asked(draft, Here("v", "UTC", "/etc/framezero", frozenset(present)), **typed)
        return draft.get(IDENTITY)

    assert identity() == identity("venue.pem", broker="mqtt://a") == CERTIFICATE
    assert identity("password") == PASSWORD and identity(broker="mqtt://127.0.0.1") == NOBODY


def test_screens_that_are_there_are_named_with_their_modes() -> None:
    screen = Screen(":3", "1920x1080", "1920x1080@50", tuple(f"1920x1080@{hz}" for hz in range(24, 36)))
    draft = Draft({})
    found = asked(draft, Here("v", "UTC", "/etc/framezero", frozenset(), (screen,)))
    assert found["--display"].default == ":3" and found["--mode"].default == "1920x1080@50"
    assert "1920x1080@31 and 4 more" in found["--mode"].hint
    assert "No X server was found" in asked(Draft({}))["--display"].hint


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("list", " a , b,", ["a", "b"]),
        ("list", "-", []),
        ("text", "-", ""),
        ("brokers", "a, b:1, mqtt://c, mqtts://d:2", ["mqtts://a:8883", "mqtts://b:1", "mqtt://c:1883", "mqtts://d:2"]),
        ("servers", "a, b:1123 ours", ["a", {"host": "b", "port": 1123, "ours": True}]),
        ("servers", "[::1]:5, fd00::1", [{"host": "::1", "port": 5}, "fd00::1"]),
        ("servers", "a smear", [{"host": "a", "smear": True}]),
        ("number", "33.3", 33.3),
        ("number", "90", 90),
        ("path", "/a", "/a"),
        ("identity", "none", "none"),
    ],
)
def test_an_answer_means(kind: str, text: str, value: Any) -> None:
    one = question(kind)
    assert read(one, text) == value
    assert read(one, write(one, value)) == value or text == "-"


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("number", "many", "no number"),
        ("path", "films", "begins with /"),
        ("identity", "badge", "none of certificate"),
        ("servers", "a b", "put commas"),
    ],
)
def test_an_answer_that_means_nothing_is_refused_in_words(kind: str, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(question(kind), text)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("venue",), "Tokyo!", "lower-case letters"),
        (("venue",), "all", "another name"),
        (("show",), "", "is needed"),
        (("timezone",), "Mars", "no time zone"),
        (("broker", "urls"), ["https://a"], "mqtt"),
        (("clock", "servers"), ["a", "a"], "stands twice"),
        (("display", "mode"), "big", "1920x1080@60"),
        (("display", "latency_ms"), -1, "greater than or equal to 0"),
        (("cache", "quota_gb"), 0, "greater than 0"),
        (("trust", "threshold"), 1.5, "integer"),
    ],
)
def test_the_configurations_own_validators_judge(path: tuple[str, ...], value: Any, words: str) -> None:
    assert words in "; ".join(faults(question("text", *path), value))


def test_the_asides_are_no_keys_of_the_configuration() -> None:
    draft = Draft({})
    draft.set(COPY, ["/k"])
    assert draft.tree == {} and draft.get(COPY) == ["/k"] and faults(question("files", *COPY), ["/k"]) == []


def test_keys_that_toml_does_not_take_bare_are_quoted() -> None:
    tree = {"a b": 1, 'x"y\n': "é", "broker": {"": [], "ü.v": {"p q": True}}}
    assert tomllib.loads(render(tree)) == tree
