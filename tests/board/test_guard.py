"""The door of the board, request by request, without a server."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from agent.board.guard import MAX_FORM_BYTES, Guard
from agent.board.tokens import GUESSES, PER_S, Tokens

OPERATOR, GUEST = "operator-token-0123456789", "guest-token-0123456789"
TOKENS = Tokens(OPERATOR, GUEST)
HOST = "127.0.0.1:8460"
COOKIE = f"framezero-board-8460={TOKENS.kept('operator')}"


@dataclass
class Door:
    """A guard with nothing behind it but a note of whom it let through."""

    secure: bool = False
    now_s: float = 0.0
    inside: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = frozenset({"desk.example"})
        self.guard = Guard(self._app, TOKENS, names, 8460, secure=self.secure, now_s=lambda: self.now_s)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.inside.append(scope.get("state", {}).get("role", ""))
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
            await send({"type": "http.response.body", "body": b"in"})

    async def ask(
        self, target: str = "/", method: str = "GET", kind: str = "http", body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        path, _, query = target.partition("?")
        sent: list[Message] = []
        scope: dict[str, Any] = {
            "type": kind,
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "client": (headers.pop("address", "127.0.0.1"), 5000),
            "headers": [(name.encode(), value.encode()) for name, value in {"host": HOST, **headers}.items()],
        }

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.guard(scope, receive, send)
        if kind == "websocket":
            return (sent[0]["code"] if sent else 0), {}, b""
        return (
            sent[0]["status"],
            {name.decode(): value.decode() for name, value in sent[0]["headers"]},
            sent[1]["body"],
        )


async def test_without_a_token_nobody_comes_in_and_is_told_what_to_do() -> None:
    door = Door()
    for target in ("/", "/time", "/picture/tokyo", "/_nicegui/3/static/nicegui.js", "/_nicegui_ws/socket.io/"):
        status, headers, body = await door.ask(target)
        assert status == 401
        assert b"framezero board` printed" in body and b"<form" in body
        assert headers["cache-control"] == "no-store"
    assert await door.ask("/_nicegui_ws/socket.io/", kind="websocket") == (1008, {}, b"")
    assert (await door.ask(cookie="framezero-board-8460=wrong"))[0] == 401
    assert door.inside == []


@pytest.mark.parametrize(("token", "role"), [(OPERATOR, "operator"), (GUEST, "guest")])
async def test_a_token_in_the_address_is_kept_as_a_cookie_and_goes_from_the_address(token: str, role: str) -> None:
    door = Door()
    status, headers, body = await door.ask(f"/?token={token}")
    assert (status, door.inside) == (200, [])
    assert b'content="0;url=/"' in body
    assert token not in headers["set-cookie"] and token.encode() not in body
    assert "HttpOnly; SameSite=Strict" in headers["set-cookie"] and "Secure" not in headers["set-cookie"]
    cookie = headers["set-cookie"].partition(";")[0]
    assert (await door.ask(cookie=cookie))[0] == 200
    assert (await door.ask("/ws", kind="websocket", cookie=cookie, origin=f"http://{HOST}"))[0] == 0
    assert door.inside == [role, role]


async def test_a_token_can_be_typed_in() -> None:
    door = Door()
    status, headers, _ = await door.ask("/enter", "POST", body=f"token={GUEST}".encode(), origin=f"http://{HOST}")
    assert status == 200 and TOKENS.kept("guest") in headers["set-cookie"]
    long = b"token=" + b"x" * 2 * MAX_FORM_BYTES
    assert (await door.ask("/enter", "POST", body=long, origin=f"http://{HOST}"))[0] == 401


async def test_over_tls_the_cookie_never_goes_without_it() -> None:
    door = Door(secure=True)
    assert "; Secure" in (await door.ask(f"/?token={OPERATOR}"))[1]["set-cookie"]
    assert (await door.ask("/ws", kind="websocket", cookie=COOKIE, origin=f"http://{HOST}"))[0] == 1008
    assert (await door.ask("/ws", kind="websocket", cookie=COOKIE, origin=f"https://{HOST}"))[0] == 0


async def test_wrong_tokens_are_slowed_down_but_not_those_who_are_in() -> None:
    door = Door()
    for _ in range(GUESSES):
        assert (await door.ask("/?token=guess"))[0] == 401
    status, headers, _ = await door.ask(f"/?token={OPERATOR}")
    assert status == 429 and int(headers["retry-after"]) > 0
    assert (await door.ask(cookie=COOKIE))[0] == 200
    assert (await door.ask(f"/?token={OPERATOR}", address="10.0.0.9"))[0] == 200
    door.now_s += PER_S
    assert (await door.ask(f"/?token={OPERATOR}"))[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8460", "", "localhost.evil.example"])
async def test_under_a_stranger_s_name_nobody_comes_in(host: str) -> None:
    """DNS rebinding: the name belongs to another site, and points here."""
    door = Door()
    assert (await door.ask(host=host, cookie=COOKIE))[0] == 421
    assert (await door.ask(f"/?token={OPERATOR}", host=host))[0] == 421
    assert (await door.ask("/ws", kind="websocket", host=host, cookie=COOKIE))[0] == 1008
    assert door.inside == []


@pytest.mark.parametrize("host", ["localhost:8460", "[::1]:8460", "192.168.1.7:8460", "desk.example", "Desk.Example:1"])
async def test_names_and_addresses_of_ours_are_fine(host: str) -> None:
    assert (await Door().ask(host=host, cookie=COOKIE))[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8460", "http://127.0.0.1:9"])
async def test_another_site_s_page_opens_no_socket_and_sends_nothing(origin: str) -> None:
    door = Door()
    assert (await door.ask("/ws", kind="websocket", cookie=COOKIE, origin=origin))[0] == 1008
    assert (await door.ask("/_nicegui_ws/", "POST", cookie=COOKIE, origin=origin))[0] == 403
    assert (await door.ask("/enter", "POST", body=f"token={OPERATOR}".encode(), origin=origin))[0] == 403
    assert door.inside == []


async def test_what_comes_from_inside_carries_the_headers() -> None:
    _, headers, body = await Door().ask(cookie=COOKIE)
    assert body == b"in"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer" and headers["cache-control"] == "no-store"


async def test_a_name_in_the_refusal_is_never_html() -> None:
    assert b"<script>" not in (await Door().ask(host="<script>"))[2]


async def test_an_address_that_would_move_a_terminal_s_cursor_gets_no_further() -> None:
    door = Door()
    for path in ("/x\x1b[2J", "/x\n", "/x\u202e"):
        assert (await door.ask(path, cookie=COOKIE))[0] == 404
    assert door.inside == []
