"""`imagemake review` over HTTP: pages, decisions, and refusals."""

from __future__ import annotations

import html
import re
import threading

import pytest
from review_project import BAD, DOUBTFUL, GOOD, ReviewProject
from starlette.testclient import TestClient

from imagemake.plan.reviews import Review, read_reviews, read_rows
from imagemake.review.app import make_app
from imagemake.review.security import MAX_BODY_BYTES, MAX_FIELDS, Access
from imagemake.review.session import ReviewSession

PORT = 8765
HOME = f"http://127.0.0.1:{PORT}"
HOSTILE = "<script>alert(1)</script>"
IMAGES = {
    ("mug", "red"): DOUBTFUL,
    ("mug", "teal"): DOUBTFUL,
    ("vase", "red"): GOOD,
    ("lamp", "red"): BAD,
    ("lamp", "teal"): None,
}


class Visitor:
    """A browser without JavaScript."""

    def __init__(self, folder, access=None, **project):
        self.project = ReviewProject(folder, {**IMAGES, **project.pop("more", {})}, **project)
        self.access = access or Access.at("127.0.0.1", PORT)
        self.keys = self.project.keys
        self.start()

    def start(self):
        self.session = ReviewSession(self.project.folder)
        self.client = TestClient(make_app(self.session, self.access, "kim"), base_url=HOME, follow_redirects=False)

    def get(self, path, **words):
        return self.client.get(path, **words)

    def post(self, path, headers=None, **fields):
        fields.setdefault("form_token", self.access.form_token)
        return self.client.post(path, data=fields, headers=headers or {"origin": HOME, "sec-fetch-site": "same-origin"})

    def decide(self, name, decision, **fields):
        return self.post("/decide", item=self.keys[name], decision=decision, **fields)

    def names(self, query=""):
        page = self.get(f"/?{query}").text
        return [html.unescape(name) for name in re.findall(r'<span class="name" dir="auto">(.*?)</span>', page)]

    def decisions(self):
        stored = read_reviews(self.project.folder / "config/reviews.csv")
        names = {key: name for name, key in self.keys.items()}
        return {names[key]: review.decision for key, review in stored.items()}


@pytest.fixture
def visitor(tmp_path):
    return Visitor(tmp_path / "project")


# ---------------------------------------------------------------- what is shown


def test_the_list_shows_what_waits_for_a_person_and_its_reason_with_number_and_limit(visitor):
    assert visitor.names() == ["mug_red", "mug_teal"]
    page = visitor.get("/").text
    assert "tone.contrast: 0.3, at least 0.5" in html.unescape(page)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("tab=accepted", ["vase_red"]),
        ("tab=rejected", ["lamp_red"]),
        ("tab=pending", ["lamp_teal"]),
        ("tab=all&value=color%3Dteal", ["mug_teal", "lamp_teal"]),
        ("tab=all&q=LAMP+red", ["lamp_red"]),
        ("tab=all&reason=tone.contrast", ["mug_red", "mug_teal", "lamp_red"]),
        ("tab=nonsense", ["mug_red", "mug_teal"]),
        ("q=nothing", []),
    ],
)
def test_filters_say_what_is_listed(visitor, query, names):
    assert visitor.names(query) == names


def test_a_long_list_comes_in_pages(tmp_path):
    many = Visitor(tmp_path / "p", more={(f"cup{n:03}", "red"): DOUBTFUL for n in range(130)})
    assert [len(many.names(f"page={page}")) for page in (1, 2, 3, 9)] == [60, 60, 12, 12]
    assert [len(many.names(f"page={page}")) for page in ("9" * 5000, "-1", "x", "\u0663")] == [60, 60, 60, 12]


def test_an_image_is_shown_whole_with_prompt_measures_and_the_next_one(visitor):
    key = visitor.keys["mug_red"]
    page = visitor.get(f"/image/{key}?tab=review").text
    source = re.search(r'<img id="image" src="([^"]+)"', page)[1]
    assert "Photo of mug, red." in page
    assert "review below 0.5; reject below 0.1" in page
    assert f'data-next="/image/{visitor.keys["mug_teal"]}?tab=review"' in page
    assert 'width="64" height="48"' in page
    image = visitor.get(source)
    assert image.content == visitor.session.store.raw.path(visitor.session.store.raw.find(key)).read_bytes()
    assert image.headers["content-type"] == "image/png"
    assert image.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in image.headers["cache-control"]
    assert "sandbox" in image.headers["content-security-policy"]


