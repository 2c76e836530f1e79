"""Where Debians for test machines and containers are made from."""

from pathlib import Path

SOURCES = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))


def mirror() -> str | None:
    """Where this machine has its own Debian packages from."""
    files = [SOURCES[0], *sorted(SOURCES[1].glob("*.sources")), *sorted(SOURCES[1].glob("*.list"))]
    for file in filter(Path.is_file, files):
        for line in file.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words and words[0] in ("URIs:", "deb"):
                address = next((word for word in words[1:] if "://" in word), None)
                if address is not None and address.rstrip("/").endswith("/debian"):  # not the one of security alone
                    return address
    return None
