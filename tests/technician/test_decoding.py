from pathlib import Path

from agent.messages import Refusal
from agent.player.capacity import Library, Measured, Unmeasured
from agent.technician.decoding import Facts, Tried, judge
from agent.technician.films import Film, Stock
from agent.technician.findings import Finding
from agent.technician.players import Player

SOFTWARE = Library(mpv="mpv 0.35.1", profile="software", hwdec="no", hardware=[], uses_hardware=False, realtime=True)
PI5 = SOFTWARE.model_copy(update={"profile": "raspberry-pi-5", "hardware": ["hevc"], "uses_hardware": True})
VAAPI = SOFTWARE.model_copy(update={"profile": "vaapi", "hwdec": "vaapi", "uses_hardware": True})


def film(name: str = "koi.mp4", codec: str = "h264", rate: str = "30") -> Film:
    return Film(name, "a" * 64, Path(f"/films/{name}"), codec, 1920, 1080, rate)


def measured(fps: float, codec: str = "h264", decoder: str = "software", elsewhere: float = 0.0) -> Measured:
    frames = round(fps * 10)
    return Measured(
        codec=codec, width=1920, height=1080, frames=frames, seconds=10, at_s=5, decoder=decoder, elsewhere=elsewhere
    )


def facts(
    *tried: Tried,
    library: Library | Unmeasured = SOFTWARE,
    player: Player | None = None,
    skipped: str = "",
    refresh_hz: float | None = None,
    missing: tuple[str, ...] = (),
) -> Facts:
    return Facts(library, player, Stock(tuple(one.film for one in tried), missing), tried, skipped, refresh_hz)


def found(known: Facts) -> dict[str, Finding]:
    return {finding.code: finding for finding in judge(known)}


def worse(known: Facts) -> dict[str, str]:
    return {finding.code: finding.verdict for finding in judge(known) if finding.verdict != "ok"}


def test_a_machine_that_is_fast_enough_is_well_and_the_heaviest_film_is_named() -> None:
    known = facts(Tried(film("a.mp4"), measured(170)), Tried(film("b.mp4", rate="60"), measured(170)))
    assert worse(known) == {}
    assert "b.mp4 (h264 1920x1080, 60 fps): 170 fps, 2.8 times" in found(known)["films"].what


def test_a_film_that_is_too_much_is_a_fault_with_its_figures_and_the_remedy() -> None:
    slow = found(facts(Tried(film(rate="60000/1001"), measured(41))))["film_slow"]
    assert slow.verdict == "fault"
    assert "koi.mp4 (h264 1920x1080, 59.94 fps)" in slow.what and "41 fps, 0.7 times" in slow.what
    assert "another encode" in slow.mend


def test_without_room_for_the_second_film_of_a_cut_there_is_a_warning() -> None:
    assert worse(facts(Tried(film(), measured(59)))) == {"film_tight": "warning"}
    assert worse(facts(Tried(film(), measured(60)))) == {}


def test_a_figure_that_others_spoilt_is_no_fault_and_says_so() -> None:
    spoilt = found(facts(Tried(film(), measured(20, elsewhere=0.6))))["film_slow"]
    assert spoilt.verdict == "warning" and "other programs took 60%" in spoilt.what
    playing = facts(Tried(film(), measured(20)), player=Player(7, True, True))
    assert "a film was playing" in found(playing)["film_slow"].what
    assert "took" not in found(facts(Tried(film(), measured(20))))["film_slow"].what


def test_software_beside_hardware_is_a_warning_that_names_what_the_hardware_takes() -> None:
    known = facts(Tried(film(), measured(200)), library=PI5)
    warning = found(known)["film_software"]
    assert "decodes in software" in warning.what and "hardware for hevc" in warning.what and "in hevc" in warning.mend
    assert worse(facts(Tried(film(codec="hevc"), measured(200, "hevc", "drm-copy")), library=PI5)) == {}
    assert worse(facts(Tried(film(), measured(200)))) == {}, "where there is no hardware there is nothing to say"


