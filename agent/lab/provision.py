"""What the venues, the broker and the operator of the containers need before they start: keys, certificates, settings.

    python -m agent.lab.provision --broker-scripts /usr/share/framezero/broker

Runs as root, once; what is there stays as it is, so that running it again changes nothing. It writes into folders that
compose gives each to whom it belongs: `/authority` is nobody's, `/broker` the broker's, `/operator` the operator's
(`control.toml`, `show.toml`, keys), `/venues/<venue>` that venue's `/etc/framezero`. Certificates and access list are
made by deploy/broker as for a real show.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from agent import config
from agent.lab import evening, signers
from agent.lab.agents import ROOT, SHOW
from agent.lab.processes import LabError
from agent.lab.venues import VENUES, Venue

BROKER, TIME, FILMS = "broker", "time", "films"
"""The names of services in compose.yaml, which are their hosts' names."""

BROKER_PORT, TIME_PORT, FILMS_PORT = 8883, 1123, 8080
"""Above 1023: nothing here runs as root."""

OPERATOR = "operator"
USER = GROUP = "framezero"
BROKER_USER = "mosquitto"


def agent_toml(venue: Venue) -> str:
    """The agent.toml of a venue in its container. Raises ConfigError where the agent would not take it."""
    # JSON's strings are TOML's basic strings.
    text = f"""\
venue = {json.dumps(venue.venue)}
groups = {json.dumps(list(venue.groups))}
show = {json.dumps(SHOW)}
timezone = {json.dumps(venue.timezone)}
state_dir = "/var/lib/framezero"

[broker]
urls = ["mqtts://{BROKER}:{BROKER_PORT}"]
root = {json.dumps(ROOT)}
ca = "/etc/framezero/ca.pem"
cert = "/etc/framezero/venue.pem"
key = "/etc/framezero/venue.key"

[clock]
servers = [{{ host = {json.dumps(TIME)}, port = {TIME_PORT}, ours = true }}]
chrony = false

[display]
name = ":0"
volume = 0                             # there is no sound device

[cache]
dir = "/var/lib/framezero/films"
quota_gb = 5
reserve_gb = 0.1

[trust]
keys = "/etc/framezero/keys"
"""
    config.parse(tomllib.loads(text), "agent.toml")
    return text


def control_toml(keys: Sequence[str]) -> str:
    """The operator's profile; its paths are relative to itself."""
    return (
        f'broker = ["mqtts://{BROKER}:{BROKER_PORT}"]\nroot = {json.dumps(ROOT)}\nshow = {json.dumps(SHOW)}\n'
        f'ca = "ca.pem"\ncert = "operator.pem"\ncert_key = "operator.key"\n'
        f'key = {json.dumps([f"keys/{key}" for key in keys])}\ntrust = "trust"\noperator = "tester@docker"\n'
    )


class Provision:
    """Everything under one root, by scripts of deploy/broker."""

    def __init__(self, root: Path, scripts: Path) -> None:
        self._scripts = scripts
        self._authority, self._broker = root / "authority", root / "broker"
        self._operator, self._venues = root / "operator", root / "venues"

    def make(self) -> None:
        """Make what is missing. Raises LabError."""
        ca, names = self._authority / "ca", [venue.venue for venue in VENUES]
        if not (ca / "ca.key").exists():
            self._certify("init")
        for kind, folder, wanted in (
            ("server", "brokers", [BROKER]),
            ("venue", "venues", names),
            ("operator", "operators", [OPERATOR]),
        ):
            if missing := [name for name in wanted if not (ca / folder / name).exists()]:
                self._certify(kind, *missing)
        made = ["--server", str(ca / "brokers" / BROKER), "--operator", OPERATOR, "--prefix", str(self._broker)]
        self._run("set-up", *made, "--port", str(BROKER_PORT), "--user", BROKER_USER, "--root", ROOT)
        if not signers.trusted(self._authority).exists():
            signers.make(self._authority)
        for venue in VENUES:
            self._venue(venue, ca / "venues" / venue.venue)
        self._for_operator(ca / "operators" / OPERATOR)

    def _venue(self, venue: Venue, papers: Path) -> None:
        place = self._venues / venue.venue
        for name in ("ca.pem", "venue.pem", "venue.key"):
            self._give(papers / name, place / name, "root")
        for key in signers.trusted(self._authority).iterdir():
            self._give(key, place / "keys" / key.name, "root")
        self._write(place / "agent.toml", agent_toml(venue), "root")

    def _for_operator(self, papers: Path) -> None:
        for name in ("ca.pem", "operator.pem", "operator.key"):
            self._give(papers / name, self._operator / name, USER)
        for key in signers.trusted(self._authority).iterdir():
            self._give(key, self._operator / "trust" / key.name, USER)
        private = sorted((self._authority / signers.PRIVATE).glob("*.key"))
        for key in private:
            self._give(key, self._operator / "keys" / key.name, USER)
        self._write(self._operator / "control.toml", control_toml([key.name for key in private]), USER)
        self._write(self._operator / "show.toml", evening.show_file(SHOW, VENUES), USER)

    def _give(self, source: Path, target: Path, owner: str) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        _own(target, owner)

    def _write(self, target: Path, text: str, owner: str) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        _own(target, owner)

    def _certify(self, *words: str) -> None:
        self._run("certify", "--dir", str(self._authority / "ca"), *words)

    def _run(self, script: str, *words: str) -> None:
        try:
            subprocess.run([self._scripts / script, *words], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise LabError(f"{script}: {error}") from error


def _own(target: Path, owner: str) -> None:
    """Let the agent's group read it and nobody else; a key that others may read is refused where it signs."""
    target.chmod(0o640 if owner == "root" else 0o600)
    shutil.chown(target, owner, GROUP)


def main(argv: Sequence[str] | None = None) -> int:
    """Make what is missing; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m agent.lab.provision", description="Keys and settings of a lab.")
    parser.add_argument("--root", type=Path, default=Path("/"), help="where authority, broker, operator, venues are")
    parser.add_argument("--broker-scripts", type=Path, required=True, help="where certify and set-up are")
    given = parser.parse_args(argv)
    try:
        Provision(given.root, given.broker_scripts).make()
    except (LabError, OSError) as error:
        sys.stderr.write(f"provision: {error}; 'docker compose down --volumes' begins anew\n")
        return 1
    print("keys, certificates and settings are there")  # noqa: T201 - this is what the container's log shows
    return 0


if __name__ == "__main__":
    sys.exit(main())
