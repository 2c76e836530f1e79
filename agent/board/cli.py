"""`framezero board`: the control room as a web page, from this computer, until it is told to end."""

import asyncio
import os
import secrets
import signal
import socket
import stat
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from cryptography import x509

from agent.board.tokens import LEAST_CHARS, Tokens, read_tokens
from agent.control import showopen
from agent.control.desk import Desk
from agent.control.options import (
    Exit,
    SenderOptions,
    complaints,
    line_to,
    pen_of,
    print_json,
    screen,
    show_of,
    shown,
    takes,
    warn,
)
from agent.control.profile import ProfileError, Settings
from agent.control.showfile import ShowFile
from agent.control.showopen import Rehearse
from agent.control.signing import UNSIGNED, Pen
from agent.control.times import TimeError, parse_span
from agent.units import US_PER_S

if TYPE_CHECKING:
    from agent.board.live import Live
    from agent.board.server import Certificate

TOKEN_BYTES = 24
LEAST_PICTURES_S = 2.0
MODE = 0o600
NO_KEY = "no key: cues go unsigned, and walls take them only with trust.require = false; give one with --key"
IN_THE_CLEAR = (
    "this board can be reached from other computers, and speaks without TLS: whoever listens on the network between "
    "sees the token and can send cues with it; give --tls-cert and --tls-key, or keep to 127.0.0.1 and use ssh -L"
)


@dataclass(frozen=True, kw_only=True)
class BoardOptions(SenderOptions):
    """What a board needs besides."""

    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where it listens; 0.0.0.0: on every address.")
    ] = "127.0.0.1"
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The TCP port; 0 takes a free one.")] = 8460
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Show only: nothing can be sent from this board, by nobody.")
    ] = False
    show_file: Annotated[Path | None, typer.Option("--show-file", metavar="FILE", help="The cue list: show.toml.")] = (
        None
    )
    rehearse: Rehearse = False
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="The operator's token, and on a second line the guests'; made where it is not there. \\[drawn anew]",
        ),
    ] = None
    pictures: Annotated[
        str, typer.Option("--pictures", metavar="SPAN", help="A new picture of each wall so often; 0: only on demand.")
    ] = "10s"
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="FILE", help="The board's own certificate, PEM.")
    ] = None
    tls_key: Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key, PEM.")] = None


@takes(BoardOptions)
def board(given: BoardOptions) -> None:
    """Open the control room as a web page: all walls live, the next cue, GO, hold, panic, as-run and alarms.

    It prints one address for operators and one for guests, who only see. A browser that has opened one of them keeps a
    cookie, and the token goes from the address. Cues are signed here: no key ever reaches a browser. Without a broker
    the page says so, and is live as soon as one is there.
    """
    from agent.board.server import bind, check_certificate

    show_file = showopen.load(given.show_file) if given.show_file is not None else None
    found = _settings(given, show_file)
    show = show_of(found)
    certificate = _certificate(given)
    if certificate is not None and (fault := check_certificate(certificate)):
        raise ProfileError([f"--tls-cert, --tls-key: {fault}; give a certificate and its own key, unlocked"])
    pictures_s = _pictures_s(given.pictures)
    tokens = _tokens(given.token_file, read_only=given.read_only)
    pen = UNSIGNED if given.read_only else pen_of(found, "cue", "panic", "lift", "claim")
    desk = Desk(show_file or ShowFile.model_construct(show=show, cue=[]), given.me(found), rehearsing=given.rehearse)
    try:
        sock = bind(given.host, given.port)
    except OSError as error:
        detail = f"{given.host}:{given.port} cannot be listened on ({error.strerror}); does a board run there already?"
        raise ProfileError([f"{detail} Give another --port, or an address of this computer as --host"]) from error
    port = sock.getsockname()[1]
    warnings = [] if pen.keys or given.read_only else [NO_KEY]
    if not _loopback(given.host) and certificate is None:
        warnings.append(IN_THE_CLEAR)
    _announce(given, tokens, port, certificate, warnings)
    asyncio.run(_run(given, found, pen, desk, Door(tokens, sock, port, certificate), pictures_s))
    raise typer.Exit(Exit.GOOD)


@dataclass(frozen=True, slots=True)
class Door:
    """Where the board listens, and who comes in."""

    tokens: Tokens
    sock: socket.socket
    port: int
    certificate: "Certificate | None"


async def _run(given: BoardOptions, found: Settings, pen: Pen, desk: Desk, door: Door, pictures_s: float) -> None:
    from agent.board.live import Choices, Live, topics

    rules = desk.file.alarms or found.alarms
    # The walls of a rehearsal are others, or none.
    places = [] if desk.rehearsing else [place.id for place in desk.file.venue]
    expected = tuple(dict.fromkeys([*places, *rules.venues]))
    file = given.show_file.name if given.show_file is not None else ""
    choices = Choices(given.read_only, pictures_s, file, expected, rules)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with line_to(found, topics(desk.show), patient=True, pen=pen) as link:
        live = Live(link, desk, choices)
        async with live.running():
            await _serve(live, given.host, door, stop)