def test_hardware_of_unknown_ability_is_known_by_the_other_films() -> None:
    known = facts(
        Tried(film("a.mp4", "prores"), measured(200, "prores")),
        Tried(film("b.mp4"), measured(200, "h264", "vaapi-copy")),
        library=VAAPI,
    )
    assert "a.mp4" in found(known)["film_software"].what and "hardware for h264" in found(known)["film_software"].what
    assert "decoded by software, vaapi-copy" in found(known)["films"].what


def test_hardware_that_should_and_does_not_is_told() -> None:
    warning = found(facts(Tried(film(codec="hevc"), measured(200, "hevc")), library=PI5))["film_software"]
    assert "of hevc its hardware takes only some profiles" in warning.what


def test_what_is_not_measured_is_said_and_still_foretold_where_the_hardware_is_known() -> None:
    known = facts(Tried(film(), None), library=PI5, skipped="--no-films")
    assert worse(known) == {"films_skipped": "warning", "film_software": "warning"}
    assert "will decode in software" in found(known)["film_software"].what
    assert worse(facts(Tried(film(codec="hevc"), None), library=PI5, skipped="x")) == {"films_skipped": "warning"}
    assert worse(facts(Tried(film(), None), library=VAAPI, skipped="x")) == {"films_skipped": "warning"}


def test_broken_and_unmeasured_films() -> None:
    broken = Unmeasured(code="broken", detail="mpv cannot play it: loading failed")
    late = Unmeasured(code="deadline", detail="it was not done within 35 s")
    assert worse(facts(Tried(film(), broken))) == {"film_broken": "fault"}
    assert worse(facts(Tried(film(), late))) == {"film_unmeasured": "warning"}


def test_a_rate_that_does_not_divide_the_refresh_is_a_warning() -> None:
    known = facts(Tried(film(rate="24"), measured(200)), refresh_hz=60.0)
    assert (
        worse(known) == {"film_uneven": "warning"} and "koi.mp4: at 24 fps on 60 Hz" in found(known)["film_uneven"].what
    )
    assert worse(facts(Tried(film(rate="30"), measured(200)), refresh_hz=60.0)) == {}
    assert worse(facts(Tried(film(rate="24"), measured(200)))) == {}


def test_a_film_of_variable_rate_is_measured_against_nothing() -> None:
    assert worse(facts(Tried(film(rate=""), measured(5)), refresh_hz=60.0)) == {}


def test_films_that_cannot_be_known_or_are_not_here() -> None:
    unknown = Facts(SOFTWARE, None, Refusal(code="journal_absent", detail="no agent has run"), ())
    assert "start the agent" in found(unknown)["journal_absent"].mend
    denied = Facts(SOFTWARE, None, Refusal(code="disk_denied", detail="not for this user"), ())
    assert "sudo" in found(denied)["disk_denied"].mend
    assert worse(unknown) == {"journal_absent": "warning"}
    unread = Facts(SOFTWARE, None, Stock((), (), ("reel/3",)), ())
    assert "reel/3" in found(unread)["films_unread"].what
    missing = found(facts(missing=("a", "b", "c", "d")))["films_missing"]
    assert missing.verdict == "warning" and "a, b, c and 1 more" in missing.what


def test_libmpv_and_its_profile() -> None:
    absent = found(facts(library=Unmeasured(code="libmpv_absent", detail="cannot be loaded")))["libmpv_absent"]
    assert (absent.verdict, absent.mend) == ("fault", "sudo apt-get install libmpv2")
    noted = SOFTWARE.model_copy(update={"note": "this libmpv does not take x=y", "remedy": "install"})
    assert found(facts(library=noted))["profile_note"].verdict == "warning"
    assert "never tried on such hardware" in found(facts(library=VAAPI))["profile"].what
    assert "mpv 0.35.1" in found(facts())["profile"].what and "never tried" not in found(facts())["profile"].what


def test_real_time_scheduling_is_the_running_players_or_this_users() -> None:
    denied = SOFTWARE.model_copy(update={"realtime": False})
    assert worse(facts(library=denied)) == {"realtime": "warning"}
    assert worse(facts(library=denied, player=Player(7, True, False))) == {}
    assert worse(facts(player=Player(7, False, False))) == {"realtime": "warning"}
    assert "LimitRTPRIO" in found(facts(library=denied))["realtime"].mend