def test_a_thumbnail_is_made_once_and_kept_in_the_cache_of_the_contact_sheet(visitor):
    source = re.search(r'src="(/thumbnails/[^"]+)"', visitor.get("/").text)[1]
    first = visitor.get(source)
    assert first.headers["content-type"] == "image/jpeg"
    (cached,) = visitor.project.folder.glob("work/thumbnails/*/*.jpg")
    assert cached.read_bytes() == first.content == visitor.get(source).content


def test_earlier_attempts_and_near_duplicates_are_beside_the_image(tmp_path):
    folder = tmp_path / "p"
    visitor = Visitor(folder, attempts={"max": 2})
    item = visitor.session.view().queue.find(visitor.keys["lamp_red"])
    assert (item.state.attempt, item.tab) == (1, "pending")
    from imagemake.store.items import write_table

    second = visitor.project.image("lamp_red", item.state.recipe, DOUBTFUL, phash="00000000000000ff")
    vase = visitor.session.view().queue.find(visitor.keys["vase_red"]).state
    third = visitor.project.image("vase_red", vase.recipe, GOOD, phash="00000000000000fe")
    write_table(folder / "work/validated/test2.jsonl", [second, third])
    page = visitor.get(f"/image/{second.key}").text
    assert "tone.contrast: 0.01, at least 0.1" in html.unescape(page)
    assert "Approve this attempt" in page
    assert re.search(r"Near-duplicate</strong><span[^>]*>vase_red<", page)
    visitor.post("/decide", item=second.key, key=visitor.keys["lamp_red"], decision="approve")
    assert visitor.decisions() == {"lamp_red": "approve"}


def test_what_an_image_is_made_from_and_what_is_made_from_it_are_beside_it(tmp_path):
    references = [{"image": "{product}_red", "after": "approval"}]
    visitor = Visitor(tmp_path / "project", more={("mug", "red"): GOOD}, references=references)
    hero = visitor.get(f"/image/{visitor.keys['mug_red']}?tab=all").text
    assert "other images are made from it once a person approves it" in hero
    assert re.findall(r"What is made from it</strong><span dir=\"auto\">(.*?)</span>", hero) == ["mug_teal"]
    child = visitor.get(f"/image/{visitor.keys['mug_teal']}?tab=all").text
    assert re.findall(r"What it is made from</strong><span dir=\"auto\">(.*?)</span>", child) == ["mug_red"]
    assert "made from mug_red, which awaits review" in child


def test_a_mirror_image_is_named_in_the_reasons_and_beside_the_image(tmp_path):
    from imagemake.stages.validate.prints import MIRRORED_BITS
    from imagemake.store.items import write_table

    folder = tmp_path / "p"
    visitor = Visitor(folder, attempts={"max": 2})
    lamp, vase = (visitor.session.view().queue.find(visitor.keys[name]).state for name in ("lamp_red", "vase_red"))
    doubtful = visitor.project.image("lamp_red", lamp.recipe, DOUBTFUL, phash="00000000000000ff")
    mirrored = visitor.project.image("vase_red", vase.recipe, GOOD, phash=f"{0xFF ^ MIRRORED_BITS:016x}")
    write_table(folder / "work/validated/test2.jsonl", [doubtful, mirrored])
    page = html.unescape(visitor.get(f"/image/{doubtful.key}").text)
    assert "nearly the same image as vase_red, mirrored" in page
    assert re.search(r"Near-duplicate</strong><span[^>]*>vase_red<", page)


def test_what_a_run_made_meanwhile_is_there_without_a_restart(visitor):
    from imagemake.store.items import write_table

    state = visitor.session.view().queue.find(visitor.keys["lamp_teal"]).state
    item = visitor.project.image("lamp_teal", state.recipe, DOUBTFUL)
    write_table(visitor.project.folder / "work/validated/later.jsonl", [item])
    assert visitor.names() == ["mug_red", "mug_teal", "lamp_teal"]