async def _serve(live: "Live", host: str, door: Door, stop: asyncio.Event) -> None:
    from agent.board.page import install
    from agent.board.server import application, guarded, serving

    app = application(live, install, live.clock, live.pictures, near=_loopback(host))
    names = _names(host, door.certificate)
    guard = guarded(app, door.tokens, names, door.port, secure=door.certificate is not None)
    async with serving(guard, door.sock, door.certificate):
        await stop.wait()


def _announce(
    given: BoardOptions, tokens: Tokens, port: int, certificate: "Certificate | None", warnings: list[str]
) -> None:
    """Say where it is, once: the addresses carry the tokens."""
    scheme = "https" if certificate is not None else "http"
    where = socket.gethostname() if given.host in ("0.0.0.0", "::", "") else given.host
    base = f"{scheme}://{f'[{where}]' if ':' in where else where}:{port}/"
    operator = f"{base}?token={tokens.operator}" if tokens.operator else None
    guest = f"{base}?token={tokens.guest}" if tokens.guest else None
    if given.json:
        print_json({"exit": 0, "operator": operator, "guest": guest, "port": port, "warnings": warnings})
        return
    warn(warnings)
    for who, url in (("operators", operator), ("guests", guest)):
        if url is not None:
            screen().print(f"[bold]{who}[/]: {shown(url)}", soft_wrap=True)
    complaints().print("[dim]the board is open; Ctrl-C ends it, and the walls go on by themselves[/]")


def _settings(given: BoardOptions, show_file: ShowFile | None) -> Settings:
    """The show file says which show it is."""
    if show_file is not None and given.show_file is not None:
        return showopen.settings(given, show_file, given.show_file, given.rehearse)
    if given.rehearse:
        raise ProfileError(["--rehearse: the show file names the rehearsal; give it with --show-file"])
    return given.settings()


def _certificate(given: BoardOptions) -> "Certificate | None":
    from agent.board.server import Certificate

    if given.tls_cert is None and given.tls_key is None:
        return None
    if given.tls_cert is None or given.tls_key is None:
        raise ProfileError(["--tls-cert and --tls-key go together; give both"])
    return Certificate(given.tls_cert, given.tls_key)


def _pictures_s(text: str) -> float:
    if text.strip() == "0":
        return 0.0
    try:
        span_s = parse_span(text) / US_PER_S
    except TimeError as error:
        raise ProfileError([f"--pictures: {error}"]) from error
    if span_s < LEAST_PICTURES_S:
        raise ProfileError([f"--pictures {text}: a wall takes one in {LEAST_PICTURES_S:g} s at most; or 0 for none"])
    return span_s


def _tokens(file: Path | None, *, read_only: bool) -> Tokens:
    drawn = Tokens(secrets.token_urlsafe(TOKEN_BYTES), secrets.token_urlsafe(TOKEN_BYTES))
    tokens = drawn if file is None else _from_file(file, drawn)
    # Where nobody may send, the operator's token is one more that only sees.
    return Tokens("", tokens.guest or tokens.operator) if read_only else tokens


def _from_file(file: Path, drawn: Tokens) -> Tokens:
    try:
        made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
    except FileExistsError:
        pass
    except OSError as error:
        raise ProfileError(
            [f"--token-file {file}: cannot be made ({error.strerror}); make its folder first"]
        ) from error
    else:
        with os.fdopen(made, "w", encoding="ascii") as out:
            out.write(f"{drawn.operator}\n{drawn.guest}\n")
        return drawn
    try:
        with file.open(encoding="utf-8") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            text = opened.read(4 * 1024)
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError([f"--token-file {file}: cannot be read ({error})"]) from error
    if not stat.S_ISREG(mode) or stat.S_IMODE(mode) & 0o077:
        raise ProfileError([f"--token-file {file}: others may read it; chmod 600 {file}, and draw new tokens"])
    found = read_tokens(text)
    if isinstance(found, str):
        hint = f"remove it, and one is made; a token has {LEAST_CHARS} characters at least"
        raise ProfileError([f"--token-file {file}: {found}; or {hint}"])
    return found


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _names(host: str, certificate: "Certificate | None") -> frozenset[str]:
    """The host names that are ours: this computer's, the one that it listens on, and those of the certificate."""
    own = socket.gethostname().lower()
    names = {own, f"{own.partition('.')[0]}.local", host.lower()}
    if certificate is not None:
        found = x509.load_pem_x509_certificate(certificate.cert.read_bytes())
        try:
            said = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            names |= {name.lower() for name in said.get_values_for_type(x509.DNSName)}
        except x509.ExtensionNotFound:
            pass
    return frozenset(names)
