"""Giving a libmpv the options of a decode profile."""

from typing import Any

from agent.player.profile import SOFTWARE, Profile, fallen_back


def adopt(core: Any, profile: Profile) -> Profile:
    """Set a profile's options on a libmpv that plays nothing yet; what it goes by from now on.

    Builds differ in what they know. One that refuses an option of the profile decodes and draws in software, and the
    profile that comes back says so. A hardware decoder that fails later falls back by itself (mpv(1), --hwdec).
    """
    for option, value in {**profile.options, "hwdec": profile.hwdec}.items():
        try:
            core[option] = value
        except (AttributeError, TypeError, ValueError, RuntimeError):  # python-mpv's names for mpv's error codes
            if profile.name == SOFTWARE:
                raise
            return adopt(core, fallen_back(profile, option, value))
    return profile