def test_a_mistake_in_a_file_is_told_and_the_rest_still_works(visitor):
    path = visitor.project.folder / "config/config.yaml"
    good = path.read_text()
    path.write_text(good.replace("name:", "nmae:"))
    assert "nmae" in visitor.get("/").text
    assert visitor.names() == ["mug_red", "mug_teal"]
    path.write_text(good)
    assert "nmae" not in visitor.get("/").text


def test_text_from_catalog_notes_and_reviewers_is_escaped(tmp_path):
    visitor = Visitor(tmp_path / "p", more={(HOSTILE, "red"): DOUBTFUL})
    name = next(name for name in visitor.keys if "script" in name)
    visitor.decide(name, "note", note=f'"{HOSTILE}')
    visitor.post("/reviewer", reviewer=HOSTILE)
    for page in ("/", f"/image/{visitor.keys[name]}", "/?q=%22%3Cscript%3E", "/nowhere"):
        text = visitor.get(page).text
        assert HOSTILE not in text
        assert re.findall(r"<script[^>]*>", text) == re.findall(r'<script src="/static/review.js\?\w+" defer>', text)
    assert html.escape(HOSTILE) in visitor.get(f"/image/{visitor.keys[name]}").text


# ---------------------------------------------------------------- what is decided


def test_a_form_decides_and_leads_to_the_next_image(visitor):
    answer = visitor.decide("mug_red", "approve", note="fine", tab="review")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/image/{visitor.keys['mug_teal']}?tab=review"
    assert visitor.decisions() == {"mug_red": "approve"}
    assert visitor.names() == ["mug_teal"]
    assert visitor.names("tab=decided") == ["mug_red"]
    assert "Approved: mug_red" in visitor.get(answer.headers["location"]).text
    assert visitor.decide("mug_teal", "reject").headers["location"] == "/?tab=review", "none is left"


def test_a_script_gets_the_same_as_data(visitor):
    headers = {"accept": "application/json", "origin": HOME}
    answer = visitor.post("/decide", headers=headers, item=visitor.keys["mug_red"], decision="reject").json()
    assert answer == {
        "message": "Rejected: mug_red",
        "left": 1,
        "next": f"/image/{visitor.keys['mug_teal']}?tab=review",
    }


def test_undo_goes_back_step_by_step_also_past_a_restart(visitor):
    visitor.decide("mug_red", "approve")
    visitor.decide("mug_teal", "reject")
    assert visitor.post("/undo").headers["location"].startswith(f"/image/{visitor.keys['mug_teal']}")
    visitor.start()
    assert visitor.names("tab=accepted") == ["mug_red", "vase_red"]
    visitor.post("/undo")
    assert visitor.names() == ["mug_red", "mug_teal"], "what stood by a decision is looked at again"
    assert visitor.post("/undo").status_code == 409


def test_a_prompt_that_was_sent_back_as_it_was_is_no_edit(visitor):
    visitor.decide("mug_red", "regenerate", prompt="Photo of mug, red.\r\n", patch=" Brighter. ")
    visitor.decide("mug_teal", "regenerate", prompt="Photo of a mug")
    stored = read_reviews(visitor.project.folder / "config/reviews.csv")
    assert (stored[visitor.keys["mug_red"]].patch, stored[visitor.keys["mug_red"]].prompt) == ("Brighter.", "")
    assert stored[visitor.keys["mug_teal"]].prompt == "Photo of a mug"


