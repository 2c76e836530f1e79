"""Whether a second agent lives under this venue's name. Pure: `now_s` is monotonic.

Two agents of one name have one client id and push each other off the broker, for ever. Mosquitto 2.0.11 does not tell
the one that it pushes out (MQTT 5 has reason 142), so the boot ids in the retained presence do.
"""

from dataclasses import dataclass, field

REMEMBERED_S = 120.0
"""So long after its last trace a rival is believed to be there: two meet at least once a minute (mqtt.backoff_s)."""


@dataclass(slots=True)
class Rivals:
    """What is known of others with our name; `boot` is our own boot id."""

    boot: str
    _suspect: str = ""
    _found: str = ""
    _found_at_s: float = field(default=float("-inf"))

    def live(self, boot: str, *, online: bool, now_s: float) -> bool:
        """A presence of our venue was published; returns whether it is a rival's. Offline it is a will, come late."""
        if boot == self.boot or not online:
            return False
        self._meet(boot, now_s)
        return True

    def kept(self, boot: str, *, ours_before: bool, now_s: float) -> bool:
        """The broker kept this presence while we were away from it; returns whether it is surely a rival's.

        Before our first word there (`ours_before` false) it is our own last life. Once may be the last life, too, with
        a broker that was killed before it had saved our word; the same stranger twice is no accident.
        """
        if boot == self.boot or not ours_before:
            return False
        if boot not in (self._suspect, self._found):
            self._suspect = boot
            return False
        self._meet(boot, now_s)
        return True

    def pushed_out(self, now_s: float) -> None:
        """The broker said that another client took our session over."""
        self._meet(self._found or "?", now_s)

    def current(self, now_s: float) -> str:
        """The boot id of the rival that is there now, '?' where it is not known, empty where there is none."""
        return self._found if now_s - self._found_at_s < REMEMBERED_S else ""

    def _meet(self, boot: str, now_s: float) -> None:
        self._found, self._found_at_s = boot, now_s
