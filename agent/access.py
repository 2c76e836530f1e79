"""Where a broker is and who we are to it: addresses, passwords and certificates, read anew at each connect.

Files may be replaced while the agent runs (a renewed certificate, a new password): the next connection reads them.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


class BrokerError(Exception):
    """A broker cannot be used (any longer); the text is one sentence with the remedy.

    `taken_over` says that another client with the same id pushed this one out.
    """

    def __init__(self, detail: str, *, taken_over: bool = False) -> None:
        super().__init__(detail)
        self.taken_over = taken_over


@dataclass(frozen=True, slots=True)
class Access:
    """Where a broker is and who we are to it; empty texts mean 'not set'. Paths name PEM files."""

    url: str
    username: str = ""
    password_file: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""


def address(url: str) -> tuple[str, int, bool]:
    """Host, port and whether it is TLS. Raises BrokerError for what is no broker's address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BrokerError(f"{url!r} is not a broker's address ({error}); write mqtts://host:8883") from error
    if parts.scheme not in ("mqtt", "mqtts") or not host or parts.path not in ("", "/"):
        raise BrokerError(f"{url!r} is not a broker's address; write mqtts://host:8883, or mqtt://host:1883 in a lab")
    if parts.username is not None:
        raise BrokerError("a broker's address holds no user or password; set username and password_file instead")
    tls = parts.scheme == "mqtts"
    return host, port or (8883 if tls else 1883), tls


def read_password(file: str) -> str | None:
    """The password in a file, without its last line end; None where no file is named. Raises BrokerError."""
    if not file:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise BrokerError(f"password_file {file} cannot be read ({reason}); correct its path or its rights") from error


def tls_context(access: Access) -> ssl.SSLContext:
    """TLS with the files as they are on disk now. Raises BrokerError for those that cannot be used."""
    try:
        context = ssl.create_default_context(cafile=access.ca or None)
    except (OSError, ValueError) as error:
        raise BrokerError(f"ca {access.ca} cannot be used ({plain(error)}); name the PEM file of the CA") from error
    if access.cert:
        try:
            # An empty passphrase instead of OpenSSL's prompt: a service has no terminal.
            context.load_cert_chain(access.cert, access.key or None, password="")
        except (OSError, ValueError) as error:
            names = f"certificate {access.cert} and its key {access.key or 'in the same file'}"
            raise BrokerError(
                f"the client {names} cannot be used ({plain(error)}); both are PEM, no passphrase"
            ) from error
    return context


def plain(error: Exception) -> str:
    """The plain reason inside an exception."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
