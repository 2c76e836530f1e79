from agent.config import NtpServer
from agent.lab.venues import VENUES


def test_the_table_is_that_of_the_design() -> None:
    by_name = {venue.venue: venue for venue in VENUES}
    assert list(by_name) == ["shanghai", "hongkong", "tokyo", "paris", "toronto"]
    assert by_name["tokyo"].skew == "+37 x1.000020"
    assert by_name["paris"].skew == "-11 x0.999970"
    assert by_name["toronto"].ntp_ms == (3, 8, 16, 28, 50)


def test_every_venue_has_five_time_servers() -> None:
    assert {len(venue.ntp_ms) for venue in VENUES} == {5}
    assert NtpServer(host="127.0.0.1", port=1, ours=True).ours
