"""A venue that is only messages and a picture."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from brokers import Mosquitto
from fake_venue import BOOT, ROOT, connected, now_us, presence, status

from agent.answered import Answer, Shot
from agent.messages import Ask, Refusal, decode, encode


def shot_of(jpeg: bytes) -> Shot:
    return Shot(
        jpeg=base64.b64encode(jpeg).decode(),
        width=640,
        height=360,
        wall_width=1920,
        wall_height=1080,
        taken=now_us(),
        age_ms=20,
        bound_us=8200,
        state="slate",
        cue=None,
        program=None,
        rev=None,
        item=None,
        film=None,
        position_us=None,
        frame=None,
        panic=None,
        identifying=False,
    )


@asynccontextmanager
async def painter(broker: Mosquitto, name: str, jpeg: bytes | None) -> AsyncIterator[None]:
    """It answers with this picture, or refuses."""
    async with connected(broker) as client:
        await client.subscribe(f"{ROOT}/ask/{name}", 1)
        await client.publish(f"{ROOT}/venue/{name}/presence", encode(presence(name)), qos=1, retain=True)
        await client.publish(f"{ROOT}/venue/{name}/status", encode(status(name)), qos=1, retain=True)

        async def answer() -> None:
            async for message in client.messages:
                ask = decode(Ask, message.payload)
                if isinstance(ask, Refusal) or ask.want != "shot":
                    continue
                found: dict[str, Any] = {"refused": Refusal(code="no_display", detail="no display; plug one in")}
                if jpeg is not None:
                    found = {"shot": shot_of(jpeg)}
                told = Answer(ask=ask.ask, venue=name, boot=BOOT, time=now_us(), want="shot", **found)
                await client.publish(f"{ROOT}/venue/{name}/answer", encode(told), qos=1)

        task = asyncio.create_task(answer())
        try:
            yield
        finally:
            task.cancel()
