"""The contact sheet: whole in one file, and deaf to what hostile text tells it."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from entries import an_attempt, an_entry, without_image
from pages import NamedThumbnails, write_page

from imagemake.release.manifest.row import OutputFile
from imagemake.release.metrics.metrics import metrics_of
from imagemake.release.metrics.remedies import remedies
from imagemake.release.report.cards import href_of

JPEG = b"\xff\xd8\xff\xe0 and so on"
WEBP = b"RIFF\x00\x00\x00\x00WEBP"
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<!--<script>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;\u2028\u2029",
    "javascript:alert(1)",
]


class Page(HTMLParser):
    """What a browser would find in the page."""

    def __init__(self, html):
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"": [""]}  # one text an element, without what its children say
        self._open = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        self._open = tag

    def handle_endtag(self, tag):
        self._open = ""

    def handle_data(self, data):
        self.texts[self._open][-1] += data

    @property
    def policy(self):
        found = [attrs for tag, attrs in self.tags if tag == "meta" and attrs.get("http-equiv")]
        return dict(part.strip().split(" ", 1) for part in found[0]["content"].split(";"))

    @property
    def data(self):
        return json.loads(self.texts["script"][0])

    @property
    def words(self):
        return " ".join(" ".join(texts) for tag, texts in self.texts.items() if tag not in ("script", "style")).split()


@pytest.fixture
def page_of(tmp_path):
    def write(entries, title="Autumn", thumbnails=None, max_thumbnails=100, variables=(), **more):
        path = tmp_path / "contact_sheet.html"
        arguments = {"title": title, "thumbnails": thumbnails or {}, "max_thumbnails": max_thumbnails}
        arguments["variables"] = variables
        write_page(path, entries, {**metrics_of(entries), **more}, **arguments)
        return Page(path.read_text(encoding="utf-8"))

    return write


def hostile_entry(text, **changes):
    return an_entry(
        text,
        reasons=(text, f"{text}: {text}"),
        prompt=text,
        negative_prompt=text,
        provider=text,
        model=text,
        parameters={text: text},
        variables={text: text},
        measures={text: text},
        request_id=text,
        history=(an_attempt(0, prompt=text, reasons=[text], key=text),),
        **changes,
    )


def test_the_page_says_what_each_remedy_came_to(page_of):
    rows = [an_entry("a", attempt=1, made_by="repair", cost_usd=0.06, history=(an_attempt(0),), by_people=(True,))]
    words = " ".join(page_of(rows, remedies=remedies(rows, 0.0)).words)
    assert "1 of 1 attempts accepted, 100% (20.6% to 100%, 95% interval); $0.06 per accepted image ($0.06 to" in words
    assert "1 of 1 images approved, 100% (20.6% to 100%, 95% interval)." in words, "nobody knows what people cost"
    assert "After rejections" not in page_of([an_entry()]).words


def test_the_policy_lets_only_our_own_script_and_style_run_and_nothing_load_from_elsewhere(page_of):
    page = page_of([an_entry()])

    def hash_of(text):
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert page.policy == {
        "default-src": "'none'",
        "img-src": "'self' file: data:",
        "style-src": hash_of(page.texts["style"][0]),
        "script-src": hash_of(page.texts["script"][-1]),
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def test_the_page_asks_for_nothing_outside_of_itself(page_of):
    page = page_of([an_entry()], thumbnails={"MUG-001_red": JPEG})
    outside = [(tag, attrs) for tag, attrs in page.tags if {"src", "srcset", "action", "style", "onclick"} & set(attrs)]
    links = [attrs["href"] for tag, attrs in page.tags if "href" in attrs]
    assert outside == []
    assert links == ["data:,"]
    assert not re.search(r"@import|url\(", page.texts["style"][0])
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(", page.texts["script"][-1])


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_opens_no_tag_and_leaves_the_data_whole(page_of, text):
    calm = page_of([hostile_entry("calm")], title="calm")
    page = page_of([hostile_entry(text)], title=text)
    assert page.tags == calm.tags
    entry = page.data["entries"][0]
    assert entry["name"] == entry["prompt"] == entry["variables"][text] == entry["history"][0]["prompt"] == text
    assert page.texts["script"][-1] == calm.texts["script"][-1]
    assert page.texts["h1"] == [text]


def test_nothing_in_the_data_can_end_its_script_element_or_begin_a_comment(page_of):
    page = page_of([hostile_entry(text) for text in HOSTILE])
    assert not re.search("[<>&\u2028\u2029]", page.texts["script"][0])


@pytest.mark.parametrize(
    ("file", "href"),
    [
        ("images/MUG-001_red.jpg", "images/MUG-001_red.jpg"),
        ("images/50% & more #1?.jpg", "images/50%25%20%26%20more%20%231%3F.jpg"),
        ("images/grün.jpg", "images/gr%C3%BCn.jpg"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("https://evil.example/x", "https%3A/evil.example/x"),
        ('images/"onmouseover="x.jpg', "images/%22onmouseover%3D%22x.jpg"),
        ("images\\..\\x.jpg", "images%5C..%5Cx.jpg"),
        ("../secret", None),
        ("images/../../secret", None),
        ("//evil.example/x.jpg", None),
        ("/etc/passwd", None),
    ],
)
def test_a_link_leads_into_the_release_folder_or_nowhere(file, href):
    assert href_of(file) == href


def test_zero_is_shown_and_only_what_is_absent_is_left_out(page_of):
    entry = page_of([an_entry(seed=0, cost_usd=0.0, measures={"m": 0}, negative_prompt=None)]).data["entries"][0]
    assert (entry["seed"], entry["cost_usd"], entry["spent_usd"], entry["measures"]) == (0, 0.0, 0.0, {"m": 0})
    assert not {"negative_prompt", "request_id", "history", "cached"} & set(entry)


def test_an_unknown_cost_is_called_unknown(page_of):
    assert "unknown" in page_of([an_entry(cost_usd=None)]).words
    assert "unknown" not in page_of([an_entry(cost_usd=0.0)]).words


def test_thumbnails_go_first_to_what_was_not_accepted(page_of):
    entries = [an_entry("a"), an_entry("b"), an_entry("z", verdict="rejected", file=None, history=(an_attempt(0),))]
    thumbnails = {"a": JPEG, "b": WEBP, "z": JPEG, "z@0": WEBP}
    inlined = [entry.get("thumbnail", "")[:15] for entry in page_of(entries, "t", thumbnails, 2).data["entries"]]
    assert inlined == ["data:image/jpeg", "", "data:image/jpeg"]
    last = page_of(entries, "t", thumbnails, 4).data["entries"][-1]
    assert last["history"][0]["thumbnail"].startswith("data:image/webp")


def test_no_thumbnail_is_made_that_is_not_shown(page_of):
    made = []

    class Made(NamedThumbnails):
        def get(self, name, default=None):
            made.append(name)
            return JPEG

    page_of([an_entry(name) for name in "abcdef"], "t", Made(a=b""), 2)
    assert made == ["a", "b"]


def test_the_page_says_how_many_thumbnails_are_left_out(page_of):
    entries = [an_entry(str(number)) for number in range(1200)]
    thumbnails = {entry.name: JPEG for entry in entries}
    assert "Thumbnails of 1,000 of 1,200 are" in " ".join(page_of(entries, "t", thumbnails, 1000).words)
    assert "Thumbnails" not in page_of(entries, "t", thumbnails, 1200).words


def test_a_thumbnail_that_is_no_image_is_refused(page_of):
    with pytest.raises(ValueError, match="cannot be shown"):
        page_of([an_entry()], thumbnails={"MUG-001_red": b"<svg onload=alert(1)>"})


def test_each_verdict_that_occurs_has_a_filter_with_its_count(page_of):
    page = page_of([an_entry("a"), an_entry("b"), without_image("c", "refused"), an_entry("d", verdict="review")])
    filters = [attrs["data-verdict"] for tag, attrs in page.tags if "data-verdict" in attrs]
    assert filters == ["", "accepted", "review", "refused"]
    assert page.texts["b"] == ["4", "2", "1", "1"]
    widths = [float(attrs["width"]) for tag, attrs in page.tags if tag == "rect"]
    assert widths == [500, 250, 250]


def test_every_control_has_a_name(page_of):
    page = page_of([an_entry()])
    labeled = page.html.count("<label")
    assert labeled == sum(tag in ("input", "select") for tag, _ in page.tags)
    assert all(attrs.get("aria-labelledby") for tag, attrs in page.tags if tag == "dialog")


def test_the_order_of_entries_moves_no_byte(page_of):
    entries = [an_entry("b"), without_image("a", "failed"), an_entry("c")]
    assert page_of(entries).html == page_of(entries[::-1]).html


def test_an_empty_release_has_a_page(page_of):
    assert page_of([]).data["entries"] == []


def luminance(color):
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_edges_reach_the_contrast_of_wcag_aa(page_of, scheme):
    light, dark = page_of([]).texts["style"][0].split("prefers-color-scheme: dark", 1)
    style = light if scheme == "light" else dark
    colors = {
        name: re.sub("^#(.)(.)(.)$", r"#\1\1\2\2\3\3", color)
        for name, color in re.findall("--([a-z-]+): (#[0-9a-f]+)", style)
    }
    texts = [(ink, ground) for ink in ("ink", "soft", "accent") for ground in ("page", "surface")] + [("soft", "well")]
    verdicts = ("accepted", "review", "rejected", "refused", "failed", "pending")
    texts += [(f"{verdict}-ink", ground) for verdict in verdicts for ground in (f"{verdict}-tint", "surface")]
    low = {pair: contrast(colors[pair[0]], colors[pair[1]]) for pair in texts}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}
    assert contrast(colors["edge"], colors["surface"]) >= 3
    assert contrast(colors["accent"], colors["page"]) >= 3


def options(page):
    return [attrs["value"] for tag, attrs in page.tags if tag == "option"]


def test_images_can_be_compared_by_what_has_several_values(page_of):
    entries = [
        an_entry(f"mug {model} {take}", variables={"model": model, "angle": "front"}, take=take)
        for model in ("one", "other")
        for take in (1, 2)
    ]
    page = page_of(entries, variables=["angle", "model"])
    assert {"model", "take"} <= set(options(page))
    assert "angle" not in options(page)
    assert page.data["variables"] == ["angle", "model"]


def test_where_nothing_varies_nothing_can_be_compared(page_of):
    page = page_of([an_entry("a"), an_entry("b")], variables=["model"])
    assert not [attrs for tag, attrs in page.tags if tag == "select" and attrs["id"] == "compare"]


def test_what_fails_more_than_the_rest_and_what_is_to_come_stands_at_the_top(page_of):
    entries = [
        an_entry(
            f"{i}", variables={"color": "<b>red" if i < 5 else "teal"}, verdict="rejected" if i < 5 else "accepted"
        )
        for i in range(20)
    ]
    forecast = {"requests": 500, "to_make": 480, "cost_usd": 19.2, "seconds": 600.0}
    page = page_of(entries, forecast={**forecast, "accepted": 375, "accepted_low": 260, "accepted_high": 440})
    words = " ".join(page.words)
    assert "<b>red" in page.texts["b"], "as text, not as an element"
    assert "100% of 5" in words
    assert "480 of 500 images remain: cost $19.20, time 10 minutes" in words


def sent(name, *digests, **changes):
    return an_entry(name, references=tuple(f"{d}.png" for d in digests), reference_digests=digests, **changes)


def test_reference_images_are_in_the_page_once_the_shared_ones_first(page_of):
    entries = [sent("a", "one", "style"), sent("b", "two", "style", mask="m.png", mask_digest="mask")]
    names = ["a", "b", *(f"reference:{name}" for name in ("one", "two", "style", "mask"))]
    thumbnails = dict.fromkeys(names, b"\xff\xd8\xff")
    assert set(page_of(entries, "t", thumbnails, 6).data["references"]) == {"one", "two", "style", "mask"}
    narrow = page_of(entries, "t", thumbnails, 3).data
    assert set(narrow["references"]) == {"style"}
    assert all("thumbnail" in entry for entry in narrow["entries"])
    assert narrow["entries"][1]["references"] == ["two.png", "style.png"]
    assert narrow["entries"][1]["mask_digest"] == "mask"


def test_a_page_without_reference_images_says_nothing_of_them(page_of):
    data = page_of([an_entry()]).data
    assert data["references"] == {}
    assert not {"references", "reference_digests", "mask"} & data["entries"][0].keys()


def test_further_files_and_sheets_are_linked_within_the_release_folder_only(tmp_path):
    file = OutputFile(
        file="images/a b.webp", width_px=4, height_px=3, bytes=9, digest="d" * 64, finished_digest="e" * 64
    )
    outside = replace(file, file="../../secret")
    page = tmp_path / "index.html"
    entries = [an_entry("a", outputs={"web": file, "odd": outside})]
    write_page(
        page,
        entries,
        metrics_of(entries),
        title="t",
        thumbnails={},
        max_thumbnails=0,
        sheets=["sheets/a&b.png", "../x.png", *(f"sheets/{n}.png" for n in range(6))],
    )
    text = page.read_text()
    assert '"href":"images/a%20b.webp","size_px":[4,3]' in text
    assert '"label":"odd"' not in text
    assert 'href="sheets/a%26b.png"' in text
    assert "and 2 more in sheets/" in text
    assert "secret" not in text
    assert "../x.png" not in text


def test_each_image_of_a_family_tells_its_first_one_and_how_far_that_is(page_of):
    made_from = {"z": None, "a": "z", "b": "a", "c": None, "y": "z"}
    entries = [
        an_entry(
            name, references=(f"image:{parent}",) if parent else (), reference_digests=("d" * 64,) if parent else ()
        )
        for name, parent in made_from.items()
    ]
    page = page_of(entries)
    assert {one["name"]: one.get("family") for one in page.data["entries"]} == {
        "z": ["z", 0],
        "a": ["z", 1],
        "y": ["z", 1],
        "b": ["z", 2],
        "c": None,
    }
    assert ("option", {"value": "family"}) in page.tags
    page = page_of([an_entry("a"), an_entry("b")])
    assert ("option", {"value": "family"}) not in page.tags
    assert not any("family" in one for one in page.data["entries"])
