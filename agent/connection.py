"""One MQTT 5 connection to one broker: the only module that knows aiomqtt and paho.

It hides what was measured to be a trap in aiomqtt 2.5.1: a publish that the broker refuses looks like a success there,
an attempt that was given up may still connect later under the same client id, and errors arrive without their cause.
Everything that can go wrong outside leaves this module as a `BrokerError` whose text names the remedy.
"""

import asyncio
import logging
import math
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent.access import Access, BrokerError, address, plain, read_password, tls_context
from agent.received import Received

T = TypeVar("T")

CONNECT_TIMEOUT_S = 10.0
GOODBYE_TIMEOUT_S = 2.0
MAX_PACKET_BYTES = 272 * 1024
"""A shot of 256 KiB with its topic. A broker that keeps to MQTT 5 holds back what is larger (section 3.1.2.11.4)."""

CHUNK_BYTES = 64 * 1024  # read from the socket at once
PACKETS_AT_ONCE = 64
_PACKET_EXTRA_BYTES = 64  # above topic and payload: header, packet id, properties
TAKEN_OVER = 142  # MQTT 5, section 3.14.2.1: another client connected with the same client id
REFUSED_FROM = 128  # MQTT 5, section 2.4: reason codes from here on are failures


@dataclass(frozen=True, slots=True)
class Will:
    """The retained message that the broker publishes when this session dies without a goodbye."""

    topic: str
    payload: bytes


class Connection:
    """A live connection; made by `connect`."""

    def __init__(self, client: "_Client", access: Access) -> None:
        self._client = client
        self._access = access

    async def subscribe(self, topics: Sequence[str]) -> list[str]:
        """Subscribe with QoS 1 and return those topics that the broker says it refuses.

        A broker may grant what it then never delivers (mosquitto does): only a canary message proves a subscription.
        """
        try:
            codes = await self._client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in topics])
        except aiomqtt.MqttError as error:
            raise _fault(error, self._access, self._client.last_words) from error
        numbers = [code.value if isinstance(code, ReasonCode) else code for code in codes]
        return [topic for topic, number in zip(topics, numbers, strict=True) if number >= REFUSED_FROM]

    def send(self, topic: str, payload: bytes, *, retain: bool, expires_s: int | None = None) -> "asyncio.Future[str]":
        """Hand one QoS 1 message to the broker.

        The future becomes '' when the broker has taken it, else a sentence why it did not; it is cancelled when the
        connection ends first. Raises BrokerError when the connection is gone already.
        """
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types here
        if expires_s is not None:
            properties.MessageExpiryInterval = expires_s
        size, limit = len(topic.encode()) + len(payload) + _PACKET_EXTRA_BYTES, self._client.limit_bytes
        if limit is not None and size > limit:
            # It would end the connection, and so it would after each reconnect.
            return self._client.refused(f"{len(payload)} bytes; the broker takes packets of at most {limit}")
        return self._client.send(topic, payload, retain, properties)

    async def messages(self) -> AsyncIterator[Received]:
        """Every message that arrives, unbounded; raises BrokerError when the connection ends."""
        try:
            async for first in self._client.messages:
                for message in self._client.at_hand(first):
                    yield Received(message.topic.value, message.payload, message.retain, self._access.url)
        except aiomqtt.MqttError as error:
            raise _fault(error, self._access, self._client.last_words) from error


