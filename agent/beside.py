"""Work that the show does not hang on: figures, pictures, as-run records."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

AGAIN_S = 10.0

log = structlog.get_logger()


async def beside(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do this until it is done or cancelled; what breaks it is a fault of ours, and may not end a running film."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("work beside the show broke, and is begun anew", what=what, again_s=AGAIN_S)
        await asyncio.sleep(AGAIN_S)
