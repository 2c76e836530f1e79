"""Who may do what at a real mosquitto with exactly the files of deploy/broker."""

import asyncio

import pytest
from deployed import ROOT, Authority, Broker, client, heard, may_write

from agent.access import Access, BrokerError
from agent.connection import connect

pytestmark = pytest.mark.needs("mosquitto", "mosquitto_pub", "openssl")

OWN = ["presence", "status", "ack", "asrun", "answer"]


async def test_a_venue_writes_under_its_own_name_and_nowhere_else(authority: Authority, broker: Broker) -> None:
    async with client(authority, broker, "venue", "tokyo") as tokyo:
        for kind in OWN:
            assert await may_write(tokyo, f"venue/tokyo/{kind}"), kind
        forbidden = [
            *(f"venue/paris/{kind}" for kind in OWN),
            "venue/tokyo/other",
            "venue/tokyo",
            "venue/tokyo/status/more",
            "cue",
            "cue/0198f3a0-7c1e-7b3a-9d55-0d5c1f0e2a11",
            "cue/_hello",
            "program/reel/1",
            "panic",
            "panic/0198f3a0-7c1e-7b3a-9d55-0d5c1f0e2a11",
            "ask/tokyo",
            "ask/all",
            "desk/bring-your-vision/go",
        ]
        for topic in forbidden:
            assert not await may_write(tokyo, topic), topic


async def test_a_venue_hears_what_is_for_all_and_its_own_and_nobody_elses(authority: Authority, broker: Broker) -> None:
    async with client(authority, broker, "operator", "alice") as alice:
        meant = ["cue/x", "program/reel/1", "panic", "panic/x", "ask/tokyo", "ask/all"]
        for topic in [*meant, "ask/paris", "desk/bring-your-vision/go"]:
            assert await may_write(alice, topic, retain=True), topic
        async with client(authority, broker, "venue", "paris") as paris:
            for kind in OWN:
                assert await may_write(paris, f"venue/paris/{kind}", retain=True)
        async with client(authority, broker, "venue", "tokyo") as tokyo:
            assert await may_write(tokyo, "venue/tokyo/presence", retain=True)
            found = {message.topic.removeprefix(f"{ROOT}/") for message in await heard(tokyo, ["#"])}
        assert found == {*meant, "cue/_hello", "venue/tokyo/presence"}


async def test_an_operator_sends_hears_every_venue_and_clears_what_one_left(
    authority: Authority, broker: Broker
) -> None:
    async with client(authority, broker, "venue", "tokyo") as tokyo:
        for kind in OWN:
            assert await may_write(tokyo, f"venue/tokyo/{kind}", retain=True)
    async with client(authority, broker, "operator", "alice") as alice:
        found = {message.topic.removeprefix(f"{ROOT}/") for message in await heard(alice, ["venue/#"])}
        assert found == {f"venue/tokyo/{kind}" for kind in OWN}
        for topic in ("presence", "status"):
            assert await may_write(alice, f"venue/tokyo/{topic}", b"", retain=True)
        assert await may_write(alice, "desk/bring-your-vision/go", retain=True)
        claimed = {message.topic for message in await heard(alice, ["desk/#"])}
        assert f"{ROOT}/desk/bring-your-vision/go" in claimed, "every operator hears the others' claims"
        for topic in ("venue/tokyo/ack", "venue/tokyo/asrun", "venue/tokyo/answer", "other", "$SYS/x"):
            assert not await may_write(alice, topic), topic
    async with client(authority, broker, "operator", "alice") as alice:
        kept = {message.topic.rpartition("/")[2] for message in await heard(alice, ["venue/#"])}
        assert kept == {"ack", "asrun", "answer"}


async def refused(access: Access) -> str:
    with pytest.raises(BrokerError) as caught:
        async with asyncio.timeout(10), connect(access, identifier="somebody"):
            pass
    return str(caught.value)


async def test_strangers_and_those_without_a_certificate_do_not_come_in(authority: Authority, broker: Broker) -> None:
    assert "client certificate" in await refused(authority.access(broker.url))
    stranger = Authority(authority.folder.parent / "stranger")
    stranger.certify("init")
    stranger.certify("venue", "tokyo")
    theirs = stranger.access(broker.url, "venue", "tokyo")
    assert "not trusted" in await refused(theirs), "and no agent talks to a broker of another authority"
    access = Access(broker.url, ca=str(authority.folder / "ca.pem"), cert=theirs.cert, key=theirs.key)
    assert "does not know who signed this client certificate" in await refused(access)
    async with client(authority, broker, "venue", "tokyo") as tokyo:
        assert await may_write(tokyo, "venue/tokyo/status")


async def test_a_revoked_certificate_counts_no_more_once_set_up_has_run(authority: Authority, broker: Broker) -> None:
    old = authority.folder_of("venue", "tokyo")
    async with client(authority, broker, "venue", "tokyo"):
        pass
    keep = old.with_name("stolen")
    old.rename(keep)
    old.mkdir()
    for file in keep.iterdir():
        (old / file.name).write_bytes(file.read_bytes())
    authority.certify("revoke", "tokyo")
    assert "crl.pem" in broker.set_up().stdout
    broker.restart()
    said = await refused(Access(broker.url, ca=f"{keep}/ca.pem", cert=f"{keep}/venue.pem", key=f"{keep}/venue.key"))
    assert "certificate is revoked; get another" in said, said
    authority.certify("venue", "tokyo")
    async with client(authority, broker, "venue", "tokyo") as tokyo:
        assert await may_write(tokyo, "venue/tokyo/status")
    async with client(authority, broker, "venue", "paris"):
        pass


async def test_a_certificate_that_has_ended_is_named(authority: Authority, broker: Broker) -> None:
    folder, config = authority.folder_of("venue", "paris"), authority.folder / "openssl.cnf"
    script = (
        f"openssl req -new -config {config} -key {folder}/venue.key -subj /CN=paris -out {folder}/request && "
        f"openssl ca -batch -notext -config {config} -extensions client -startdate 20200101000000Z "
        f"-enddate 20200102000000Z -in {folder}/request -out {folder}/venue.pem"
    )
    process = await asyncio.create_subprocess_exec("bash", "-c", script, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert "certificate has ended; get a renewed one" in await refused(authority.access(broker.url, "venue", "paris"))
