"""A broker that grants a subscription and then keeps its messages to itself, as mosquitto does."""

import asyncio
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from makers import private
from yard import FIRST, SABOTAGED, SHOW, Told, Watch, ground, start

pytestmark = [pytest.mark.needs("mosquitto", "chronyd"), pytest.mark.timeout(120)]

SILENT = 3
VENUE = "topic readwrite framezero/v1/venue/#\ntopic read framezero/v1/program/#\n"
"""What the operator forgot is `topic read framezero/v1/cue/#`."""


async def test_a_wrong_access_list_is_no_go_at_the_wall_and_silence_at_the_operator(tmp_path: Path) -> None:
    acl, names = tmp_path / "acl", ("whole", "hello-unasked")
    acl.write_text("topic readwrite #\n" + "".join(f"user {name}\n{VENUE}" for name in names))
    with ground(tmp_path, f"acl_file {acl}") as (site, broker):
        whole, trusting = start(site, "hello_unasked")
        async with Watch(broker) as watch:
            await watch.hello()
            await watch.ready(trusting)
            fault = await watch.until(whole, "status", lambda status: "broker" in _codes(status))
            assert fault["ready"] is False
            assert watch.last(trusting, "status")["ready"] is True, "it looks well, and will never hear a cue"
            key = tmp_path / "show.key"
            key.touch(0o600)
            key.write_bytes(private(FIRST).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            where = ("--broker", broker.url, "--show", SHOW, "--key", str(key), "--timeout", "2s")
            cue = ("cue", "black", "--in", "10m", "--venues", "hello-unasked", *where)
            codes = await asyncio.gather(_run("-m", "agent.cli", *cue), _run(str(SABOTAGED), "acks_unawaited", *cue))
            assert list(codes) == [SILENT, 0]


def _codes(status: Told) -> list[str]:
    return [reason["code"] for reason in status["reasons"]]


async def _run(*argv: str) -> int | None:
    process = await asyncio.create_subprocess_exec(sys.executable, *argv, stdout=asyncio.subprocess.DEVNULL)
    return await process.wait()