@asynccontextmanager
async def connect(
    access: Access,
    *,
    identifier: str,
    keepalive_s: int = 10,
    clean_start: bool = True,
    session_expiry_s: int = 0,
    will: Will | None = None,
) -> AsyncIterator[Connection]:
    """Connect once; leaving the block says goodbye to the broker, so that it does not publish the will.

    Raises BrokerError when the broker cannot be reached, does not accept us, or ends the connection.
    """
    host, port, tls = address(access.url)
    context = await asyncio.to_thread(tls_context, access) if tls else None
    password = await asyncio.to_thread(read_password, access.password_file)
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types here
    properties.SessionExpiryInterval = session_expiry_s
    properties.MaximumPacketSize = MAX_PACKET_BYTES
    words = _LastWords()
    client = _Client(
        host,
        port,
        username=access.username or None,
        password=password,
        logger=words.logger,
        identifier=identifier,
        protocol=aiomqtt.ProtocolVersion.V5,
        will=aiomqtt.Will(will.topic, will.payload, qos=1, retain=True) if will else None,
        timeout=CONNECT_TIMEOUT_S,
        keepalive=keepalive_s,
        clean_start=clean_start,
        properties=properties,
        tls_context=context,
    )
    client.words = words
    try:
        try:
            await client.__aenter__()
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            # ValueError: host names that no encoding for DNS exists for.
            raise _fault(error, access, words.text) from error
        if client.ended is not None:
            # aiomqtt forgets an end that came together with the broker's welcome, and would wait for ever.
            raise _by_code(client.ended, access, words.text)
        try:
            yield Connection(client, access)
        finally:
            client.timeout = GOODBYE_TIMEOUT_S
            with suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
    finally:
        client.abandon()


