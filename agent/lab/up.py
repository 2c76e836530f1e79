"""`lab up`: five venues that stay, for cues by hand."""

import asyncio
import shlex
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from agent.access import BrokerError
from agent.control.link import NoBrokerError
from agent.lab import agents, evening, folder, operator, reel, signers, tools, watch, world
from agent.lab.cables import FOLDER, Cables
from agent.lab.console import Narrator
from agent.lab.processes import LabError, Processes
from agent.lab.reel import Reel
from agent.lab.run import NO_BROKER, open_venues
from agent.lab.world import Wishes, World
from agent.trust import payload_type

_LOOK_S = 0.5
_STAMP = "+%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class UpWishes:
    """What kind of lab is to stand, and with which films."""

    world: Wishes
    fps: Fraction | None
    films: Path | None


def up(wishes: UpWishes, narrator: Narrator) -> None:
    """Build the lab and let it stand until SIGINT or SIGTERM (KeyboardInterrupt). Raises LabError."""
    tools.check(wishes.world.true_clocks)
    out = folder.prepare(wishes.world.out)
    own = reel.take(wishes.films) if wishes.films else None
    with Processes(out / "logs") as processes:
        films = own or reel.make(out / "films", wishes.world.size, wishes.fps, narrator)
        standing = world.build(processes, wishes.world, narrator.say)
        try:
            asyncio.run(_stand(standing, films, narrator))
        except (NoBrokerError, BrokerError) as error:
            raise LabError(f"the lab's broker cannot be used: {error}", NO_BROKER) from error


async def _stand(standing: World, films: Reel, narrator: Narrator) -> None:
    async with watch.link(standing) as line:
        await open_venues(standing, films, line, narrator)
        program = await watch.program(line, operator.PROGRAM)
    names = [place.venue.venue for place in standing.places]
    show = evening.show_file(agents.SHOW, [place.venue for place in standing.places])
    (standing.wishes.out / evening.FILE).write_text(show, encoding="utf-8")
    cables = Cables(standing.wishes.out, names, standing.pull)
    narrator.console.print(instructions(standing, program.rev), soft_wrap=True, markup=False, highlight=False)
    while True:
        # A tester may kill an agent and see what happens; without the rest there is no lab.
        for obituary in watch.dead_agents(standing.processes):
            narrator.warn(f"{obituary}\n(the others go on; lab.json has the command that starts it again)")
        for text in cables.look():
            narrator.say(text)
        standing.processes.check()
        await asyncio.sleep(_LOOK_S)


def instructions(standing: World, rev: int) -> str:
    """How to send cues by hand and to look at a wall; every line can be copied into a shell."""
    profile = f"--profile {standing.profile}"
    first, out = standing.places[0], standing.wishes.out
    return f"""
Five venues stand. Everything about them is in {out / "lab.json"}; Ctrl-C ends them.

  framezero cue play {operator.PROGRAM} --loop --in 20s {profile}
  framezero cue stop --in 10s {profile}
  framezero cue black --in 10s --venues @{first.venue.groups[0]} {profile}
  framezero status --watch {profile}
  framezero status --clock {profile}
  framezero shot '*' --out {out / "walls"} {profile}

A desk in the terminal, and the board in a browser, with a cue list; GO is the space bar in both:

  framezero show run {out / evening.FILE} --as anna {profile}
  framezero board --show-file {out / evening.FILE} --as ben {profile}

Pull the cable of a venue, and plug it in again; then see what its alarms and the proof say:

  touch {out / FOLDER / first.venue.venue}
  rm {out / FOLDER / first.venue.venue}
  framezero alarms --rules {out / evening.FILE} {profile}
  framezero asrun --since 1h --html --out {out / "proof.html"} {profile}

The same with nothing but openssl and mosquitto_pub (apt: mosquitto-clients), 20 s from now:

  {mosquitto_pub(standing, rev)}

What the venues say:

  mosquitto_sub -V 5 -p {standing.broker.port} -v -t '{agents.ROOT}/venue/#'

A wall ({first.venue.venue}), as a picture, and live where you have a screen:

  ffmpeg -loglevel error -y -f x11grab -i {first.display} -frames:v 1 wall.png
  ffplay -loglevel error -f x11grab -i {first.display}
""".replace("Five venues", f"{len(standing.places)} venues" if len(standing.places) != 5 else "Five venues")


def mosquitto_pub(standing: World, rev: int) -> str:
    """Shell lines that make a cue by hand, sign it with the lab's show key as DSSE has it, and send it."""
    body = (
        r"{\"v\":1,\"cue\":\"$(cat /proc/sys/kernel/random/uuid)\",\"show\":\""
        + agents.SHOW
        + r"\",\"venues\":[\"*\"],"
        rf"\"at\":\"$(date -u -d '+20 seconds' {_STAMP})\",\"issued\":\"$(date -u {_STAMP})\","
        rf"\"expires\":\"$(date -u -d '+1 day' {_STAMP})\","
        r"\"do\":{\"action\":\"play\",\"program\":\"" + operator.PROGRAM + rf"\",\"rev\":{rev},\"loop\":true" + "}}"
    )
    kind, key = payload_type("cue"), str(signers.private(standing.wishes.out, "show"))
    lines = [
        f'body="{body}"; said=$(mktemp)',
        f"printf 'DSSEv1 {len(kind)} {kind} %d %s' ${{#body}} \"$body\" >$said",
        f"sig=$(openssl pkeyutl -sign -rawin -inkey {shlex.quote(key)} -in $said | base64 -w0)",
        f"mosquitto_pub -V 5 -p {standing.broker.port} -q 1 -t {agents.ROOT}/cue -m "
        rf'"{{\"payloadType\":\"{kind}\",\"payload\":\"$(printf %s "$body" | base64 -w0)\",'
        r'\"signatures\":[{\"sig\":\"$sig\"}]}"; rm $said',
    ]
    return "\n  ".join(lines)
