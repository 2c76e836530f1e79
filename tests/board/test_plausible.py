from plausible import PlausibleEngine, plausible

from agent.board.engine import Engine, Order


def test_a_board_for_design_work_is_of_any_size() -> None:
    assert [len(plausible(count).rows) for count in (5, 25, 1000)] == [5, 25, 1000]
    assert [len(plausible(count).cards) for count in (5, 25, 1000)] == [5, 25, 0]


async def test_an_engine_for_design_work_is_one_that_a_page_takes() -> None:
    engine: Engine = PlausibleEngine(1000)
    before = engine.board
    after = await engine.changed(before)
    assert after.now_us > before.now_us
    assert engine.card("tokyo-shibuya") is not None
    assert engine.card("atlantis") is None
    assert not (await engine.do(Order("go"), "guest")).good
