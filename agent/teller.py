"""Acknowledgements in this venue's name: pure."""

from dataclasses import dataclass
from typing import Any

from agent.effects import Acknowledge, Now
from agent.messages import Name, Refusal
from agent.told import Ack, Stage


@dataclass(frozen=True, slots=True)
class Teller:
    """Who speaks: the venue, and the life of its agent."""

    venue: Name
    boot: str

    def ack(self, about: str, stage: Stage, now: Now, refusal: Refusal | None = None, **more: Any) -> Acknowledge:
        """That a cue or panic has reached a stage; `more` are further fields of the ack."""
        reason, detail = (refusal.code, refusal.detail) if refusal else (None, None)
        ack = Ack(
            cue=about,
            venue=self.venue,
            boot=self.boot,
            stage=stage,
            time=now.utc,
            reason=reason,
            detail=detail,
            **more,
        )
        return Acknowledge(ack)
