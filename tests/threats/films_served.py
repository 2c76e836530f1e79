"""Short films on a server, each of the same size and looks and each another file, and their signed programs."""

from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

from yard import CONTENT, SHOW, Site, Told, from_now, signed

from agent.lab import content, films

FRAMES, FPS = 60, Fraction(30)
FILM_S = FRAMES / FPS
SIZE = (160, 90)
FILE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Film:
    """A film as it should be; `served` is the file from which it is fetched."""

    name: str
    data: bytes
    served: Path
    url: str

    @property
    def sha256(self) -> str:
        return sha256(self.data).hexdigest()


class Served:
    """A content server of one test."""

    def __init__(self, site: Site) -> None:
        self._folder = site.folder / "web"
        self._url = f"http://127.0.0.1:{content.start(site.processes, self._folder).port}"
        path = site.folder / "plain.mp4"
        films.make_film(path, clip=1, frames=FRAMES, fps=FPS, width=SIZE[0], height=SIZE[1])
        self._plain = path.read_bytes()

    def film(self, name: str) -> Film:
        """Another film: the same pictures, and the name in a box at the end that no player looks at."""
        room = FILE_BYTES - len(self._plain)
        data = self._plain + room.to_bytes(4, "big") + b"free" + name.encode().ljust(room - 8, b".")
        served = self._folder / f"{name}.mp4"
        served.write_bytes(data)
        return Film(name, data, served, f"{self._url}/{served.name}")

    def program(self, program: str, rev: int, *films: Film, **changes: object) -> tuple[str, bytes]:
        """A program of these films, with its topic."""
        body = {"v": 1, "program": program, "rev": rev, "show": SHOW, "issued": from_now(-60)}
        return f"program/{program}/{rev}", signed(
            {**body, **changes, "items": list(map(_item, films))}, CONTENT, kind="program"
        )


def _item(film: Film) -> Told:
    return {
        "name": film.name,
        "sha256": film.sha256,
        "size": len(film.data),
        "codec": "h264",
        "width": SIZE[0],
        "height": SIZE[1],
        "fps": str(FPS),
        "frames": FRAMES,
        "sound": False,
        "urls": [film.url],
    }
