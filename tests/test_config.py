import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent.config import Clock, Config, ConfigError, NtpServer, load, parse

# The sample of the contracts, word for word.
SAMPLE = """
venue = "tokyo-shibuya"                # [a-z0-9-]{1,63}, unique
groups = ["asia"]
show = "bring-your-vision"             # cues of other shows are refused
timezone = "Asia/Tokyo"
state_dir = "/var/lib/framezero"

[broker]
urls = ["mqtts://cue-a.example:8883", "mqtts://cue-b.example:8883"]   # connects to all; mqtt:// for labs
root = "framezero/v1"
ca = "/etc/framezero/ca.pem"
cert = "/etc/framezero/venue.pem"
key = "/etc/framezero/venue.key"
username = "tokyo-shibuya"             # default: venue
password_file = ""

[clock]
servers = ["ntp1.example", { host = "10.0.0.1", port = 123, ours = true, smear = false }]
ready_error_ms = 30                    # above: NO-GO, ready = false
show_error_ms = 500                    # above: a wall shows the slate until the clock is better
correction_ms = 0.0                    # known asymmetry of this site

[display]
output = "x11"                         # x11 | null
name = ":0"
mode = ""                              # e.g. "1920x1080@60"
region = ""                            # "x,y,w,h" of the raster that is wall; default the whole screen
fit = "contain"                        # contain | cover | stretch
rotate = 0
latency_ms = 0.0                       # the wall shows this late, so starts are this much early
decoder = "auto"
volume = 100
slate = ""                             # picture or film; default a built-in

[cache]
dir = "/var/cache/framezero"
quota_gb = 200
reserve_gb = 5
rate_mbps = 0                          # 0 = unlimited

[trust]
keys = "/etc/framezero/keys"           # public keys, one TOML file each: name, role, key, not_after?
threshold = 1                          # show signatures that a cue needs
require = true                         # false only in a lab: unsigned is accepted, and status says so

[metrics]
listen = ""                            # "127.0.0.1:9460" for Prometheus
"""
LEAST: dict[str, Any] = {
    "venue": "tokyo-shibuya",
    "show": "bring-your-vision",
    "timezone": "Asia/Tokyo",
    "state_dir": "/var/lib/framezero",
    "broker": {"urls": ["mqtt://127.0.0.1:1883"]},
    "clock": {"servers": ["ntp1.example"]},
    "cache": {"dir": "/var/cache/framezero"},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(SAMPLE, encoding="utf-8")
    return path


def with_value(path: str, value: Any) -> dict[str, Any]:
    tree = copy.deepcopy(LEAST)
    *tables, key = path.split(".")
    place = tree
    for table in tables:
        place = place.setdefault(table, {})
    place[key] = value
    return tree


def faults(tree: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(tree, "agent.toml")
    return caught.value.faults


def load_faults(path: Path, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    return caught.value.faults


def test_the_sample_of_the_contracts_is_read(file: Path) -> None:
    config = load(file, {})
    assert config.broker.urls[1] == "mqtts://cue-b.example:8883"
    assert config.clock.servers == [NtpServer(host="ntp1.example"), NtpServer(host="10.0.0.1", port=123, ours=True)]
    assert config.cache.dir == Path("/var/cache/framezero")
    assert config.trust.require is True


def test_the_defaults_are_those_of_the_sample(file: Path) -> None:
    sample, least = load(file, {}), parse(LEAST, "agent.toml")
    assert least.display == sample.display
    assert least.trust == sample.trust
    assert least.metrics == sample.metrics
    assert least.cache == sample.cache
    assert least.clock.ready_error_ms == sample.clock.ready_error_ms
    assert least.clock.show_error_ms == sample.clock.show_error_ms


@pytest.mark.parametrize("missing", sorted(LEAST))
def test_what_is_missing_is_named(missing: str) -> None:
    [fault] = faults({key: value for key, value in LEAST.items() if key != missing})
    assert fault == f"agent.toml: {missing}: is missing; add it"


@pytest.mark.parametrize(
    ("path", "value", "hint"),
    [
        ("venu", "x", "'venue'"),
        ("display.latency", 3, "'latency_ms'"),
        ("brokre", {}, "'broker'"),
        ("cache.quota", 1, "'quota_gb'"),
        ("clock.servers", [{"host": "a", "prot": 1}], "'port'"),
    ],
)
def test_an_unknown_key_is_refused_with_the_likeliest_one(path: str, value: Any, hint: str) -> None:
    [fault] = faults(with_value(path, value))
    assert "unknown key" in fault
    assert f"did you mean {hint}" in fault


def test_an_unknown_key_like_no_other_is_to_be_removed() -> None:
    assert faults(with_value("display.zzz", 1)) == ["agent.toml: display.zzz: unknown key; remove it"]


def test_all_faults_are_told_at_once() -> None:
    tree = with_value("display.rotate", 45)
    tree |= {"venue": "Tokyo Shibuya", "surprise": 1}
    tree["clock"] = {"servers": [], "ready_error_ms": "soon"}
    told = "\n".join(faults(tree))
    for field in ("venue", "surprise", "clock.servers", "clock.ready_error_ms", "display.rotate"):
        assert f"agent.toml: {field}: " in told


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("venue", 7),
        ("venue", "Tokyo"),
        ("groups", "asia"),
        ("groups", ["Asia!"]),
        ("timezone", "Asia/Atlantis"),
        ("timezone", "Asia"),
        ("timezone", ""),
        ("timezone", "../../etc/passwd"),
        ("timezone", "a" * 300),
        ("state_dir", 1),
        ("broker", "mqtt://x"),
        ("broker.urls", []),
        ("broker.urls", "mqtt://x"),
        ("broker.urls", ["http://x"]),
        ("broker.root", "a/#"),
        ("broker.root", "/a"),
        ("clock.servers", [""]),
        ("clock.servers", [7]),
        ("clock.servers", [{"host": "a", "port": 0}]),
        ("clock.servers", [{"port": 123}]),
        ("clock.ready_error_ms", 0),
        ("clock.ready_error_ms", float("nan")),
        ("clock.correction_ms", float("inf")),
        ("display.output", "wayland"),
        ("display.region", "0,0,1920"),
        ("display.fit", "zoom"),
        ("display.rotate", 45),
        ("display.latency_ms", -1),
        ("display.volume", 101),
        ("cache.quota_gb", 0),
        ("cache.reserve_gb", -1),
        ("trust.threshold", 0),
        ("trust.require", "perhaps"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(path: str, value: Any) -> None:
    told = faults(with_value(path, value))
    assert any(fault.startswith(f"agent.toml: {path}") for fault in told), told


def test_the_environment_lies_over_the_file(file: Path) -> None:
    environ = {
        "FRAMEZERO_VENUE": "paris-opera",
        "FRAMEZERO_BROKER__URLS": '["mqtt://127.0.0.1:1883"]',
        "FRAMEZERO_DISPLAY__NAME": ":91",
        "FRAMEZERO_TRUST__REQUIRE": "false",
        "FRAMEZERO_CACHE__QUOTA_GB": "1.5",
        "FRAMEZERO_CONTROL__BROKER": "mqtt://not-for-the-agent",
        "PATH": "/bin",
    }
    config = load(file, environ)
    assert config.venue == "paris-opera"
    assert config.broker.urls == ["mqtt://127.0.0.1:1883"]
    assert config.display.name == ":91"
    assert config.trust.require is False
    assert config.cache.quota_gb == 1.5
    assert config.show == "bring-your-vision"


def test_credentials_of_systemd_count_before_the_file_and_after_the_environment(file: Path, tmp_path: Path) -> None:
    (tmp_path / "framezero.venue.key").write_text("key")
    (tmp_path / "framezero.venue.pem").write_text("certificate")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "FRAMEZERO_BROKER__CERT": "/elsewhere.pem"}
    broker = load(file, environ).broker
    assert (broker.cert, broker.key) == ("/elsewhere.pem", str(tmp_path / "framezero.venue.key"))
    assert broker.password_file == "", "one that is not there changes nothing"


def test_the_environment_makes_tables_that_the_file_lacks(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text('venue = "v"\nshow = "s"\ntimezone = "UTC"\nstate_dir = "/s"\n')
    environ = {
        "FRAMEZERO_BROKER__URLS": '["mqtt://a"]',
        "FRAMEZERO_CLOCK__SERVERS": '["a"]',
        "FRAMEZERO_CACHE__DIR": "/c",
    }
    assert isinstance(load(path, environ), Config)


@pytest.mark.parametrize(
    ("variable", "text", "named"),
    [
        ("FRAMEZERO_DISPLAY__ROTAT", "90", "did you mean 'rotate'"),
        ("FRAMEZERO_DISPLAY__ROTATE", "upright", "display.rotate"),
        ("FRAMEZERO_VENUE__NAME", "x", "FRAMEZERO_VENUE__NAME: venue is not a table"),
        ("FRAMEZERO_CLOCK__CORRECTION_MS", "NaN", "clock.correction_ms"),
        ("FRAMEZERO_", "x", "unknown key"),
        ("FRAMEZERO_BROKER__URLS", "[" * 100_000, "broker.urls"),
    ],
)
def test_a_fault_in_the_environment_is_told_as_well(file: Path, variable: str, text: str, named: str) -> None:
    [fault] = load_faults(file, {variable: text})
    assert fault.startswith(f"{variable}: ")
    assert named in fault


def test_a_fault_of_the_file_is_not_put_down_to_the_environment(file: Path) -> None:
    file.write_text(file.read_text().replace('"Asia/Tokyo"', '"Asia/Tokio"'))
    environ = {"FRAMEZERO_DISPLAY__ROTATE": "upright", "FRAMEZERO_DISPLAY__NAME": ":91"}
    zone, rotate = sorted(load_faults(file, environ))
    assert (zone.split(":")[0], rotate.split(":")[0]) == (str(file), "FRAMEZERO_DISPLAY__ROTATE")


@pytest.mark.parametrize("content", ["venue = ", "[broker", 'venue = "a"\nvenue = "b"', "a = " + "[" * 100_000])
def test_broken_toml_is_a_message_that_names_the_file(file: Path, content: str) -> None:
    file.write_text(content)
    [fault] = load_faults(file)
    assert fault.startswith(f"{file}: not TOML: ")


def test_a_file_that_is_no_text_is_a_message(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    assert "not TOML" in load_faults(file)[0]


def test_a_file_that_is_not_there_is_a_message_with_the_remedy(tmp_path: Path) -> None:
    [fault] = load_faults(tmp_path / "none.toml")
    assert "--config" in fault
    assert "--config" in load_faults(tmp_path)[0]


def test_an_empty_file_tells_all_that_is_missing(file: Path) -> None:
    file.write_text("")
    assert len(load_faults(file)) == len(LEAST)


def test_a_server_named_twice_and_a_mixture_of_smearing_ones_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"a:123 stands twice"):
        Clock.model_validate({"servers": ["a", "b", {"host": "a", "port": 123}]})
    smearing = [{"host": name, "smear": True} for name in "abc"]
    assert Clock.model_validate({"servers": smearing}).servers[0].smear
    with pytest.raises(ValidationError, match="only a, b, c smear"):
        Clock.model_validate({"servers": [*smearing, "d"]})


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("ntp1.example:1123", 'write { host = "ntp1.example", port = 1123 } instead'),
        ("192.0.2.7:123", 'write { host = "192.0.2.7", port = 123 } instead'),
        ("[::1]:123", 'write { host = "::1", port = 123 } instead'),
        ("[2001:db8::7]", 'write { host = "2001:db8::7" } instead'),
        ("2001:db8::zz", "neither a name nor an address"),
        ("ntp://a", "neither a name nor an address"),
    ],
)
def test_a_time_server_with_its_port_in_the_name_is_refused_with_the_remedy(text: str, remedy: str) -> None:
    for server in (text, {"host": text}):
        [fault] = faults(with_value("clock.servers", [server]))
        assert "clock.servers.0" in fault and remedy in fault


def test_all_is_no_venue() -> None:
    [fault] = faults(with_value("venue", "all"))
    assert "means every venue" in fault


@pytest.mark.parametrize("host", ["ntp1.example", "localhost", "192.0.2.7", "::1", "2001:db8::7", "fe80::1%eth0"])
def test_a_name_and_a_bare_address_are_time_servers(host: str) -> None:
    assert Clock.model_validate({"servers": [host]}).servers == [NtpServer(host=host)]


@pytest.mark.parametrize(
    ("path", "value", "remedy"),
    [
        ("display.decoder", "no", 'write "software"'),
        ("display.decoder", "vaapi2", "write one of auto, software"),
        ("display.mode", "1080p60", "1920x1080@60"),
        ("display.mode", "1920x1080@0", "1920x1080@60"),
    ],
)
def test_a_decoder_or_a_mode_that_there_is_not_is_refused_with_the_remedy(path: str, value: str, remedy: str) -> None:
    [fault] = faults(with_value(path, value))
    assert path in fault and remedy in fault


def test_decoders_and_modes_that_there_are() -> None:
    assert parse(with_value("display.decoder", "v4l2m2m-copy"), "test").display.decoder == "v4l2m2m-copy"
    config = parse(with_value("display.mode", "1920x1080@59.94"), "test")
    assert config.display.mode == "1920x1080@59.94"


@pytest.mark.parametrize("listen", ["", "127.0.0.1:9460", "[::1]:9460", "localhost:1", "0.0.0.0:65535"])
def test_where_figures_may_be_served(listen: str) -> None:
    assert parse(with_value("metrics.listen", listen), "test").metrics.listen == listen


@pytest.mark.parametrize(
    "listen", ["9460", ":9460", "::1:9460", "[::1]", "127.0.0.1:0", "a:65536", "a:b", "a..b:9460", f"{64 * 'x'}:9460"]
)
def test_where_figures_may_not_be_served_is_refused_with_an_example(listen: str) -> None:
    [fault] = faults(with_value("metrics.listen", listen))
    assert "metrics.listen" in fault and "127.0.0.1:9460 or [::1]:9460" in fault


def test_a_textfile_is_one_that_node_exporter_reads() -> None:
    path = "/var/lib/prometheus/node-exporter/framezero.prom"
    assert parse(with_value("metrics.textfile", path), "test").metrics.textfile == Path(path)
    for wrong in ("framezero.prom", "/var/lib/framezero.txt", "/var/lib/frame\0zero.prom"):
        [fault] = faults(with_value("metrics.textfile", wrong))
        assert "metrics.textfile" in fault and ".prom" in fault


def test_a_value_of_the_wrong_shape_is_told_in_words(file: Path) -> None:
    file.write_text(file.read_text().replace('venue = "tokyo-shibuya"', 'venue = "Tokyo"'))
    [fault] = load_faults(file)
    assert "lower-case letters, digits and hyphens (found 'Tokyo')" in fault


@pytest.mark.parametrize("text", ["/a\0b", "/\x1b[2J", "/\u202e", "/\udcff", "/a\nb", "/\x9b2J"])
def test_what_cannot_be_shown_is_no_name_and_no_path(text: str) -> None:
    for path in ("cache.dir", "broker.ca", "display.name"):
        table, key = path.split(".")
        tree = tomllib.loads(SAMPLE)
        tree[table][key] = text
        with pytest.raises(ConfigError, match=f"{path}: holds a character that cannot be shown"):
            parse(tree, "agent.toml")


def test_names_and_paths_may_be_in_any_script() -> None:
    tree = tomllib.loads(SAMPLE)
    tree["cache"]["dir"] = "/映画\u3000渋谷/é"
    assert str(parse(tree, "agent.toml").cache.dir) == "/映画\u3000渋谷/é"
