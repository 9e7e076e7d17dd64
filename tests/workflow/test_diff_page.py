"""The page of differences in a real browser: slider, filters, keyboard, and no external resources."""

from __future__ import annotations

from contextlib import contextmanager
from io import BytesIO

import pytest
from PIL import Image
from release_folders import an_image, opener, with_image, write_release

from imagemake.cli.diff import build_report
from imagemake.versions.diff.page import write_page

HOSTILE = "</script><script>window.hacked = 1</script><img src=http://192.0.2.1/x onerror='window.hacked = 1'>{{ 7 }}"
RED, TEAL, PINK = (an_image(color, (320, 240)) for color in ("red", "teal", "#ff8888"))


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """Four changes of pixels, and one renamed, added, removed, and lost image each."""
    folder = tmp_path_factory.mktemp("differences")
    hashed = {"measures": {"phash.hash": "0" * 16}}
    before = [
        with_image("near", RED),
        with_image("far", RED, **hashed),
        with_image("words", RED),
        with_image("lost", RED),
        with_image("gone", RED),
        with_image("old name", RED, key="7" * 64),
        with_image("kept", RED),
    ]
    after = [
        with_image("near", PINK, seed=9),
        with_image("far", TEAL, seed=9, measures={"phash.hash": "f" * 16}),
        with_image("words", RED, prompt=f"A photo of a mug, {HOSTILE}", variables={"color": HOSTILE}),
        with_image("lost", TEAL, model="other"),
        with_image("new", an_image((255, 0, 0, 90), (100, 300), mode="RGBA")),
        with_image("new name", RED, key="7" * 64),
        with_image("kept", RED),
    ]
    write_release(folder / "a", before)
    write_release(folder / "b", after)
    (folder / "b/images/lost.png").unlink()
    with opener(folder) as opening:
        write_page(folder / "page.html", build_report(opening, str(folder / "a"), str(folder / "b"), 100))
    return folder / "page.html"


@contextmanager
def opened(browser, path, **options):
    """Open the page, and check that it makes no request and logs nothing."""
    context = browser.new_context(**options)
    page = context.new_page()
    faults, asked = [], []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text))
    page.on("request", lambda request: asked.append(request.url) if not request.url.startswith("data:") else None)
    page.goto(path.as_uri())
    yield page
    assert page.evaluate("window.hacked") is None
    context.close()
    assert faults == []
    assert set(asked) == {path.as_uri()}


def names(page):
    return page.locator(".card h2").all_text_contents()


def color(page, card, share):
    """Color on the screen at a horizontal position of a card's image: red, teal, or a mix of both."""
    box = card.locator(".compare").bounding_box()
    place = round(box["x"] + share * box["width"]), round(box["y"] + 0.2 * box["height"])
    with Image.open(BytesIO(page.screenshot())) as shot:
        red, _, blue = shot.convert("RGB").getpixel(place)
    return "red" if red > 250 > 5 > blue else "teal" if blue > 120 > 5 > red else "mix"


def wait_for(page, n_cards):
    page.wait_for_selector(f"#count >> text='{n_cards} of 7 changes'")  # the page's policy prevents further evaluation


def test_the_most_different_come_first_and_each_filter_filters(page_file, browser):
    with opened(browser, page_file) as page:
        assert names(page)[:2] == ["far", "near"]
        assert page.inner_text("#count") == "7 changes"
        page.click("[data-kind=added]")
        assert names(page) == ["new"]
        page.click("[data-kind='']")
        page.select_option("#reason", "seed")
        assert names(page) == ["far", "near"]
        page.select_option("#least", "40")
        assert names(page) == ["far"]
        with opened(browser, page_file) as other:
            other.goto(page.url)
            assert names(other) == ["far"]
            other.goto(page_file.as_uri())
        page.select_option("#reason", "")
        page.select_option("#least", "")
        page.select_option("#order", "name")
        assert names(page) == ["far", "gone", "lost", "near", "new", "new name", "words"]
        page.fill("#query", "photo onerror")
        wait_for(page, 1)
        assert names(page) == ["words"]
        page.fill("#query", "nothing like this")
        page.click("#reset")
        assert len(names(page)) == 7


def test_the_slider_shows_more_or_less_of_each_image_by_mouse_and_by_keys(page_file, browser):
    with opened(browser, page_file) as page:
        card = page.locator(".card", has=page.locator("h2", has_text="far"))
        slider = card.locator("input[type=range]")
        assert color(page, card, 0.25) == "red"
        assert color(page, card, 0.75) == "teal"
        slider.focus()
        page.keyboard.press("Home")
        assert slider.get_attribute("aria-valuetext") == "0% before, 100% after"
        assert color(page, card, 0.25) == "teal"
        page.keyboard.press("End")
        page.keyboard.press("ArrowLeft")
        assert slider.get_attribute("aria-valuetext") == "99% before, 1% after"
        assert color(page, card, 0.75) == "red"
        box = card.locator(".compare").bounding_box()
        page.mouse.click(box["x"] + 0.1 * box["width"], box["y"] + 0.5 * box["height"])
        assert int(slider.input_value()) <= 12
        assert color(page, card, 0.25) == "teal"
        page.select_option("#view", "side")
        assert color(page, card, 0.25) == "red"
        assert color(page, card, 0.75) == "teal"
        page.select_option("#view", "fade")
        page.keyboard.press("Tab")
        assert [color(page, card, 0.25), color(page, card, 0.75)] == ["mix", "mix"]


def test_a_keyboard_alone_searches_filters_and_slides(page_file, browser):
    with opened(browser, page_file) as page:
        page.keyboard.press("/")
        page.keyboard.type("far")
        wait_for(page, 1)
        for _ in range(5):  # past the four selects to the slider
            page.keyboard.press("Tab")
        page.keyboard.press("PageUp")
        assert page.evaluate("document.activeElement.getAttribute('aria-valuetext')").startswith("60% before")


def test_words_reasons_and_hostile_text_are_shown_as_text(page_file, browser):
    with opened(browser, page_file) as page:
        card = page.locator(".card", has=page.locator("h2", has_text="words"))
        assert card.locator("ins").all_inner_texts()[-1].endswith(HOSTILE)
        assert card.locator("del").all_inner_texts() == ["Product"]
        assert card.locator(".why").all_inner_texts() == ["prompt", "catalog"]
        assert HOSTILE in card.locator("dd").inner_text()
        lost = page.locator(".card", has=page.locator("h2", has_text="lost"))
        assert "no longer in the release or the store" in lost.inner_text()
        renamed = page.locator(".card", has=page.locator("h2", has_text="new name"))
        assert "old name → new name" in renamed.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width_px", [1280, 390])
def test_the_page_is_no_wider_than_its_window_and_every_control_has_a_name(page_file, browser, width_px, scheme):
    options = {"viewport": {"width": width_px, "height": 800}, "color_scheme": scheme}
    with opened(browser, page_file, **options) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width_px
        nameless = """[...document.querySelectorAll("button, input, select, img")].filter((one) =>
            !(one.getAttribute("aria-label") || one.alt || one.innerText || one.labels?.[0]?.innerText))"""
        assert page.evaluate(f"{nameless}.length") == 0