@pytest.mark.parametrize(
    ("name", "decision", "fields", "words"),
    [
        ("mug_red", "regenerate", {"prompt": "Other", "patch": "More"}, "not both"),
        ("mug_red", "note", {}, "The note is empty."),
        ("mug_red", "reject", {"note": "x" * 2001}, "at most 2,000"),
        ("mug_red", "regenerate", {"prompt": "x" * 32001}, "at most 32,000"),
        ("mug_red", "delete", {}, "is not a decision"),
        ("lamp_teal", "approve", {}, "No image exists yet"),
        ("mug_red", "reject", {"key": "d" * 64}, "can only be approved"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(visitor, name, decision, fields, words):
    answer = visitor.decide(name, decision, **fields)
    assert answer.status_code == 400
    assert words in html.unescape(answer.text)
    assert visitor.project.reviews() == ""


def test_of_two_reviewers_the_later_one_is_told_what_the_other_decided(visitor):
    visitor.client.cookies.set("imagemake-reviewer", "alex")
    visitor.decide("mug_red", "reject", expected="")
    visitor.client.cookies.clear()
    answer = visitor.decide("mug_red", "approve", expected="")
    assert answer.status_code == 409
    assert "Since you opened mug_red, alex decided: rejected" in answer.text
    assert visitor.decisions() == {"mug_red": "reject"}
    version = html.unescape(re.search(r'name="expected" value="([^"]*)"', answer.text)[1])
    assert visitor.decide("mug_red", "approve", expected=version).status_code == 303, "knowing it, one may still decide"


def test_a_reviewer_says_who_they_are(visitor):
    visitor.post("/reviewer", reviewer="  Zoë   K. ")
    visitor.decide("mug_red", "approve")
    ((_, review),) = read_rows(visitor.project.folder / "config/reviews.csv")
    assert review.reviewer == "Zoë K."


def test_many_are_decided_after_a_question_that_counts_them(visitor):
    asked = visitor.post("/bulk", tab="all", which="all", decision="reject", note="all wrong", value="color=red")
    assert "Reject 3 images?" in asked.text
    assert visitor.project.reviews() == ""
    confirmed = re.search(r'name="confirmed" value="(\w+)"', asked.text)[1]
    fields = {"tab": "all", "which": "all", "decision": "reject", "note": "all wrong", "value": "color=red"}
    assert visitor.post("/bulk", **fields, confirmed=confirmed).status_code == 303
    assert visitor.decisions() == dict.fromkeys(["mug_red", "vase_red", "lamp_red"], "reject")
    visitor.post("/undo")
    assert visitor.decisions() == {}, "in one step"


def test_a_list_that_has_changed_since_the_question_is_asked_for_again(visitor):
    fields = {"tab": "review", "which": "all", "decision": "approve"}
    confirmed = re.search(r'name="confirmed" value="(\w+)"', visitor.post("/bulk", **fields).text)[1]
    visitor.decide("mug_red", "reject")
    again = visitor.post("/bulk", **fields, confirmed=confirmed)
    assert "The list has changed" in again.text
    assert "Approve 1 image?" in again.text
    assert visitor.decisions() == {"mug_red": "reject"}


def test_of_many_those_that_cannot_be_decided_are_left_out_and_counted(visitor):
    asked = visitor.post("/bulk", which="all", tab="all", decision="approve")
    assert "Approve 4 images?" in asked.text
    assert "1 left out: No image exists yet." in asked.text
    assert visitor.post("/bulk", which="selected", decision="approve").status_code == 400


def test_selected_images_alone_are_decided(visitor):
    asked = visitor.post("/bulk", which="selected", decision="approve", keys=[visitor.keys["vase_red"], "f" * 64])
    assert "Approve 1 image?" in asked.text


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1.evil.example", "10.0.0.7", "[", ""]
)
def test_a_name_that_is_not_ours_is_refused_against_rebinding(visitor, host):
    assert visitor.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", [f"localhost:{PORT}", "127.0.0.1", f"[::1]:{PORT}", f"LOCALHOST:{PORT}"])
def test_our_own_names_are_let_in(visitor, host):
    assert visitor.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": HOME},
    ],
)
def test_another_site_writes_nothing_even_with_a_form_token(visitor, headers):
    answer = visitor.post("/decide", headers=headers, item=visitor.keys["mug_red"], decision="approve")
    assert answer.status_code == 403
    assert visitor.project.reviews() == ""


@pytest.mark.parametrize("path", ["/decide", "/undo", "/bulk", "/reviewer"])
@pytest.mark.parametrize("token", ["", "0" * 64, "ü"])
def test_a_form_without_its_token_writes_nothing(visitor, path, token):
    visitor.decide("mug_teal", "approve")
    before = visitor.project.reviews()
    answer = visitor.post(path, form_token=token, item=visitor.keys["mug_red"], decision="approve", reviewer="eve")
    assert answer.status_code == 403
    assert visitor.project.reviews() == before
    assert "imagemake-reviewer" not in visitor.client.cookies


@pytest.mark.parametrize("path", ["/decide", "/undo", "/bulk", "/reviewer"])
def test_nothing_is_written_by_opening_an_address(visitor, path):
    assert visitor.get(path).status_code == 405


def test_other_addresses_than_this_machine_ask_for_the_token_and_then_remember_it_in_a_strict_cookie(tmp_path):
    access = Access.at("0.0.0.0", PORT)
    visitor = Visitor(tmp_path / "p", access)
    key = visitor.keys["mug_red"]
    stored = visitor.session.store.raw.find(key)
    for path in ("/", f"/image/{key}", f"/images/{key}/{stored.digest}", "/static/review.js", "/?token=wrong"):
        assert visitor.get(path).status_code == 401
    assert visitor.decide("mug_red", "approve").status_code == 401
    welcome = visitor.get(f"/?token={access.token}")
    cookie = welcome.headers["set-cookie"].lower()
    assert welcome.status_code == 200
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert access.token not in cookie
    assert visitor.get("/").status_code == 200
    assert visitor.get("/", headers={"host": "10.0.0.7"}).status_code == 200
    assert visitor.get("/", headers={"host": "evil.example"}).status_code == 421


def test_this_machine_alone_asks_for_no_token_unless_it_is_told_to():
    assert [Access.at(host, 1).token for host in ("127.0.0.1", "localhost", "::1", "127.0.0.9")] == [None] * 4
    assert all(len(Access.at(host, 1).token) >= 32 for host in ("0.0.0.0", "::", "192.168.1.5", "myhost"))
    assert Access.at("127.0.0.1", 1, require_token=True).token
    assert Access.at("0.0.0.0", 1).token != Access.at("0.0.0.0", 1).token


@pytest.mark.parametrize(
    "path",
    [
        "/images/../../config/config.yaml/x",
        "/images/%2e%2e%2f%2e%2e%2fconfig/config.yaml",
        "/images/{key}/" + "0" * 64,
        "/images/{key}/%2e%2e",
        "/thumbnails/{key}/" + "0" * 64,
        "/static/..%2fpages.py",
        "/static/pages.py",
        "/image/../../etc/passwd",
    ],
)
def test_nothing_but_images_of_the_store_and_our_own_files_is_served(visitor, path):
    assert visitor.get(path.format(key=visitor.keys["mug_red"])).status_code == 404


def test_a_file_that_is_no_image_is_never_served(visitor):
    stored = visitor.session.store.raw.put("e" * 64, b"<svg onload=alert(1)>", durable=False)
    assert visitor.get(f"/images/{stored.key}/{stored.digest}").status_code == 404
    assert visitor.get(f"/thumbnails/{stored.key}/{stored.digest}").status_code == 404


def test_a_body_that_no_form_has_is_refused(visitor):
    answer = visitor.decide("mug_red", "reject", note="x" * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 413
    assert visitor.project.reviews() == ""


def test_a_form_with_more_fields_than_any_of_ours_is_refused(visitor):
    keys = [str(n) for n in range(MAX_FIELDS + 1)]
    assert visitor.post("/bulk", which="selected", decision="reject", keys=keys).status_code == 413


def test_a_refused_form_keeps_the_filter(visitor):
    assert 'href="/?tab=all&amp;q=mug"' in visitor.decide("mug_red", "note", tab="all", q="mug").text


def test_pages_and_decisions_at_once_disturb_each_other_nowhere(visitor):
    faults = []

    def look():
        try:
            for _ in range(30):
                visitor.session.view().counts()
        except Exception as fault:  # any exception
            faults.append(fault)

    looking = [threading.Thread(target=look) for _ in range(3)]
    for thread in looking:
        thread.start()
    for n in range(30):
        visitor.session.log.decide([f"{n:064x}"], Review("approve", "", "kim", ""))
        visitor.session.log.undo("kim")
    for thread in looking:
        thread.join()
    assert faults == []


def test_no_page_allows_script_or_frames_from_elsewhere(visitor):
    for path in ("/", "/nowhere", "/static/review.js"):
        headers = visitor.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "script-src 'self';" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_our_pages_hold_no_inline_script_or_style(visitor):
    for path in ("/", f"/image/{visitor.keys['mug_red']}"):
        text = visitor.get(path).text
        assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", text)
