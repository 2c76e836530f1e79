import pytest

from agent.player.profile import DECODERS, PI_4, PI_5, Machine, choose, decoder_name, fallen_back, to_memory

PC = Machine(render_drivers=("i915",), va_drivers=frozenset(["iHD"]))
PI4 = Machine(
    "Raspberry Pi 4 Model B", ("raspberrypi,4-model-b", PI_4), ("v3d",), v4l2=("bcm2835-codec-decode", "rpivid")
)
PI5 = Machine("Raspberry Pi 5 Model B", ("raspberrypi,5-model-b", PI_5), ("v3d",), v4l2=("rpi-hevc-dec",))


def test_a_pc_decodes_by_va_api_and_may_start_at_once() -> None:
    profile = choose(PC, "x11", "auto")
    assert (profile.name, profile.hwdec_for("h264"), profile.note) == ("vaapi", "vaapi", "")
    assert profile.options == {"vo": "gpu,x11", "hwdec-extra-frames": "12", "swapchain-depth": "1"}
    assert profile.uses_hardware


def test_a_pi_4_decodes_each_codec_in_its_own_way() -> None:
    profile = choose(PI4, "x11", "auto")
    assert [profile.hwdec_for(codec) for codec in ("h264", "hevc", "vp9", "")] == ["v4l2m2m-copy", "drm", "no", "no"]
    assert profile.options["opengl-es"] == "yes"
    assert profile.hardware == {"h264", "hevc"}


def test_a_pi_5_has_hardware_for_hevc_only() -> None:
    profile = choose(PI5, "x11", "auto")
    assert [profile.hwdec_for(codec) for codec in ("h264", "hevc")] == ["no", "drm"]
    assert profile.hardware == {"hevc"}


def test_a_pi_whose_decoder_is_not_there_is_not_said_to_have_one() -> None:
    bare = Machine(compatible=(PI_5,), render_drivers=("v3d",))
    assert choose(bare, "x11", "auto").hardware == frozenset()


def test_without_graphics_the_processor_decodes_and_draws() -> None:
    profile = choose(Machine(), "x11", "auto")
    assert (profile.options, profile.hwdec, profile.uses_hardware) == ({"vo": "x11"}, "no", False)
    lost = choose(Machine("Raspberry Pi 4", (PI_4,)), "x11", "auto")
    assert lost.name == "software" and "vc4-kms-v3d" in lost.remedy


@pytest.mark.parametrize(
    ("machine", "name", "told"),
    [
        (Machine(render_drivers=("amdgpu",)), "gpu", "apt install mesa-va-drivers"),
        (Machine(render_drivers=("i915",), va_drivers=frozenset(["radeonsi"])), "gpu", "intel-media-va-driver"),
        (Machine(denied=("/dev/dri/renderD128",)), "software", "usermod -aG render"),
    ],
)
def test_what_could_be_better_is_said_with_the_remedy(machine: Machine, name: str, told: str) -> None:
    profile = choose(machine, "x11", "auto")
    assert (profile.name, profile.hwdec) == (name, "no")
    assert profile.note and told in profile.remedy


def test_unknown_graphics_are_left_to_mpv() -> None:
    assert choose(Machine(render_drivers=("nvidia",)), "x11", "auto").hwdec == "auto-safe"


def test_the_configured_decoder_is_taken_for_every_codec() -> None:
    named = choose(PI4, "x11", "drm-copy")
    assert named.hwdec_for("h264") == named.hwdec_for("hevc") == "drm-copy"
    assert named.options == choose(PI4, "x11", "auto").options
    assert choose(PC, "x11", "software").options == {"vo": "x11"}
    assert choose(PC, "null", "vaapi").options == {"vo": "null"}


def test_a_decoder_that_there_is_not_is_refused_with_a_hint() -> None:
    assert [decoder_name(name) for name in DECODERS] == list(DECODERS)
    with pytest.raises(ValueError, match='write "software"'):
        decoder_name("no")
    with pytest.raises(ValueError, match="v4l2m2m-copy"):
        decoder_name("v4l2m2m_copy")


def test_for_measuring_everything_is_copied_into_memory() -> None:
    measured = to_memory(choose(PI4, "x11", "auto"))
    assert measured.options == {"vo": "null"}
    assert [measured.hwdec_for(codec) for codec in ("h264", "hevc", "vp9")] == ["v4l2m2m-copy", "drm-copy", "no"]
    assert to_memory(choose(PC, "x11", "auto")).hwdec == "vaapi-copy"
    assert to_memory(choose(Machine(render_drivers=("nvidia",)), "x11", "auto")).hwdec == "auto-copy"


def test_what_libmpv_refuses_is_named() -> None:
    left = fallen_back(choose(PC, "x11", "auto"), "swapchain-depth", "1")
    assert left.options == {"vo": "x11"} and left.hwdec == "no"
    assert "swapchain-depth=1" in left.note and "vaapi" in left.note
