"""The page in a real browser, over a made-up show: what is drawn, and what a press or a key does."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from browsing import PaintedBoard, chromium, opened, painted_board, status, wide
from painted import GUEST, HOSTILE, OPERATOR
from playwright.async_api import Browser, Page, expect

from agent.board.tokens import Tokens

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def painted() -> Iterator[PaintedBoard]:
    with painted_board() as board:
        yield board


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as found:
        yield found


@pytest.fixture
def board(painted: PaintedBoard) -> PaintedBoard:
    painted.paint()
    painted.orders()
    return painted


@pytest_asyncio.fixture(loop_scope="module")
async def desk(browser: Browser, board: PaintedBoard) -> AsyncIterator[Page]:
    async with opened(browser, f"{board.url}/?token={OPERATOR}") as page:
        yield page


async def unwatched(board: PaintedBoard) -> None:
    while board.watching():  # noqa: ASYNC110 - another process has no event for it
        await asyncio.sleep(0.5)


async def test_pages_that_are_closed_or_only_fetched_cost_nothing(browser: Browser, board: PaintedBoard) -> None:
    async with asyncio.timeout(60):
        await unwatched(board)  # the first test: of others the pages would be open for ten seconds yet
        cookie = f"framezero-board-{board.url.rpartition(':')[2]}={Tokens(OPERATOR, GUEST).kept('guest')}"
        for _ in range(3):
            assert status(f"{board.url}/", cookie=cookie) == 200
        await asyncio.sleep(1)
        assert board.watching() == 0, "nobody looks"
        async with opened(browser, f"{board.url}/?token={GUEST}"):
            assert board.watching() >= 1
        await unwatched(board)


async def test_space_is_go_of_the_line_in_standby(desk: Page, board: PaintedBoard) -> None:
    await expect(desk.locator(".fz-standby")).to_have_text("The winners' reel")
    await desk.keyboard.press("Space")
    order = board.order()
    assert (order["deed"], order["line"]) == ("go", 2)
    await expect(desk.locator(".fz-said")).to_contain_text("go is out")


async def test_keys_hold_resume_black_stop_and_move_standby(desk: Page, board: PaintedBoard) -> None:
    for key, deed in (("h", "hold"), ("r", "resume"), ("b", "black"), ("s", "stop")):
        await desk.keyboard.press(key)
        assert board.order()["deed"] == deed
    await desk.keyboard.press("ArrowDown")
    order = board.order()
    assert (order["deed"], order["line"]) == ("standby", 3)
    assert board.orders() == []


async def test_a_key_with_control_is_the_browsers(desk: Page, board: PaintedBoard) -> None:
    await desk.keyboard.press("Control+b")
    await desk.keyboard.press("Alt+h")
    await desk.keyboard.press("r")
    assert board.order()["deed"] == "resume"


async def test_keys_do_nothing_while_somebody_types(desk: Page, board: PaintedBoard) -> None:
    await desk.keyboard.press("/")
    await desk.keyboard.type("b shp tokyo", delay=5)
    await expect(desk.locator(".fz-sieve")).to_have_value("b shp tokyo")
    await desk.keyboard.press("Escape")
    await desk.keyboard.press("r")
    assert board.order()["deed"] == "resume"


async def test_space_on_a_button_that_has_the_focus_means_that_button(desk: Page, board: PaintedBoard) -> None:
    await desk.locator('[data-key="b"]').focus()
    await desk.keyboard.press("Space")
    assert board.order()["deed"] == "black"
    assert board.orders() == []


async def test_after_a_click_on_a_button_space_is_go_again(desk: Page, board: PaintedBoard) -> None:
    await desk.locator('[data-key="b"]').click()
    assert board.order()["deed"] == "black"
    await desk.keyboard.press("Space")
    assert board.order()["deed"] == "go"


async def short(page: Page, button: str) -> None:
    """Press it with the mouse, and let go as soon as it has begun to fill."""
    await page.locator(button).hover()
    await page.mouse.down()
    await page.wait_for_selector(f"{button}.holding")
    await page.mouse.up()
    await page.wait_for_selector(f"{button}:not(.holding)")


async def long(page: Page, button: str) -> None:
    """Hold it with the mouse until it fires."""
    await page.locator(button).hover()
    await page.mouse.down()
    await page.wait_for_selector(f"{button}.fired")
    await page.mouse.up()
    await page.wait_for_selector(f"{button}:not(.fired)")


async def test_panic_has_to_be_held(desk: Page, board: PaintedBoard) -> None:
    await desk.keyboard.press("p")
    await short(desk, ".fz-panic")
    await expect(desk.locator(".fz-panic")).to_contain_text("nothing was sent")  # nobody is to believe that it went
    await desk.keyboard.press("p", delay=500)
    await desk.keyboard.press("r")
    assert board.order()["deed"] == "resume"  # had a short press fired, it would have come before
    await desk.keyboard.down("p")
    await desk.wait_for_selector(".fz-panic.fired")
    await expect(desk.locator(".fz-panic")).not_to_contain_text("nothing was sent")
    await desk.keyboard.up("p")
    assert board.order()["deed"] == "panic"
    await desk.wait_for_selector(".fz-panic:not(.fired)")
    await long(desk, ".fz-panic")
    assert board.order()["deed"] == "panic"
    assert board.orders() == []


async def test_a_panic_is_large_and_lifting_it_has_to_be_held_too(desk: Page, board: PaintedBoard) -> None:
    board.paint(panic=True)
    await expect(desk.locator(".fz-alarm.panic")).to_contain_text("PANIC")
    await short(desk, ".fz-lift")
    await long(desk, ".fz-lift")
    order = board.order()
    assert (order["deed"], order["panic"] != "") == ("lift", True)
    assert board.orders() == []


async def test_a_finger_can_hold_panic_too(browser: Browser, board: PaintedBoard) -> None:
    async with opened(browser, f"{board.url}/?token={OPERATOR}", width=390, height=844, touch=True) as page:
        box = await page.locator(".fz-panic").bounding_box()
        assert box is not None
        finger = await page.context.new_cdp_session(page)
        at = [{"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}]
        await finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": at})
        await page.wait_for_selector(".fz-panic.fired")
        await finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert board.order()["deed"] == "panic"


async def test_go_names_what_it_would_send(desk: Page, board: PaintedBoard) -> None:
    board.paint(standby=4)
    await expect(desk.locator(".fz-go-hint")).to_have_text("50 Reel again")
    await expect(desk.locator(".fz-standby")).to_have_text("Reel again")


async def test_a_refusal_cannot_be_overlooked(desk: Page, board: PaintedBoard) -> None:
    board.paint(refuse="ben@desk-2 sent GO 40 0.8 s ago; wait 1.2 s", gap=True)
    await expect(desk.locator(".fz-go-hint")).to_contain_text("wait")
    await desk.keyboard.press("Space")
    said = desk.locator(".fz-said")
    await expect(said).to_have_text("✕ NOT SENT: ben@desk-2 sent GO 40 0.8 s ago; wait 1.2 s")
    assert await said.get_attribute("role") == "alert"


@pytest.mark.parametrize(("width", "height"), [(1600, 1000), (390, 844)])
async def test_go_stays_where_it_is_whatever_comes_and_goes(
    desk: Page, board: PaintedBoard, width: int, height: int
) -> None:
    await desk.set_viewport_size({"width": width, "height": height})
    before = await desk.locator(".fz-go").bounding_box()
    board.paint(panic=True, standby=4, refuse="ben@desk-2 sent GO 40 0.8 s ago; wait 1.2 s " * 2)
    await desk.locator(".fz-go").click()
    await expect(desk.locator(".fz-said")).to_be_visible()
    await expect(desk.locator(".fz-lift")).to_be_visible()
    await expect(desk.locator(".fz-alarm.panic")).to_be_visible()
    assert await desk.locator(".fz-go").bounding_box() == before


async def test_a_press_that_comes_late_is_refused(desk: Page, board: PaintedBoard) -> None:
    await desk.evaluate(
        "() => { framezero.press = (emit) => emit({ line: null, at_us: Math.round(framezero.nowUs() - 5e6) }) }"
    )
    await desk.locator(".fz-go").click()
    await expect(desk.locator(".fz-said")).to_contain_text("late")
    assert board.orders() == []


async def test_a_go_for_a_line_that_is_no_longer_in_standby_is_refused(desk: Page, board: PaintedBoard) -> None:
    await desk.evaluate(
        "() => { framezero.press = (emit) => emit({ line: '1', at_us: Math.round(framezero.nowUs()) }) }"
    )
    await desk.locator(".fz-go").click()
    await expect(desk.locator(".fz-said")).to_contain_text("standby was moved by somebody else")
    assert board.orders() == []


async def test_a_go_right_behind_a_choice_is_not_the_old_lines(desk: Page, board: PaintedBoard) -> None:
    board.paint(slow_s=1.5, standby=1)
    await expect(desk.locator(".fz-deck .fz-label")).to_have_text("STANDBY 20")
    hands = "for (const key of ['ArrowDown', 'ArrowDown', ' ']) document.querySelector(`[data-key='${key}']`).click()"
    await desk.evaluate(f"() => {{ {hands} }}")
    await expect(desk.locator(".fz-said")).to_contain_text("did not stand by yet")
    assert [board.order()["line"] for _ in range(2)] == [2, 3]
    await expect(desk.locator(".fz-said")).to_contain_text("standby is out")
    board.paint()
    await desk.wait_for_timeout(2000)
    await desk.keyboard.press("Space")
    assert (board.order()["deed"], board.orders()) == ("go", [])


async def test_a_page_whose_board_is_away_says_so_and_sends_nothing(desk: Page, board: PaintedBoard) -> None:
    board.freeze(True)
    try:
        await expect(desk.locator(".fz-lost-banner")).to_be_visible(timeout=6000)
        await expect(desk.locator(".fz-lost-why")).to_contain_text("Nothing can be sent from here")
        await expect(desk).to_have_title(re.compile("^✕ NOT LIVE"))
        await desk.keyboard.press("Space")
        await desk.keyboard.press("p", delay=1300)
    finally:
        board.freeze(False)
    await expect(desk.locator(".fz-lost-banner")).to_be_hidden(timeout=15000)
    await desk.wait_for_selector("body[data-live]")
    await desk.keyboard.press("r")
    assert board.order()["deed"] == "resume"
    assert board.orders() == []


async def test_a_wall_is_found_by_what_people_call_it(desk: Page, board: PaintedBoard) -> None:
    await expect(desk.locator(".fz-card-place")).to_have_text(["Dundas Square, Metropolis"])
    await expect(desk.locator(".fz-show")).to_have_text("Bring Your Vision · bring-your-vision")
    await desk.locator(".fz-sieve").fill("metropolis")
    await expect(desk.locator(".fz-card:visible")).to_have_count(1)
    assert await desk.locator(".fz-card:visible .fz-card-place").count() == 1


async def test_a_guest_sees_all_and_has_no_hands(browser: Browser, board: PaintedBoard) -> None:
    async with opened(browser, f"{board.url}/?token={GUEST}") as page:
        await expect(page.locator(".fz-top")).to_contain_text("read only")
        assert await page.locator(".fz-card").count() == 5
        for hand in (".fz-go", ".fz-panic", ".fz-fire", ".fz-transport", ".fz-again", "button.fz-line"):
            assert await page.locator(hand).count() == 0, hand
        for key in ("Space", "b", "h"):
            await page.keyboard.press(key)
        await page.keyboard.press("p", delay=1200)
        assert board.orders() == []


PWNED = """() => [
  window.pwned ?? "",
  ...[...document.querySelectorAll("[onerror], img[src='x'], main script, header script")].map((one) => one.outerHTML),
].join("")"""


async def test_what_comes_from_outside_is_text_in_every_place(browser: Browser, board: PaintedBoard) -> None:
    board.paint(hostile=True, panic=True)
    async with opened(browser, f"{board.url}/?token={OPERATOR}") as page:
        await expect(page.locator(".fz-missed")).to_contain_text("<img src=x")
        await page.reload()  # what is drawn once and stays is of this show, too
        await expect(page.locator(".fz-show")).to_contain_text(HOSTILE)
        places = (".fz-card-name", ".fz-reason", ".fz-state", ".fz-log-by", ".fz-legend", ".fz-standby", ".fz-machine")
        for place in places:
            await expect(page.locator(place).first).to_contain_text("<img", ignore_case=True)
        for attribute in ("title", "aria-label", "alt"):
            assert await page.locator(f'[{attribute}*="onerror"]').count() > 0, attribute
        assert await page.evaluate(PWNED) == ""
        board.paint(hostile=True, refuse=HOSTILE)
        await page.locator(".fz-go").click()
        await expect(page.locator(".fz-said")).to_contain_text("<script>")
        board.paint(hostile=True, venues=60)
        await expect(page.locator(".ag-row").first).to_be_visible(timeout=20_000)
        await expect(page.locator('.ag-row [col-id="reason"]').first).to_contain_text("<img")
        await page.locator('.ag-row [col-id="venue"]').first.click()
        await page.locator('.ag-row [col-id="reason"]').first.hover()
        assert await page.evaluate(PWNED) == ""


async def test_nothing_is_wider_than_the_window(desk: Page, board: PaintedBoard) -> None:
    board.paint(panic=True, refuse="x" * 200)
    await desk.locator(".fz-go").click()
    await expect(desk.locator(".fz-said")).to_be_visible()
    for width in (320, 390, 768, 1024, 1600, 2560):
        await desk.set_viewport_size({"width": width, "height": 844})
        assert await wide(desk) <= 0, width
    await desk.goto(f"{board.url}/wall")
    await desk.wait_for_selector("body[data-live]")
    for width in (1280, 3840):
        await desk.set_viewport_size({"width": width, "height": 900})
        assert await wide(desk) <= 0, width


async def test_on_a_phone_go_is_within_reach_of_the_thumb(browser: Browser, board: PaintedBoard) -> None:
    async with opened(browser, f"{board.url}/?token={OPERATOR}", width=390, height=844) as page:
        await page.mouse.wheel(0, 2000)
        box = await page.locator(".fz-go").bounding_box()
        assert box is not None
        assert box["height"] >= 60
        assert box["y"] + box["height"] <= 844
        assert box["y"] > 844 * 0.75


async def test_a_thousand_walls_are_a_table_with_what_is_wrong_first(browser: Browser, board: PaintedBoard) -> None:
    board.paint(venues=1000)
    async with opened(browser, f"{board.url}/?token={OPERATOR}") as page:
        first = page.locator('.ag-pinned-left-cols-container .ag-row[row-index="0"]')
        await expect(first).to_contain_text("✕")
        assert await page.locator(".ag-row").count() < 200  # only what is in sight is drawn
        await page.keyboard.press("/")
        await page.keyboard.type("tokyo-shibuya-7")
        await expect(first).to_contain_text("tokyo-shibuya-7")
        venue = await first.locator('[col-id="venue"]').inner_text()
        await first.locator('[col-id="venue"]').click()
        await expect(page.locator(f'.fz-card[aria-label="{venue}"]')).to_be_visible(timeout=10_000)


async def test_the_title_tells_the_state_and_the_time_that_is_left(desk: Page) -> None:
    await desk.wait_for_function("/^▲ 4\\/5 GO \\d\\d:\\d\\d$/.test(document.title)")


async def test_the_countdown_goes_on_between_what_the_board_tells(desk: Page, board: PaintedBoard) -> None:
    board.freeze(True)
    try:
        one = await desk.locator(".fz-big").inner_text()
        await desk.wait_for_timeout(120)
        other = await desk.locator(".fz-big").inner_text()
    finally:
        board.freeze(False)
    assert one.startswith("T−00:01:")
    assert one != other


async def test_a_wrong_clock_of_the_browser_does_not_matter(browser: Browser, board: PaintedBoard) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await page.add_init_script("const real = Date.now; Date.now = () => real() + 90_000_000")
    await page.goto(f"{board.url}/?token={OPERATOR}")
    await expect(page.locator(".fz-browser-clock")).to_contain_text("1500 min fast; corrected")
    await expect(page.locator(".fz-big")).to_contain_text("T−00:01:2")
    await context.close()


async def test_help_comes_by_its_key_and_goes_by_escape(desk: Page, board: PaintedBoard) -> None:
    await desk.keyboard.press("?")
    await expect(desk.locator(".fz-help")).to_be_visible()
    await desk.keyboard.press("Space")
    await desk.keyboard.press("b")
    await desk.keyboard.press("Escape")
    await expect(desk.locator(".fz-help")).to_be_hidden()
    await desk.keyboard.press("r")
    assert board.order()["deed"] == "resume"


async def test_a_wrong_token_opens_nothing(board: PaintedBoard) -> None:
    assert status(f"{board.url}/?token=wrong") == 401
    assert status(f"{board.url}/") == 401
    assert status(f"{board.url}/wall") == 401


async def test_it_is_dark_before_anything_is_loaded(browser: Browser, board: PaintedBoard) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{board.url}/?token={OPERATOR}")
    await page.wait_for_selector("body[data-live]")
    await page.route("**/_nicegui/**", lambda route: route.abort())
    await page.goto(f"{board.url}/", wait_until="domcontentloaded")
    ground = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == "rgb(10, 12, 15)"
    await context.close()
