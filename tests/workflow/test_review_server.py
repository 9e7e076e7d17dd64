"""`imagemake review` as a process: address, token, and shutdown; and in a real browser, if one is installed."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import httpx2
import pytest
from review_project import DOUBTFUL, ReviewProject

from imagemake.plan.reviews import read_reviews

COMMAND = [sys.executable, "-c", "from imagemake.cli.main import main; main()", "review", "--no-browser"]


@pytest.fixture
def project(tmp_path):
    return ReviewProject(tmp_path / "project", {(product, "red"): DOUBTFUL for product in ("mug", "vase", "lamp")})


@contextmanager
def serving(project, *options):
    """Start a server on a free port, and yield the address that it prints."""
    command = [*COMMAND, "--port", "0", "--reviewer", "kim", *options]
    server = subprocess.Popen(command, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        first, _, second = (server.stdout.readline() for _ in range(3))
        assert "3 of 3 images await review" in first
        yield second.removeprefix("Open ").strip(), server
    finally:
        server.kill()
        server.communicate()


def decisions(project):
    names = {key: name for name, key in project.keys.items()}
    stored = read_reviews(project.folder / "config/reviews.csv")
    return {names[key]: (review.decision, review.reviewer) for key, review in stored.items()}


def test_it_serves_this_machine_only_and_ends_well_at_ctrl_c(project):
    with serving(project) as (url, server):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
        assert "mug_red" in httpx2.get(url).text
        server.send_signal(signal.SIGINT)
        _, told = server.communicate(timeout=20)
        assert server.returncode == 0
        assert "Traceback" not in told


def test_elsewhere_it_prints_an_address_with_a_token_and_lets_nobody_in_without(project):
    with serving(project, "--host", "0.0.0.0") as (url, _):
        port, token = re.fullmatch(r"http://[^/]+:(\d+)/\?token=([\w-]{32,})", url).groups()
        client = httpx2.Client(base_url=f"http://127.0.0.1:{port}")
        assert client.get("/").status_code == 401
        assert client.get(f"/?token={token}").status_code == 200
        assert "mug_red" in client.get("/").text


def test_a_port_that_is_taken_is_told_with_a_remedy(project):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        command = [*COMMAND, "--port", str(other.getsockname()[1])]
        done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot listen" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["starlette", "uvicorn"])
def test_without_the_extra_it_tells_how_to_install_it(project, module):
    hidden = f"import sys; sys.modules[{module!r}] = None; from imagemake.cli.main import main; main(['review'])"
    command = [sys.executable, "-c", hidden]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "pip install 'imagemake[review]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_outside_of_a_project_it_says_where_to_run_it(tmp_path):
    done = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Run this in the project's folder." in done.stderr
    assert list(tmp_path.iterdir()) == []


@contextmanager
def page_of(browser, url, **options):
    context = browser.new_context(**options)
    page = context.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto(url)
    yield page
    context.close()
    assert faults == []


def shown(page, name):
    page.wait_for_selector(f'#viewer[data-name="{name}"]:not([aria-busy])')


def test_a_keyboard_alone_decides_everything_and_takes_it_back(project, browser):
    with serving(project) as (url, _), page_of(browser, url) as page:
        page.keyboard.press("Enter")
        shown(page, "mug_red")
        page.keyboard.press("a")
        shown(page, "vase_red")
        page.keyboard.press("n")
        page.keyboard.type("a and r are letters here")
        page.keyboard.press("Escape")
        page.keyboard.press("r")
        shown(page, "lamp_red")
        page.keyboard.press("g")
        page.keyboard.type("From above.")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".empty >> text=No image awaits review")
        stored = read_reviews(project.folder / "config/reviews.csv")
        assert [review.decision for review in stored.values()] == ["approve", "reject", "regenerate"]
        assert stored[project.keys["vase_red"]].note == "a and r are letters here"
        assert stored[project.keys["lamp_red"]].patch == "From above."
        for name in ("lamp_red", "vase_red", "mug_red"):
            page.keyboard.press("u")
            shown(page, name)
        assert decisions(project) == {}


def test_without_a_script_the_forms_do_the_same(project, browser):
    with serving(project) as (url, _), page_of(browser, url, java_script_enabled=False) as page:
        page.click("#start")
        page.click("button[value=approve]")
        assert page.inner_text("h1") == "vase_red"
        page.click("#again summary")
        page.fill("#prompt", "Another vase")
        page.click("button[value=regenerate]")
        page.click("button[value=reject]")
        assert page.inner_text("#toast") == "Rejected: lamp_red"
        page.click("#undo")
        assert page.inner_text("h1") == "lamp_red"
    assert decisions(project) == {"mug_red": ("approve", "kim"), "vase_red": ("regenerate", "kim")}


def test_two_browsers_that_decide_about_one_image_are_told(project, browser):
    with serving(project) as (url, _):
        one, other = browser.new_page(), browser.new_page()
        for page in (one, other):
            page.goto(url)
            page.click("#start")
            shown(page, "mug_red")
        one.keyboard.press("r")
        one.wait_for_selector("#toast >> text=Rejected: mug_red")
        other.keyboard.press("a")
        other.wait_for_selector("#toast >> text=Since you opened mug_red, kim decided: rejected")
        shown(other, "mug_red")
    assert decisions(project) == {"mug_red": ("reject", "kim")}


@pytest.mark.parametrize("width_px", [1280, 390])
def test_no_page_is_wider_than_its_window(project, browser, width_px):
    viewport = {"width": width_px, "height": 800}
    with serving(project) as (url, _), page_of(browser, url, viewport=viewport) as page:
        for path in ("", f"image/{project.keys['mug_red']}", "?tab=all"):
            page.goto(url + path)
            assert page.evaluate("document.documentElement.scrollWidth") == width_px
