"""The door of the board, before any page and any socket: who asks, under which name, from which page. ASGI.

Another website that is open in the operator's browser can make that browser ask us too, and by a name of its own that
it points at this computer (DNS rebinding) even read the answers. So a request counts only under a name of ours, and
what comes from a page counts only if the page is ours.
"""

import ipaddress
import logging
import time
from collections.abc import Callable
from html import escape
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.board.engine import Role
from agent.board.tokens import Guesses, Tokens

MAX_FORM_BYTES = 2048
COOKIE_DAYS = 30
# NiceGUI draws with a template compiler in the page, which the browser has to allow; everything else is from here.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


class Guard:
    """Lets through who has a token, with the role in `scope["state"]["role"]` (`request.state.role`).

    `names` are the host names that are ours besides `localhost` and plain addresses, which nobody can point elsewhere;
    `secure` says that the board speaks TLS. `now_s` is monotonic.
    """

    def __init__(
        self,
        app: ASGIApp,
        tokens: Tokens,
        names: frozenset[str],
        port: int,
        *,
        secure: bool,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._names = names | {"localhost"}
        self._cookie = f"framezero-board-{port}"  # browsers do not tell ports apart
        self._secure = secure
        self._now_s = now_s
        self._guesses = Guesses()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection (ASGI 3)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if not self._ours(host):
            await answer.page(421, "Not under this name", f"This board does not answer to {host!r}. {BY_ADDRESS}")
            return
        if not scope["path"].isprintable():  # the library behind writes the address of what is not there to the log
            await answer.page(404, "Not here", "There is no such page.")
            return
        origin = headers.get("origin")
        if origin is not None and origin != f"{'https' if self._secure else 'http'}://{host}" and _acts(scope):
            await answer.page(403, "From another site", "Only the board's own page may do that.")
            return
        token = await self._given(scope, receive)
        if token is not None:
            await self._enter(token, scope, answer)
            return
        role = self._tokens.role_by_kept(self._kept(headers.get("cookie", "")))
        if role is None:
            await answer.page(401, "A token is needed", TOKEN_NEEDED, form=True)
            return
        scope.setdefault("state", {})["role"] = role
        await self._app(scope, receive, _with_headers(send))

    async def _enter(self, token: str, scope: Scope, answer: "_Answer") -> None:
        """Somebody shows a token: let the browser keep it, and get it out of the address."""
        address, now_s = (scope.get("client") or ("?",))[0], self._now_s()
        if wait_s := self._guesses.wait_s(address, now_s):
            detail = f"Too many wrong tokens came from your address; try again in {wait_s:.0f} s."
            await answer.page(429, "Wait a minute", detail, {"retry-after": str(round(wait_s) + 1)})
            return
        role = self._tokens.role_of(token)
        if role is None:
            self._guesses.wrong(address, now_s)
            logging.getLogger(__name__).warning("a wrong token came from %s", address)
            await answer.page(401, "This token is not the board's", TOKEN_NEEDED, form=True)
            return
        await answer.page(200, "Come in", "", {"set-cookie": self._set_cookie(role)}, ahead=True)

    async def _given(self, scope: Scope, receive: Receive) -> str | None:
        """The token that a request shows, in its address or from the form; None: it shows none."""
        if scope["type"] != "http":
            return None
        if scope["method"] == "POST" and scope["path"] == "/enter":
            body = b""
            while len(body) <= MAX_FORM_BYTES:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
            query = body[:MAX_FORM_BYTES]
        elif scope["method"] == "GET" and scope["path"] == "/" and b"token=" in scope["query_string"]:
            query = scope["query_string"]
        else:
            return None
        return parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=9999).get("token", [""])[0]

    def _kept(self, cookies: str) -> str:
        try:
            morsel = SimpleCookie(cookies).get(self._cookie)
        except CookieError:
            return ""
        return morsel.value if morsel else ""

    def _set_cookie(self, role: Role) -> str:
        life = f"Max-Age={COOKIE_DAYS * 86400}; Path=/; HttpOnly; SameSite=Strict"
        return f"{self._cookie}={self._tokens.kept(role)}; {life}{'; Secure' if self._secure else ''}"

    def _ours(self, host: str) -> bool:
        """Whether this is a name of ours, or an address."""
        name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
        name = name.removeprefix("[").removesuffix("]").lower()
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True


def _acts(scope: Scope) -> bool:
    """Whether it is more than a look."""
    return scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            more = dict(HEADERS) if b"cache-control" in given else {**HEADERS, "cache-control": "no-store"}
            extra = [(name.encode(), value.encode()) for name, value in more.items() if name.encode() not in given]
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return sending


class _Answer:
    """What the door itself says: a plain page without anything that would have to be let in first."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send

    async def page(
        self,
        status: int,
        title: str,
        text: str,
        headers: dict[str, str] | None = None,
        *,
        form: bool = False,
        ahead: bool = False,
    ) -> None:
        """Answer with a page; a socket is only closed."""
        if self._scope["type"] == "websocket":
            await self._receive()
            await self._send({"type": "websocket.close", "code": 1008, "reason": title})
            return
        body = _PAGE.format(
            # Not a redirect: a browser that follows one from a link elsewhere leaves a strict cookie out.
            head='<meta http-equiv="refresh" content="0;url=/">' if ahead else "",
            title=escape(title),
            text=escape(text),
            form=_FORM if form else "",
        ).encode()
        plain: dict[str, Any] = {
            **HEADERS,
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'",
            "content-type": "text/html; charset=utf-8",
            "content-length": str(len(body)),
            "cache-control": "no-store",
            **(headers or {}),
        }
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in plain.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})
        await self._send({"type": "http.response.body", "body": b"" if self._scope["method"] == "HEAD" else body})


BY_ADDRESS = "Open it by this computer's address or host name."
TOKEN_NEEDED = (
    "Open the address that `framezero board` printed when it started: it carries the token. Or enter the token here."
)
_FORM = (
    '<form method="post" action="/enter"><label>Token <input name="token" type="password" autofocus required '
    'autocomplete="current-password"></label> <button>Enter</button></form>'
)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">{head}
<title>framezero board: {title}</title>
<style>body{{background:#0d1014;color:#dfe6ee;font:18px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;
padding:0 1em}}h1{{font-size:1.4em}}input,button{{font:inherit;padding:.4em .7em;border-radius:.3em;
border:1px solid #566;background:#1a2028;color:inherit}}</style></head>
<body><h1>{title}</h1><p>{text}</p>{form}</body></html>
"""