class _LastWords(logging.Handler):
    """Keeps what paho logs instead of raising; it is the only trace of why a handshake failed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""
        self.logger = logging.Logger("paho", logging.WARNING)
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


class _Client(aiomqtt.Client):
    """aiomqtt's client, with some private hooks overridden; pinned by pyproject.toml, watched by the tests."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.words = _LastWords()
        self.limit_bytes: int | None = None
        """The largest packet that the broker takes, where it has said so."""

        self._receive = self._client._sock_recv
        self._client._sock_recv = self._receive_capped  # type: ignore[method-assign]  # paho has no hook here
        self._loop_read = self._client.loop_read
        self._client.loop_read = self._read_many  # type: ignore[method-assign]  # nor here
        self._chunk, self._chunk_at = b"", 0
        self.ended: ReasonCode | None = None
        """Why the connection ended, once it has."""

        self._verdicts: dict[int, asyncio.Future[str]] = {}
        self._abandoned = False

    @property
    def last_words(self) -> str:
        """The last complaint of the library below."""
        return self.words.text

    async def _wait_for(self, fut: Awaitable[T], timeout: float | None) -> T:  # noqa: ASYNC109 - aiomqtt's signature
        """As aiomqtt's; but wait_for of Python 3.11 can swallow a cancellation that comes together with the result."""
        limit_s = self.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(None if limit_s == math.inf else limit_s):
                return await fut
        except TimeoutError:
            raise aiomqtt.MqttError("Operation timed out") from None

    def send(self, topic: str, payload: bytes, retain: bool, properties: Properties) -> "asyncio.Future[str]":
        """Publish through paho itself, because aiomqtt's publish drops the broker's reason code."""
        info = self._client.publish(topic, payload, 1, retain, properties)
        if info.rc != paho.MQTT_ERR_SUCCESS:
            raise BrokerError("the connection is lost")
        verdict: asyncio.Future[str] = self._loop.create_future()
        self._verdicts[info.mid] = verdict
        return verdict

    def refused(self, why: str) -> "asyncio.Future[str]":
        """The verdict on a message that is not worth sending."""
        verdict: asyncio.Future[str] = self._loop.create_future()
        verdict.set_result(why)
        return verdict

    def _receive_capped(self, bufsize: int) -> bytes:
        """A broker that ignores our limit may not fill the memory: paho itself would take up to 256 MiB."""
        if bufsize > MAX_PACKET_BYTES:
            raise ConnectionAbortedError(f"it sent a packet of {bufsize} bytes; at most {MAX_PACKET_BYTES} are taken")
        if self._chunk_at == len(self._chunk):
            self._chunk, self._chunk_at = self._receive(CHUNK_BYTES), 0
        part = self._chunk[self._chunk_at : self._chunk_at + bufsize]
        self._chunk_at += len(part)
        return part

    def _read_many(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read the packets of a chunk, up to so many before others have their turn.

        paho asks the socket for each packet several times, and aiomqtt turns the event loop for each: with the acks of
        thousands of venues that would be most of the work.
        """
        for _ in range(PACKETS_AT_ONCE):
            code = self._loop_read(max_packets)
            if code != paho.MQTT_ERR_SUCCESS or self._chunk_at == len(self._chunk):
                return code
        self._loop.call_soon(self._read_on)  # the socket may have nothing more to say
        return paho.MQTT_ERR_SUCCESS

    def _read_on(self) -> None:
        if self._abandoned:
            return
        try:
            self._read_many()
        except Exception as error:
            # As aiomqtt does where it reads: whatever breaks here ends the connection, and is said by its messages.
            if not self._disconnected.done():
                self._disconnected.set_exception(error)

    def at_hand(self, first: aiomqtt.Message) -> Iterator[aiomqtt.Message]:
        """A message and those that have come behind it, without a turn of the event loop for each."""
        yield first
        for _ in range(self._queue.qsize()):
            yield self._queue.get_nowait()

    def abandon(self) -> None:
        """Make sure that nothing of this attempt lives on, not even a connect that still runs in its thread."""
        self._abandoned = True
        for verdict in self._verdicts.values():
            verdict.cancel()
        self._verdicts.clear()
        # Whoever has left no longer asks how the connection ended; asyncio would print that nobody did.
        for ending in (self._connected, self._disconnected):
            ending.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        self._client._sock_close()

    def _on_publish(
        self, client: paho.Client, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        verdict = self._verdicts.pop(mid, None)
        if verdict is not None and not verdict.done():
            verdict.set_result(_refusal(reason_code))

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.limit_bytes = getattr(properties, "MaximumPacketSize", None)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_socket_open(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        if not self._abandoned:
            super()._on_socket_open(client, userdata, sock)

    def _on_socket_register_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        # aiomqtt leaves it to the next turn of the loop, where the socket may be closed by then.
        self._loop.call_soon_threadsafe(self._write_when_possible, client, sock)

    def _write_when_possible(self, client: paho.Client, sock: Any) -> None:
        if not self._abandoned and sock.fileno() >= 0:
            self._loop.add_writer(sock.fileno(), self._write, client)

    def _write(self, client: paho.Client) -> None:
        try:
            client.loop_write()
        except Exception as error:
            # As aiomqtt does where it writes.
            if not self._disconnected.done():
                self._disconnected.set_exception(error)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        # aiomqtt would wait for its whole timeout when the other side hangs up before it answers.
        if not self._connected.done() and not self._abandoned:
            self._connected.set_exception(aiomqtt.MqttError("closed before an answer"))
        self.ended = reason_code
        super()._on_disconnect(client, userdata, flags, reason_code, properties)


def _fault(error: Exception, access: Access, last_words: str) -> BrokerError:
    """Turn what the libraries raise into one sentence with the remedy."""
    for cause in (error, error.__cause__, error.__context__):
        code = getattr(cause, "rc", None)
        if isinstance(code, ReasonCode):
            return _by_code(code, access, last_words)
    cause = error.__cause__ or error.__context__ or error
    where = urlsplit(access.url).netloc
    if alert := _alert(last_words, where):
        return BrokerError(alert)
    if str(error) == "Operation timed out":  # aiomqtt's words: the line stands, the answer is missing
        return BrokerError(f"{where} accepted the connection but does not answer as an MQTT broker; check the port")
    match cause:
        case socket.gaierror() | UnicodeError():
            return BrokerError(f"the name of {where} cannot be resolved; check the address and this host's DNS")
        case ConnectionRefusedError():
            return BrokerError(f"nobody listens at {where}; is the broker running, and is the port right?")
        case ssl.SSLCertVerificationError():
            return BrokerError(
                f"the certificate of {where} is not trusted ({cause.verify_message}); {_untrusted(cause)}"
            )
        case ssl.SSLError():
            return BrokerError(
                f"TLS with {where} failed ({plain(cause)}); does this port speak TLS (mqtt:// else), and do cert and "
                "key belong to this CA?"
            )
        case ConnectionResetError() if access.url.startswith("mqtts:"):
            return BrokerError(
                f"{where} hung up during the TLS handshake; does this port speak TLS (mqtt:// else), and does it want "
                "a client certificate (cert and its key)?"
            )
        case TimeoutError():
            return BrokerError(f"{where} does not answer; check the network and the firewall")
        case OSError():
            return BrokerError(f"{where} cannot be reached ({plain(cause)}); check the network")
    if "closed before an answer" in str(error):
        reason = f" ({last_words})" if last_words else ""
        return BrokerError(
            f"{where} hung up before it answered{reason}; is it an MQTT port, mqtts:// where it speaks TLS, and does "
            "it want a client certificate (cert and its key)?"
        )
    return BrokerError(f"the connection to {where} failed ({plain(error)})")


def _untrusted(error: ssl.SSLCertVerificationError) -> str:
    """What mends a broker's certificate that does not pass, by OpenSSL's code (X509_V_ERR_…, x509_vfy.h)."""
    match error.verify_code:
        case 62 | 64:  # another host name, another address
            return "write the broker's address as its certificate names it, or have it made for this name as well"
        case 9:
            return "it counts later only, by this host's clock; is that right?"
        case 10:
            return "renew it (certify renew), unless it is this host's clock that is ahead"
        case _:
            return "set ca to the CA that signed it"


_ALERTS = {
    "alert certificate required": "it wants a client certificate (from certify); name it and its key",
    "alert certificate revoked": "this client certificate is revoked; get another from the owner (certify venue)",
    "alert certificate expired": "this client certificate has ended; get a renewed one (certify renew)",
    "alert unknown ca": "it does not know who signed this client certificate; use one of the broker's own authority",
}
"""What a broker says of our certificate in TLS (RFC 8446, section 6.2), as OpenSSL words it."""


def _alert(last_words: str, where: str) -> str:
    told = next((told for alert, told in _ALERTS.items() if alert in last_words), "")
    return f"{where} does not let us in: {told}" if told else ""


def _by_code(code: ReasonCode, access: Access, last_words: str) -> BrokerError:
    where = urlsplit(access.url).netloc
    if alert := _alert(last_words, where):
        return BrokerError(alert)
    match code.value:
        case 134 | 135 | 138:
            who = f"user {access.username!r}" if access.username else "a client without a user name"
            return BrokerError(
                f"{where} refuses {who} ({code}); check username, password_file or cert, and the broker's list of users"
            )
        case 132:
            return BrokerError(f"{where} does not speak MQTT 5; use a broker that does, such as mosquitto 2")
        case 133:
            return BrokerError(f"{where} refuses the client id ({code}); allow it at the broker")
        case value if value == TAKEN_OVER:
            return BrokerError(
                f"another client with the same id took the session at {where} over; is a second agent running with "
                "this venue's name? Every player has a venue name of its own",
                taken_over=True,
            )
        case 128:
            # paho's word for a connection that broke without a message from the broker.
            return BrokerError(f"the connection to {where} broke{f' ({last_words})' if last_words else ''}")
        case 149:
            return BrokerError(
                f"{where} ended the connection because a packet was too large ({code}); raise the broker's "
                f"max_packet_size to {MAX_PACKET_BYTES} bytes"
            )
        case 141:
            return BrokerError(
                f"the connection to {where} fell silent for longer than the keepalive; check the network"
            )
    return BrokerError(f"{where} ended the connection ({code}); see the broker's log")


def _refusal(verdict: ReasonCode) -> str:
    if verdict.value < REFUSED_FROM:
        return ""
    return f"the broker refused it ({verdict}): allow this user to write the topic in the broker's access list"
