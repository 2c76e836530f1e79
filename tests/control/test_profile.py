from pathlib import Path

import pytest

from agent.control.alarm_rules import Rules
from agent.control.profile import ProfileError, load, load_rules


def written(folder: Path, text: str) -> Path:
    file = folder / "control.toml"
    file.write_text(text)
    return file


def faults(options: dict[str, object], profile: Path | None, environ: dict[str, str]) -> str:
    with pytest.raises(ProfileError) as caught:
        load(options, profile, environ)
    return "\n".join(caught.value.faults)


def test_option_over_environment_over_profile(tmp_path: Path) -> None:
    profile = written(tmp_path, 'broker = ["mqtt://file:1"]\nshow = "file"\nroot = "file/v1"\n')
    environ = {"FRAMEZERO_CONTROL__BROKER": "mqtt://env:1", "FRAMEZERO_CONTROL__SHOW": "env"}
    found = load({"show": "option", "broker": None}, profile, environ)
    assert (found.broker, found.show, found.root) == (["mqtt://env:1"], "option", "file/v1")


@pytest.mark.parametrize("text", ["mqtt://a:1", '["mqtt://a:1", "mqtts://b:2"]'])
def test_the_environment_takes_one_url_or_a_list(text: str) -> None:
    found = load({}, None, {"FRAMEZERO_CONTROL__BROKER": text, "HOME": "/nowhere"})
    assert found.broker[0] == "mqtt://a:1"


def test_a_show_that_looks_like_a_number_stays_text() -> None:
    found = load({"broker": ["mqtt://a:1"]}, None, {"FRAMEZERO_CONTROL__SHOW": "2025"})
    assert found.show == "2025"


def test_one_broker_twice_is_one_session() -> None:
    found = load({"broker": ["mqtt://a:1", "mqtt://a:1"], "cert_key": "k"}, None, {})
    (access,) = found.access()
    assert (access.url, access.key) == ("mqtt://a:1", "k")


def test_relative_paths_are_those_beside_the_profile_and_options_those_of_the_shell(tmp_path: Path) -> None:
    profile = written(tmp_path, 'broker = "mqtt://a:1"\nca = "ca.pem"\nkey = ["~/a.key", "/b.key", "c.key"]\n')
    found = load({"cert": "own.pem"}, profile, {})
    assert (found.ca, found.cert, found.trust) == (str(tmp_path / "ca.pem"), "own.pem", "")
    assert found.key == ["~/a.key", "/b.key", str(tmp_path / "c.key")]


def test_all_faults_are_said_at_once_with_their_source(tmp_path: Path) -> None:
    profile = written(tmp_path, 'brokers = "mqtt://a:1"\nroot = "a/#"\n')
    text = faults({"show": "No Show"}, profile, {"FRAMEZERO_CONTROL__COLOUR": "red"})
    assert "no broker is named" in text
    assert f"{profile}: unknown key 'brokers'" in text
    assert f"{profile}: root 'a/#'" in text
    assert "--show: show 'No Show'" in text
    assert "FRAMEZERO_CONTROL__COLOUR: unknown key 'colour'" in text


def test_a_profile_that_is_named_must_be_there_and_toml(tmp_path: Path) -> None:
    assert "is not there" in faults({"broker": ["mqtt://a:1"]}, tmp_path / "none.toml", {})
    # What is missing may stand in the file, so only the file is complained of.
    assert "no broker" not in faults({}, tmp_path / "none.toml", {})
    assert "no broker" not in faults({}, written(tmp_path, "= ="), {})
    assert "no broker" in faults({}, written(tmp_path, ""), {})
    assert "not TOML" in faults({"broker": ["mqtt://a:1"]}, written(tmp_path, "= ="), {})
    assert "cannot be read" in faults({"broker": ["mqtt://a:1"]}, tmp_path, {})
    assert "http://a" in faults({"broker": ["http://a"]}, None, {})


def test_a_user_without_a_home_has_no_profile_and_a_home_that_is_not_there_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nowhere(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", nowhere)
    assert load({"broker": ["mqtt://a.example"]}, None, {}).broker == ["mqtt://a.example"]
    with pytest.raises(ProfileError, match="no such home"):
        load({"broker": ["mqtt://a.example"]}, Path("~nobody-here/control.toml"), {})


def test_alarms_are_a_table_of_the_profile_of_a_show_file_or_of_a_file_of_their_own(tmp_path: Path) -> None:
    profile = written(tmp_path, 'broker = "mqtt://a:1"\n[alarms]\ntemp_c = 70\noff = ["unsigned"]\n')
    assert load({}, profile, {}).alarms == Rules(temp_c=70, off=["unsigned"])
    assert load_rules(profile) == Rules(temp_c=70, off=["unsigned"])
    assert load({}, profile, {"FRAMEZERO_CONTROL__ALARMS": '{"temp_c": 60}'}).alarms == Rules(temp_c=60)
    show = Path(__file__).parents[2] / "deploy" / "shows" / "bring-your-vision.toml"
    rules = load_rules(show)
    assert "tokyo-shibuya" in rules.venues and rules.films_before_min == 120


def test_faults_in_the_table_of_alarms_name_their_place(tmp_path: Path) -> None:
    text = 'broker = "mqtt://a:1"\n[alarms]\ntemp = 70\nsync_p99_ms = -1\nwebhooks = ["ftp://a"]\noff = ["noise"]\n'
    found = faults({}, written(tmp_path, text), {})
    assert "unknown key 'alarms.temp'; known are venues, off, clock_bound_ms" in found
    assert "alarms.sync_p99_ms -1 cannot be used" in found
    assert "alarms.webhooks.0 cannot be used; write a web address" in found and "ftp://a" not in found
    assert "alarms.off.0 'noise' cannot be used" in found
    with pytest.raises(ProfileError, match="no table"):
        load_rules(written(tmp_path, 'broker = "mqtt://a:1"'))
    with pytest.raises(ProfileError, match=r"alarms\.temp'"):
        load_rules(written(tmp_path, "[alarms]\ntemp = 1"))
    with pytest.raises(ProfileError, match="venues"):
        load_rules(written(tmp_path, '[alarms]\nvenues = 5\n[[venue]]\nid = "a"'))


def test_who_sends_is_the_operator_of_the_profile_else_the_session(tmp_path: Path) -> None:
    named = load({}, written(tmp_path, 'broker = "mqtt://a:1"\noperator = "anna@control-hk"\n'), {})
    assert named.me == "anna@control-hk"
    session = load({"broker": ["mqtt://a:1"]}, None, {"HOME": "/nowhere"}).me
    assert "@" in session and len(session) <= 64
    told = faults({}, written(tmp_path, 'broker = "mqtt://a:1"\noperator = "a\\nb"\n'), {})
    assert "operator" in told and "anna@control-hk" in told
