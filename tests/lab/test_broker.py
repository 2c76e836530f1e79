import asyncio
from pathlib import Path

import aiomqtt
import pytest

from agent.lab import broker
from agent.lab.processes import LabError, Processes


@pytest.mark.needs("mosquitto")
async def test_the_broker_takes_messages_from_anybody_and_greets(processes: Processes, tmp_path: Path) -> None:
    started = broker.start(processes, tmp_path)
    await broker.hello(started.port, "lab/v1")
    async with aiomqtt.Client("127.0.0.1", started.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("lab/v1/cue/#")
        message = await asyncio.wait_for(anext(client.messages), 5)
        assert str(message.topic) == "lab/v1/cue/_hello"
        assert message.retain
    assert started.url == f"mqtt://127.0.0.1:{started.port}"


async def test_a_broker_that_is_not_there_is_exit_status_4() -> None:
    with pytest.raises(LabError, match="does not take messages") as caught:
        await broker.hello(1, "lab/v1")
    assert caught.value.status == 4
