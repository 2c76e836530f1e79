"""Whether the figures for a monitoring system can be had, as `[metrics]` in agent.toml says."""

import contextlib
import errno
import http.client
import os
import socket
import time
from pathlib import Path

from agent.config import Config, host_and_port
from agent.technician.findings import Finding

AREA = "metrics"
PATIENCE_S = 3.0
OLD_S = 120.0  # the agent writes every 15 s, and takes the file away when it ends in good order
_MOST_BYTES = 1 << 20


def look(config: Config) -> list[Finding]:
    """A finding for each way that is configured; none of them is a fault, for no wall depends on it."""
    settings = config.metrics
    found = [_served(settings.listen, config.venue)] if settings.listen else []
    return [*found, _written(settings.textfile)] if settings.textfile is not None else found


def _served(listen: str, venue: str) -> Finding:
    host, port = host_and_port(listen)
    try:
        said = _get(host, port)
    except ConnectionRefusedError:
        return _free(listen, host, port)
    except (OSError, http.client.HTTPException) as error:
        what = f"metrics.listen {listen}: nothing readable comes from there ({error})"
        return Finding(AREA, "warning", "metrics_listen", what, f"ss -ltnp 'sport = :{port}'; or name another port")
    if f'venue="{venue}"' in said and "framezero_build_info" in said:
        return Finding(AREA, "ok", "metrics_listen", f"the agent serves its figures at http://{listen}/metrics")
    what = f"metrics.listen {listen} is taken by another program"
    return Finding(AREA, "warning", "metrics_listen", what, f"ss -ltnp 'sport = :{port}'; or name another port")


def _get(host: str, port: int) -> str:
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        return connection.getresponse().read(_MOST_BYTES).decode(errors="replace")


def _free(listen: str, host: str, port: int) -> Finding:
    """Nobody listens there: could the agent?"""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        what = f"metrics.listen {listen} cannot be used ({error.strerror or error})"
        mend = "name an address of this host, such as 127.0.0.1:9460"
        if error.errno == errno.EACCES:
            mend = "name a port above 1023"
        return Finding(AREA, "warning", "metrics_listen", what, mend)
    return Finding(AREA, "ok", "metrics_listen", f"metrics.listen {listen} is free; no agent serves figures there now")


def _written(path: Path) -> Finding:
    try:
        age_s = time.time() - path.stat().st_mtime
    except OSError:  # also where this user may not look
        age_s = None
    if not os.access(path.parent, os.F_OK):
        what = f"metrics.textfile: there is no folder {path.parent} that this user may look into"
        mend = f"install prometheus-node-exporter, or sudo mkdir -p {path.parent}; and let the agent's user write there"
        return Finding(AREA, "warning", "metrics_textfile", what, mend)
    if age_s is not None and age_s > OLD_S:
        what = f"metrics.textfile: the figures in {path} are {age_s:.0f} s old, and node_exporter tells them on"
        return Finding(
            AREA, "warning", "metrics_textfile", what, "sudo systemctl restart framezero; or delete the file"
        )
    if age_s is not None:
        return Finding(AREA, "ok", "metrics_textfile", f"the agent's figures are in {path}")
    if os.access(path.parent, os.W_OK):
        return Finding(AREA, "ok", "metrics_textfile", f"{path} can be written by this user; no agent has done so yet")
    what = f"metrics.textfile: {path.parent} cannot be written by this user, and there are no figures in it"
    return Finding(AREA, "warning", "metrics_textfile", what, f"sudo setfacl -m u:framezero:rwx {path.parent}")
