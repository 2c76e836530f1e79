from agent.control.showfile import parse_show
from agent.lab import evening, operator
from agent.lab.venues import VENUES


def test_the_labs_show_file_is_one_and_names_its_venues() -> None:
    file = parse_show(evening.show_file("lab", VENUES).encode(), "show.toml")
    assert [(place.id, place.city) for place in file.venue][:2] == [("shanghai", "Shanghai"), ("hongkong", "Hong Kong")]
    assert {line.program for line in file.cue if line.program} == {operator.PROGRAM}
    assert file.show == "lab" and file.alarms is not None
