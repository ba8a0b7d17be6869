"""The page in a Chromium: it is drawn on, listened to, and used by finger and by keyboard."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import browsers
import pytest

from fastgru.playground import page, serve

pytestmark = [pytest.mark.slow, pytest.mark.browser]

DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
NOTHING = "\u2013"
NOUGHT = [(0.5 + 0.22 * math.sin(turn / 4), 0.5 - 0.36 * math.cos(turn / 4)) for turn in range(26)]
SEVEN = [(0.25, 0.18), (0.5, 0.16), (0.77, 0.15), (0.66, 0.4), (0.55, 0.62), (0.46, 0.9)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    pytest.importorskip("playwright", reason="playwright is not installed")
    if browsers.PROGRAM is None:
        pytest.skip("there is no Chromium")
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def address() -> str:
    addresses: list[str] = []
    ready = threading.Event()

    def served(address: str) -> None:
        addresses.append(address)
        ready.set()

    threading.Thread(target=serve, args=(page(),), kwargs={"ready": served}, daemon=True).start()
    assert ready.wait(10)
    return addresses[0]


class Tab:
    """The page as one opened it, and what it said and asked for."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **options})
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(10_000)
        self.said: list[str] = []
        self.requests: list[str] = []
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.goto(address)

    def text(self, selector: str) -> str:
        return str(self.tab.inner_text(selector))

    def draw(self, points: list[tuple[float, float]]) -> None:
        self.tab.locator("#pad").scroll_into_view_if_needed()
        box = self.tab.locator("#pad").bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        self.tab.mouse.move(*places[0])
        self.tab.mouse.down()
        for place in places[1:]:
            self.tab.mouse.move(*place, steps=3)
        self.tab.mouse.up()

    def set(self, selector: str, value: float) -> None:
        self.tab.locator(selector).evaluate(
            "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", value
        )

    def until(self, reached: Callable[[int], bool]) -> None:
        """Wait until a row is read; the page's policy forbids playwright's own waiting, which evaluates strings."""
        last = time.monotonic() + 10
        while not reached(int(self.tab.input_value("#time"))):
            assert time.monotonic() < last
            self.tab.wait_for_timeout(30)

    def states(self) -> str:
        """What the unit that is followed shows: its gates, candidate and state after the last row read."""
        return str(self.tab.get_attribute("#maps", "aria-valuetext"))


@pytest.fixture
def tab(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Tab]:
    tab = Tab(browser, address, **getattr(request, "param", {}))
    yield tab
    assert tab.said == []
    assert tab.requests == [tab.tab.url.partition("#")[0]]  # the page, and nothing after it
    tab.context.close()


phone = pytest.mark.parametrize("tab", [{"viewport": PHONE, "has_touch": True}], indirect=True, ids=["phone"])


def test_a_digit_is_there_at_once_and_others_by_a_click(tab: Tab) -> None:
    assert tab.text("#best") == "3"
    for digit in (0, 7):
        tab.tab.click(f"#samples button:nth-child({digit + 1})")
        assert tab.text("#best") == str(digit)


def test_what_is_drawn_is_read(tab: Tab) -> None:
    tab.draw(NOUGHT)  # onto the sample, which leaves
    assert tab.text("#best") == "0"
    tab.tab.click("#clear")
    assert tab.text("#best") == NOTHING and tab.tab.is_visible(".invitation")
    tab.draw(SEVEN)
    assert tab.text("#best") == "7"


def test_the_slider_goes_back_to_what_was_known_then(tab: Tab) -> None:
    tab.set("#time", 3)
    assert tab.text("#row") == "row 3 of 28" and "after row 3" in tab.text("#verdict")
    early = tab.text("#bars")
    tab.set("#time", 28)
    assert tab.text("#bars") != early and tab.text("#best") == "3"


def test_a_state_freezes_while_z_is_held_at_1(tab: Tab) -> None:
    tab.set("#from", 10)
    tab.tab.click("[data-experiment=freeze]")
    tab.set("#time", 9)
    before = tab.states().rpartition("state ")[2]
    for row in (10, 20, 28):
        tab.set("#time", row)
        assert tab.states().rpartition("state ")[2] == before
        assert "update gate 1.00" in tab.states()
    assert "z = 1" in tab.text("#effect") and tab.text("#compared").startswith("Its own answer: 3 (100")
    tab.tab.click("#release")
    assert tab.states().rpartition("state ")[2] != before


