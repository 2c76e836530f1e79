"""A show file for the lab, so that desk and board can be tried with nothing to write first."""

import json
from collections.abc import Sequence

from agent.lab.venues import Venue

FILE = "show.toml"

_CUES = """
[[cue]]
id = "1"
name = "Line-up"
note = "each wall shows which it is, and a pattern to compare walls by"
colour = "grey"
action = "identify"
seconds = 20

[[cue]]
id = "2"
name = "House to black"
action = "black"

[[cue]]
id = "3"
name = "Opening"
note = "the reel, from its first frame, in a loop"
colour = "green"
action = "play"
program = "reel"
loop = true

[[cue]]
id = "4"
name = "Slate, and back"
note = "ten seconds over the reel, which comes back at its own frame"
colour = "yellow"
action = "stop"
lasts = "10s"

[[cue]]
id = "5"
name = "Still for the press"
note = "the same frame on all walls"
action = "hold"

[[cue]]
id = "6"
name = "Film runs on"
action = "resume"

[[cue]]
id = "7"
name = "Good night"
colour = "red"
action = "stop"
"""


def show_file(show: str, venues: Sequence[Venue]) -> str:
    """The text of a show file for these venues."""
    places = "".join(
        f"\n[[venue]]\nid = {json.dumps(venue.venue)}\ncity = {json.dumps(_city(venue))}\n"
        f"groups = {json.dumps(list(venue.groups))}\n"
        for venue in venues
    )
    return (
        f'show = {json.dumps(show)}\ntitle = "Lab night"\nmin_gap = "2s"\nlead = "10s"\nquick_lead = "2s"\n'
        f'\n[alarms]\n{places}\n[[program]]\nid = "reel"\n{_CUES}'
    )


def _city(venue: Venue) -> str:
    return venue.timezone.rpartition("/")[2].replace("_", " ")
