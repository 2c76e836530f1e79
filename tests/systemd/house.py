"""What stands at the other end of a machine's cable: broker, time server, films, and an operator who plays them.

All of it true: mosquitto, chronyd, and the commands as people type them, with keys of the show's own.
"""

import json
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from machine import FAR_END, SIZE, Machine
from pixels import Pixels

from agent.lab import films
from agent.lab.processes import LabError, find, wait_until
from agent.lab.programme import Item, Programme
from agent.units import UtcUs, format_utc

VENUE, SHOW, PROGRAM = "tokyo-shibuya", "machine-test", "reel"
FPS = Fraction(30)
LENGTHS_S = (7, 11)
"""Two films of different lengths, so that a wall that is wrong by a film or a loop shows another frame."""
START_S = 30.0
FILMS_PORT = 8080
CONFIG = "/etc/framezero/agent.toml"


def configuration(**more: str) -> str:
    """The agent.toml of the machine: everything is at the other end of its cable. `more`: lines for these tables."""
    tables = {
        "broker": f'urls = ["mqtt://{FAR_END}"]',
        "clock": f'servers = [{{ host = "{FAR_END}", ours = true }}]',
        "display": 'name = ":0"\nvolume = 0',
        "cache": 'dir = "/var/cache/framezero"\nquota_gb = 10\nreserve_gb = 0.1',
    }
    for table, lines in more.items():
        tables[table] = "\n".join(filter(None, (tables.get(table), lines)))
    head = f'venue = "{VENUE}"\ngroups = ["asia"]\nshow = "{SHOW}"\ntimezone = "Asia/Tokyo"\n'
    head += 'state_dir = "/var/lib/framezero"\n'
    return head + "".join(f"\n[{table}]\n{lines}\n" for table, lines in tables.items())


class House:
    """The servers of one machine, and its operator."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self._machine = machine
        self._folder = folder
        self.keys = folder / "keys"
        self.site = folder / "site"
        self.profile = folder / "control.toml"

    def open(self) -> None:
        """Start the servers, make keys and films, publish the program. Raises LabError."""
        for folder in (self.keys, self.site, self._folder / "mosquitto"):
            folder.mkdir(parents=True)
        mosquitto = self._folder / "mosquitto" / "mosquitto.conf"
        mosquitto.write_text(
            f"listener 1883 {FAR_END}\nallow_anonymous true\nuser root\npersistence true\n"
            f"persistence_location {mosquitto.parent}/\n"
        )
        chrony = self._folder / "chrony.conf"
        # Stratum 1 by its own word: test and machine have one clock, which is true time here. -x: it is never set.
        chrony.write_text(
            f"port 123\nbindaddress {FAR_END}\nallow all\nlocal stratum 1\ncmdport 0\nbindcmdaddress /\n"
            f"pidfile {self._folder / 'chrony.pid'}\n"
        )
        site = ["--bind", FAR_END, "--directory", str(self.site), str(FILMS_PORT)]
        self._serve("mosquitto", find("mosquitto"), "-c", str(mosquitto))
        self._serve("chronyd", find("chronyd"), "-d", "-x", "-u", "root", "-f", str(chrony))
        self._serve("films", sys.executable, "-m", "http.server", *site)
        self._make_keys()
        self._greet()
        self._publish()

    def _serve(self, name: str, *argv: str) -> None:
        self._machine.processes.start(f"{self._machine.name}-{name}", self._machine.beyond(*argv), tier="house")

    def _make_keys(self) -> None:
        for name, role in (("alice", "show"), ("films", "content")):
            self.operator("keys", "new", name, "--role", role, "--to", str(self.keys))
        self.profile.write_text(
            f'broker = ["mqtt://{FAR_END}"]\nshow = "{SHOW}"\n'
            f'key = ["{self.keys / "alice.key"}", "{self.keys / "films.key"}"]\ntrust = "{self.keys}"\n'
        )

    def _greet(self) -> None:
        """Leave the retained hello, as a broker's set-up does."""
        said = ["mosquitto_pub", "-V", "mqttv5", "-h", FAR_END, "-q", "1", "-r"]
        hello = self._machine.beyond(*said, "-t", "framezero/v1/cue/_hello", "-m", "{}")

        def taken() -> bool:
            return subprocess.run(hello, capture_output=True, check=False, timeout=10).returncode == 0

        wait_until(taken, START_S, "the broker's start")

    def _publish(self) -> None:
        self.films = [
            films.Film(self._folder / f"film-{clip}.mp4", clip, int(seconds * FPS), FPS, *SIZE)
            for clip, seconds in enumerate(LENGTHS_S, start=1)
        ]
        films.make_all(self.films)
        paths = [str(film.path) for film in self.films]
        place = ["--program", PROGRAM, "--to", str(self.site), "--url", f"http://{FAR_END}:{FILMS_PORT}"]
        self.operator("publish", *paths, *place, "--profile", str(self.profile))

    def furnish(self) -> None:
        """Give the machine its configuration, and the show's public keys."""
        self._machine.write(CONFIG, configuration())
        for key in self.keys.glob("*.toml"):
            self._machine.copy(key, f"/etc/framezero/keys/{key.name}")

    # --- the operator --------------------------------------------------------------------------

    def operator(self, *words: str, seconds: float = 60) -> Any:
        """Run a command of the operator's; what it prints with --json. Raises LabError when it does not end with 0."""
        argv = self._machine.beyond(sys.executable, "-m", "agent.cli", *words, "--json")
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=seconds, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            raise LabError(f"framezero {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def play(self, in_s: float = 6.0) -> Pixels:
        """Play the program in a loop, from so many seconds on; comes back at that instant, with the wall to look at."""
        at = UtcUs(round((time.time() + in_s) * 1_000_000))
        words = ["cue", "play", PROGRAM, "--loop", "--at", format_utc(at), "--venues", VENUE]
        self.operator(*words, "--profile", str(self.profile))
        time.sleep(max(0.0, at / 1_000_000 - time.time()))
        items = [Item(film.path.name, film.clip, film.fps, film.frames) for film in self.films]
        return Pixels(self._machine.screen, Programme(items, due_ns=at * 1000, loop=True))

    def stocked(self) -> bool:
        """Whether the venue is ready, and has all films."""
        status = self.status()
        return bool(status["ready"]) and status["cache"]["films"] == len(self.films)

    def status(self) -> dict[str, Any]:
        """The venue's newest status, as the broker keeps it."""
        topic = f"framezero/v1/venue/{VENUE}/status"
        heard = self._machine.beyond("mosquitto_sub", "-V", "mqttv5", "-h", FAR_END, "-C", "1", "-W", "5", "-t", topic)
        done = subprocess.run(heard, capture_output=True, text=True, check=False, timeout=10)
        if done.returncode:
            raise LabError(f"the broker has no status of {VENUE}: {done.stderr}")
        return dict(json.loads(done.stdout))
