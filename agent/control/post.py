"""One HTTP POST, for webhooks: with time-outs at every step, so that no server can hold anything up."""

import asyncio
import ssl

from agent import __version__
from agent.control.addresses import Address, parse_address

POST_S = 15.0
_ANSWER_BYTES = 4096


class PostError(Exception):
    """A message was not taken; the text says why. `final`: it would not be taken the next time either."""

    def __init__(self, text: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


async def post(url: str, body: bytes, *, ca: str = "", timeout_s: float = POST_S) -> None:
    """Post a JSON body; https verifies the certificate, with `ca` (PEM) or what the host trusts.

    A redirect is not followed: it could lead anywhere. Raises PostError.
    """
    address = parse_address(url)
    try:
        context = ssl.create_default_context(cafile=ca or None) if address.secure else None
    except OSError as error:
        raise PostError(f"the CA {ca} cannot be read ({error})", final=True) from error
    try:
        async with asyncio.timeout(timeout_s):
            status = await _exchange(address, body, context)
    except TimeoutError as error:
        raise PostError(f"no answer within {timeout_s:g} s") from error
    except ssl.SSLCertVerificationError as error:
        raise PostError(f"its certificate is not trusted ({error.verify_message})") from error
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise PostError(f"cannot be reached ({error or type(error).__name__})") from error
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise PostError(f"it redirects ({status}); give the address that it redirects to", final=True)
    raise PostError(f"it answers {status}", final=400 <= status < 500 and status not in (408, 425, 429))


async def _exchange(address: Address, body: bytes, context: ssl.SSLContext | None) -> int:
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context, limit=_ANSWER_BYTES)
    try:
        head = (
            f"POST {address.target} HTTP/1.1\r\nHost: {address.named}\r\nUser-Agent: framezero/{__version__}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode("ascii") + body)
        await writer.drain()
        first = (await reader.readline()).split(b" ", 2)
        if len(first) < 2 or not first[0].startswith(b"HTTP/1.") or not first[1].strip().isdigit():
            raise ValueError("what answers there does not speak HTTP")
        return int(first[1])
    finally:
        # Not awaited: what it would say at the end is nothing to us, and it may never say it.
        writer.transport.abort()
