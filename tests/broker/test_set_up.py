"""deploy/broker/set-up: run again it changes nothing, and what an owner added stays."""

import asyncio
import os
import pwd
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import DEPLOY, Authority, Broker, client, heard, may_write, run

pytestmark = pytest.mark.needs("mosquitto", "mosquitto_pub", "openssl")


def everything(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    return {
        str(file): (file.read_bytes(), file.stat().st_mode, file.stat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file() and file.name != "log" and "store" not in file.parts
    }


def test_help_has_an_example() -> None:
    done = run(DEPLOY / "set-up", "--help")
    assert done.returncode == 0
    assert "Example:\n  sudo deploy/broker/set-up" in done.stdout


def test_a_second_run_changes_nothing(broker: Broker) -> None:
    before = everything(broker.prefix)
    for words in ((), ("--operator", "alice")):
        assert "wrote" not in broker.set_up(*words).stdout
        assert everything(broker.prefix) == before


async def test_operators_and_lines_of_ones_own_stay_over_further_runs(authority: Authority, broker: Broker) -> None:
    authority.certify("operator", "bob", "panic-button")
    more = broker.prefix / "framezero" / "acl.more"
    more.write_text("user panic-button\ntopic write framezero/v1/panic/#\n")
    own = broker.prefix / "conf.d" / "own.conf"
    own.write_text("max_connections 500\n")
    said = broker.set_up("--operator", "bob").stdout
    assert "restart the broker" in said
    broker.set_up()
    assert more.read_text().startswith("user panic-button")
    assert own.read_text() == "max_connections 500\n"
    broker.restart()
    for name in ("alice", "bob"):
        async with client(authority, broker, "operator", name) as operator:
            assert await may_write(operator, "cue/x")
    async with client(authority, broker, "operator", "panic-button") as button:
        assert await may_write(button, "panic/x")
        assert not await may_write(button, "cue/x")


async def test_the_hello_is_there_after_every_start_even_with_the_store_lost(
    authority: Authority, broker: Broker
) -> None:
    async def hello() -> list[str]:
        async with client(authority, broker, "venue", "tokyo") as tokyo:
            return [message.topic for message in await heard(tokyo, ["cue/#"])]

    assert await hello() == ["framezero/v1/cue/_hello"]
    broker.stop()
    broker.start()
    assert await hello() == ["framezero/v1/cue/_hello"], "it is kept on disk"
    broker.stop(signal.SIGKILL)
    broker.lose_store()
    broker.start()
    assert await hello() == []
    broker.hello()
    assert await hello() == ["framezero/v1/cue/_hello"]


async def test_what_is_retained_survives_a_killed_broker_but_for_the_last_second(
    authority: Authority, broker: Broker
) -> None:
    async with client(authority, broker, "operator", "alice") as alice:
        assert await may_write(alice, "cue/x", retain=True)
    store = broker.prefix / "store" / "mosquitto.db"
    for _ in range(100):  # autosave_interval 1
        if store.exists() and b"cue/x" in store.read_bytes():
            break
        await asyncio.sleep(0.05)
    broker.stop(signal.SIGKILL)
    broker.start()
    async with client(authority, broker, "venue", "tokyo") as tokyo:
        assert "framezero/v1/cue/x" in [message.topic for message in await heard(tokyo, ["cue/#"])]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda server, _: (server / "server.key").unlink(), "server.key is missing"),
        (lambda server, _: (server / "crl.pem").write_text("nonsense"), "not a list of ca.pem's"),
        (lambda server, _: (server / "server.key").write_bytes((server / "other.key").read_bytes()), "not the key"),
        (lambda server, _: (server / "ca.pem").write_bytes((server / "server.pem").read_bytes()), "not signed by"),
        (lambda _, place: (place / "acl.more").write_text("topik write x\n"), "nothing was changed"),
        (lambda _, place: (place / "operators").write_text("alice\nA B\n"), "no name"),
    ],
)
def test_what_would_not_work_is_refused_before_anything_is_changed(
    authority: Authority, broker: Broker, spoil: object, said: str
) -> None:
    server = authority.folder_of("server", "cue-a.example")
    (server / "other.key").write_bytes((authority.folder_of("venue", "tokyo") / "venue.key").read_bytes())
    assert callable(spoil)
    spoil(server, broker.prefix / "framezero")
    before = everything(broker.prefix)
    assert said in broker.set_up("--operator", "carol", good=False).stderr
    assert everything(broker.prefix) == before


def test_wrong_options_are_refused_with_status_2(broker: Broker) -> None:
    for words, said in (
        (("--operator", "A/B"), "a name is made of"),
        (("--port", "x"), "number"),
        (("--x",), "what is"),
    ):
        done = broker.set_up(*words, good=False)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


async def test_another_root_is_in_the_access_list_and_the_hello(authority: Authority, broker: Broker) -> None:
    broker.set_up("--root", "shows/spring")
    broker.restart()
    async with client(authority, broker, "operator", "alice") as alice:
        assert not await may_write(alice, "cue/x")
        assert not await alice.send("shows/spring/cue/x", b"x", retain=False)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the broker's user can get into, as it cannot into pytest's."""
    try:
        pwd.getpwnam("mosquitto")
    except KeyError:
        pytest.skip("the package's user mosquitto is not there")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user's rights to give")
async def test_the_brokers_user_reads_its_files_and_owns_none(authority: Authority, open_folder: Path) -> None:
    folder = open_folder
    broker = Broker(folder / "etc", authority, "cue-a.example", user="mosquitto")
    try:
        broker.set_up("--operator", "alice")
        owners = {file.name: (file.owner(), file.group()) for file in (folder / "etc" / "framezero").iterdir()}
        assert {owner for owner, _ in owners.values()} == {"root"}, owners
        key = folder / "etc" / "framezero" / "server.key"
        assert (key.group(), key.stat().st_mode & 0o777) == ("mosquitto", 0o640)
        broker.start()
        broker.hello()
        assert broker.process is not None
        broker.process.send_signal(signal.SIGHUP)  # reads the access list as the broker's user
        async with client(authority, broker, "operator", "alice") as alice:
            assert await may_write(alice, "cue/x")
        broker.stop()
        assert (folder / "etc" / "store" / "mosquitto.db").exists()
    finally:
        broker.stop()
