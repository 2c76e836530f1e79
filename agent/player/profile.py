"""Which of mpv's video options suit a machine: pure.

Nothing here has been verified on the hardware that it is for. The options follow mpv's manual and what others report
of these machines; what they really achieve is measured, film by film, by `framezero check`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

AUTO = "auto"
SOFTWARE = "software"
_APIS = ("drm", "nvdec", "rkmpp", "v4l2m2m", "vaapi", "vdpau", "vulkan")
DECODERS = (AUTO, SOFTWARE, *(name for api in _APIS for name in (api, f"{api}-copy")))
"""What `display.decoder` may say: chosen by the machine, none but the processor, or a name of mpv's option hwdec."""

PI_4, PI_5 = "brcm,bcm2711", "brcm,bcm2712"
VA_DRIVERS: Mapping[str, tuple[str, ...]] = {
    "i915": ("iHD", "i965"),
    "xe": ("iHD",),
    "amdgpu": ("radeonsi",),
    "radeon": ("radeonsi", "r600"),
}
"""Kernel drivers of x86 graphics, and the VA-API drivers that decode on them."""
VA_PACKAGES: Mapping[str, str] = {
    "i915": "intel-media-va-driver",
    "xe": "intel-media-va-driver",
    "amdgpu": "mesa-va-drivers",
    "radeon": "mesa-va-drivers",
}

# mpv takes the first output that works: a GPU that cannot draw on this X server costs speed and not the show.
_GPU = {"vo": "gpu,x11"}
_NOTHING: Mapping[str, str] = MappingProxyType({})


def decoder_name(text: str) -> str:
    """Check a value of `display.decoder`. Raises ValueError with the remedy."""
    if text in DECODERS:
        return text
    if text in ("no", "none", "sw", "cpu", ""):
        raise ValueError(f'{text!r} is no decoder; write "{SOFTWARE}" for decoding without hardware')
    raise ValueError(f"{text!r} is no decoder; write one of {', '.join(DECODERS)}")


@dataclass(frozen=True, slots=True)
class Machine:
    """What of a machine bears on decoding.

    `compatible` is the device tree's (empty on a PC). `render_drivers` are the kernel drivers of the render nodes that
    may be used, `denied` the nodes that exist but not for this user. `va_drivers` are the installed VA-API drivers,
    `v4l2` the names of the V4L2 devices.
    """

    model: str = ""
    compatible: tuple[str, ...] = ()
    render_drivers: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    va_drivers: frozenset[str] = frozenset()
    v4l2: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """mpv's options for a machine.

    `hwdec` is for films of every codec that `by_codec` does not name. `hardware` holds the codecs for which the
    machine is known to have a decoder: empty does not mean that it has none. `note` says what is not as it could be,
    `remedy` what mends it.
    """

    name: str
    options: Mapping[str, str]
    hwdec: str
    by_codec: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    hardware: frozenset[str] = frozenset()
    note: str = ""
    remedy: str = ""

    def hwdec_for(self, codec: str) -> str:
        """mpv's option hwdec for a film of this codec ('' where it is not known)."""
        return self.by_codec.get(codec, self.hwdec)

    @property
    def uses_hardware(self) -> bool:
        """Whether anything but the processor may decode."""
        return any(name != "no" for name in (self.hwdec, *self.by_codec.values()))


_SOFTWARE = Profile("software", {"vo": "x11"}, "no")
_NULL = Profile("null", {"vo": "null"}, "no")


def choose(machine: Machine, output: Literal["x11", "null"], decoder: str) -> Profile:
    """The profile for a machine and for what agent.toml says in `display.output` and `display.decoder`."""
    if output == "null":
        return _NULL
    if decoder == SOFTWARE:
        return _SOFTWARE
    suited = _suited(machine)
    return suited if decoder == AUTO else replace(suited, hwdec=decoder, by_codec=_NOTHING)


def _suited(machine: Machine) -> Profile:
    for soc, profile in ((PI_4, _pi_4), (PI_5, _pi_5)):
        if soc in machine.compatible:
            if machine.render_drivers:
                return profile(machine)
            note = f"this {machine.model or 'Raspberry Pi'} offers no graphics"
            return _without_graphics(machine, note, "put dtoverlay=vc4-kms-v3d into /boot/firmware/config.txt")
    if not machine.render_drivers:
        return _without_graphics(machine, "", "")
    driver = machine.render_drivers[0]
    if driver not in VA_DRIVERS:
        return Profile("gpu", _GPU, "auto-safe")
    if machine.va_drivers.isdisjoint(VA_DRIVERS[driver]):
        note = f"the graphics ({driver}) have no VA-API driver, so the processor decodes"
        return Profile("gpu", _GPU, "no", note=note, remedy=f"sudo apt install {VA_PACKAGES[driver]}")
    # Twelve more surfaces for a film that waits decoded, one buffered picture: what a start can still be early by.
    return Profile("vaapi", {**_GPU, "hwdec-extra-frames": "12", "swapchain-depth": "1"}, "vaapi")


def _without_graphics(machine: Machine, note: str, remedy: str) -> Profile:
    if machine.denied:
        note = f"{', '.join(machine.denied)} may not be used by this user, so the processor decodes and draws"
        remedy = "sudo usermod -aG render,video framezero; sudo systemctl restart framezero"
    return replace(_SOFTWARE, note=note, remedy=remedy)


def _has(machine: Machine, *names: str) -> bool:
    return any(name in device for device in machine.v4l2 for name in names)


def _pi_4(machine: Machine) -> Profile:
    """H.264 by the stateful decoder, HEVC by the stateless one; mpv takes one name at a time, so it goes by codec."""
    h264 = frozenset(["h264"] if _has(machine, "bcm2835-codec-decode") else [])
    hevc = frozenset(["hevc"] if _has(machine, "rpivid", "hevc") else [])
    by_codec = {"h264": "v4l2m2m-copy", "hevc": "drm"}
    return Profile("raspberry-pi-4", {**_GPU, "opengl-es": "yes"}, "no", by_codec, h264 | hevc)


def _pi_5(machine: Machine) -> Profile:
    """HEVC only: it has no other decoder."""
    hevc = frozenset(["hevc"] if _has(machine, "rpivid", "hevc") else [])
    return Profile("raspberry-pi-5", {**_GPU, "opengl-es": "yes"}, "no", {"hevc": "drm"}, hevc)


def fallen_back(profile: Profile, option: str, value: str) -> Profile:
    """What is left when libmpv does not take one of the profile's options: the processor."""
    note = f"this libmpv does not take {option}={value} (profile {profile.name}), so the processor decodes and draws"
    return replace(_SOFTWARE, note=note, remedy="install a newer libmpv2, or set display.decoder = 'software'")


def to_memory(profile: Profile) -> Profile:
    """The same decoders without any display: mpv copies what they decode into memory.

    Hardware decodes into a window only with the window's own graphics. The copy costs time, so that what is measured
    with this is a little less than what the player can do.
    """

    def copying(hwdec: str) -> str:
        if hwdec == "auto-safe":
            return "auto-copy"
        return hwdec if hwdec == "no" or hwdec.endswith("-copy") else f"{hwdec}-copy"

    by_codec = {codec: copying(hwdec) for codec, hwdec in profile.by_codec.items()}
    return replace(profile, options={"vo": "null"}, hwdec=copying(profile.hwdec), by_codec=by_codec)