def test_one_unit_is_held_alone(tab: Tab) -> None:
    tab.tab.check("[name=scope][value=unit]")
    tab.tab.check("[data-hold=reset]")
    tab.set("[data-value=reset]", 0.25)
    assert "reset gate 0.25" in tab.states()
    tab.tab.focus("#maps")
    tab.tab.keyboard.press("ArrowRight")
    assert "reset gate 0.25" not in tab.states() and not tab.tab.is_checked("[data-hold=reset]")


def test_a_unit_is_followed_by_a_click(tab: Tab) -> None:
    box = tab.tab.locator("[data-map=reset]").bounding_box()
    tab.tab.mouse.click(box["x"] + box["width"] * 20.5 / 40, box["y"] + 5)
    assert tab.text("#unit-title") == "Unit 21, row by row"


def test_it_speaks_chinese_and_remembers_it_in_the_address(tab: Tab) -> None:
    tab.tab.click("[data-language=zh]")
    assert tab.text("h1") == "看见 GRU 的内部" and tab.tab.url.endswith("#zh")
    assert tab.text(".gates").count("门") >= 2 and "候选隐状态" in tab.text(".gates")
    assert tab.tab.get_attribute("html", "lang") == "zh-CN"
    tab.tab.click("[data-language=en]")
    assert tab.text("h1") == "Inside a GRU"


@pytest.mark.parametrize("tab", [{"reduced_motion": "no-preference"}], indirect=True, ids=["moving"])
def test_it_reads_row_by_row_by_itself_and_pauses(tab: Tab) -> None:
    tab.until(lambda row: row > 2)
    tab.tab.click("#play")
    row = tab.text("#row")
    tab.tab.wait_for_timeout(300)
    assert tab.text("#row") == row != "row 28 of 28"
    tab.tab.click("#play")
    tab.until(lambda row: row == 28)


def test_all_of_it_goes_by_keyboard(tab: Tab) -> None:
    keys = tab.tab.keyboard
    tab.tab.focus("#pad")
    keys.press("Delete")
    assert tab.text("#best") == NOTHING
    keys.press("Space")
    for _ in range(18):
        keys.press("ArrowDown")
    keys.press("Space")
    assert tab.text("#best") == "1"
    tab.tab.focus("#maps")
    keys.press("ArrowUp")
    assert tab.text("#row") == "row 27 of 28"
    keys.press("End")
    assert tab.text("#unit-title") == "Unit 40, row by row"
    tab.tab.focus("#time")
    keys.press("Home")
    assert tab.text("#row") == "row 1 of 28"
    reached = set()
    tab.tab.focus("[data-language=en]")
    for _ in range(40):
        keys.press("Tab")
        reached.add(tab.tab.evaluate("document.activeElement.id || document.activeElement.outerHTML.slice(0, 60)"))
    assert {"pad", "clear", "play", "time", "maps", "from"} <= reached
    assert any("data-experiment" in control for control in reached)


@phone
def test_a_phone_shows_it_without_scrolling_sideways(tab: Tab) -> None:
    for language in ("zh", "en"):
        tab.tab.click(f"[data-language={language}]")
        wide = "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
        assert tab.tab.evaluate(f"{wide}.map(e => e.outerHTML.slice(0, 80))") == []
        assert tab.tab.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@phone
def test_a_finger_draws(tab: Tab) -> None:
    session = tab.context.new_cdp_session(tab.tab)
    box = tab.tab.locator("#pad").bounding_box()
    for index, (x, y) in enumerate(SEVEN):
        point = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        kind = "touchMove" if index else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert tab.text("#best") == "7"
    assert tab.tab.evaluate("scrollY") == 0


@pytest.mark.parametrize("tab", [{"color_scheme": "dark"}], indirect=True, ids=["dark"])
def test_it_is_dark_where_that_is_asked_for(tab: Tab) -> None:
    channels = tab.tab.evaluate("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
    assert max(channels) < 60


def test_the_page_works_from_a_file_without_a_server(browser: Any, tmp_path: Any) -> None:
    (tmp_path / "page.html").write_text(page(), encoding="utf-8")
    tab = Tab(browser, (tmp_path / "page.html").as_uri())
    tab.tab.click("[data-language=zh]")
    assert tab.text("#best") == "3" and tab.said == [] and len(tab.requests) == 1
    tab.context.close()
