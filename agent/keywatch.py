"""The keys that a venue trusts, while the agent runs: files come and go."""

import asyncio
from collections.abc import Callable

import structlog

from agent.config import Trust as Settings
from agent.keyring import Keyring
from agent.messages import Refusal
from agent.trust import Trust, trust_faults

KEYS_S = 1.0

log = structlog.get_logger()


class KeyWatch:
    """Looks at the folder of keys; `heard` is called with whom to trust from now on, and whether that is settled."""

    def __init__(self, settings: Settings, heard: Callable[[Trust, bool], None]) -> None:
        self._settings = settings
        self._heard = heard
        self._keyring = Keyring(settings.keys)
        self._keys = self._keyring.look()

    @property
    def trust(self) -> Trust:
        """Whom to trust now."""
        return Trust(self._keys.keys, self._settings.threshold, self._settings.require)

    @property
    def faults(self) -> list[Refusal]:
        """A venue that will refuse every cue is not ready, however well all the rest is."""
        return [*self._keys.faults, *trust_faults(self.trust)] if self._settings.require else []

    async def run(self) -> None:
        """Each second: a key file that appears counts, and one that is gone counts no more."""
        settled = False
        while True:
            await asyncio.sleep(KEYS_S)
            before, self._keys = self._keys, await asyncio.to_thread(self._keyring.look)
            for fault in self._keys.faults:
                if fault not in before.faults:
                    log.error("trust", reason=fault.code, detail=fault.detail)
            if self._keys.keys != before.keys:
                log.warning("trusted keys", keys=[f"{key.name} ({key.role}) {key.id}" for key in self._keys.keys])
                settled = False
                self._heard(self.trust, False)
            elif not settled and not self._keys.faults:
                # The same on a second look, and all of it readable: only now does it count on the disk too.
                settled = True
                self._heard(self.trust, True)
