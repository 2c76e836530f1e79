"""Real libmpv takes the real profiles, and survives what it does not know."""

import mpv
import pytest

from agent.player.adopt import adopt
from agent.player.profile import PI_4, PI_5, Machine, Profile, choose

MACHINES = {
    "vaapi": Machine(render_drivers=("i915",), va_drivers=frozenset(["iHD"])),
    "raspberry-pi-4": Machine(compatible=(PI_4,), render_drivers=("v3d",)),
    "raspberry-pi-5": Machine(compatible=(PI_5,), render_drivers=("v3d",)),
    "gpu": Machine(render_drivers=("nvidia",)),
    "software": Machine(),
}


@pytest.mark.parametrize("name", MACHINES)
def test_this_libmpv_takes_every_option_of_every_profile(name: str) -> None:
    core = mpv.MPV(config="no", terminal="no", idle="yes")
    try:
        profile = choose(MACHINES[name], "x11", "auto")
        assert adopt(core, profile) is profile and profile.name == name
        assert core.hwdec == profile.hwdec
        assert all(
            str(core[option]) in (value, str(value == "yes")) or option == "vo"
            for option, value in profile.options.items()
        )
    finally:
        core.terminate()


@pytest.mark.parametrize("option", [("nonsense", "1"), ("swapchain-depth", "many")])
def test_what_it_does_not_take_is_told_and_the_processor_decodes(option: tuple[str, str]) -> None:
    core = mpv.MPV(config="no", terminal="no", idle="yes")
    try:
        used = adopt(core, Profile("new", {"vo": "gpu,x11", option[0]: option[1]}, "vaapi"))
        assert used.name == "software" and f"{option[0]}={option[1]}" in used.note and used.remedy
        assert core.hwdec == "no"
    finally:
        core.terminate()


def test_a_libmpv_that_does_not_take_even_that_is_no_libmpv() -> None:
    class Refusing:
        def __setitem__(self, option: str, value: str) -> None:
            raise AttributeError(option)

    with pytest.raises(AttributeError):
        adopt(Refusing(), choose(Machine(), "x11", "auto"))
