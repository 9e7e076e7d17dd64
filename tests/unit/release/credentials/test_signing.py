"""Signed images, read by the C2PA library's own reader: what they claim, when they are signed again, what breaks."""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from certificates import a_chain
from content_credentials import CREATED, actions_in, read, signed_by_provider
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imagemake.config.campaign import load_campaign
from imagemake.config.outputs import Output
from imagemake.config.provenance import C2pa
from imagemake.core.recipe import Recipe
from imagemake.images.metadata.c2pa import has_manifest, without_manifest
from imagemake.images.metadata.xmp import packet_of, without_packet
from imagemake.plan.attempts import recipe_of_repair
from imagemake.plan.requests.request import Request
from imagemake.plan.reviews import Review
from imagemake.plan.state import Stage, State
from imagemake.plugins.plugin import PluginSettings
from imagemake.plugins.steps import Step
from imagemake.release.credentials import claim as claim_module
from imagemake.release.credentials.certificate import read_certificate
from imagemake.release.credentials.kept_signatures import applied, difference
from imagemake.release.credentials.library import CredentialsError, write_credentials
from imagemake.release.credentials.report import credentials_of
from imagemake.release.credentials.signing import Seal, Signing
from imagemake.release.output_file import ReleaseFile
from imagemake.release.place import Placing, is_as_released
from imagemake.release.released_files import ReleasedBefore
from imagemake.stages.postprocess.encode import encode
from imagemake.store.store import Store, StoredFile

AT = "2026-05-04T09:00:04.120Z"
STUDIO, PROVIDER = a_chain("Studio"), a_chain("Provider")
IMAGE = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
FORMATS = {"jpeg": "jpg", "png": "png", "webp": "webp", "avif": "avif"}
STEPS = [
    {"crop": {"ratio": "4:5"}},
    {"resize": {"width_px": 8, "height_px": 8, "fit": "cover"}},
    {"color": {}},
    {"sharpen": {}},
    {"remove_background": {}},
]
CAMPAIGN = {"campaign": "c", "catalog": "c.csv", "prompt": "a secret {sku}", "name": "{sku}"}


def a_png(image=IMAGE):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


class Desk:
    """Releases one image, whose raw and finished files are in a store."""

    def __init__(self, folder, raw=None, output="jpeg", provider="openai", references=(), **metadata):
        self.folder, self.store, self.metadata = folder, Store(folder / "store"), metadata
        self.target = folder / f"mug.{FORMATS[output]}"
        self.chain, self.url = STUDIO, None
        recipe = Recipe(provider, "gpt-image-2", "a secret mug", 7, references=tuple(references))
        self.state = State(Request("mug", recipe, 2, {}, 1), recipe, recipe.key(), stage=Stage.DONE)
        self.state.raw = self.store.raw.put(recipe.key(), raw or a_png(), durable=False)
        self.bare = encode(IMAGE, Output(format=output))
        self.state.finished = self.store.finished.put("c" * 64, self.bare, durable=False, extension=FORMATS[output])
        self.output = output

    @property
    def wanted(self):
        return ReleaseFile(self.state)

    @property
    def mime(self):
        return f"image/{self.output}"

    @property
    def campaign(self):
        return load_campaign({**CAMPAIGN, "postprocess": {"steps": STEPS}, "metadata": self.metadata})

    @property
    def seal(self):
        path = self.folder / "chain.pem"
        path.write_text(self.chain.chain)
        certificate = read_certificate(C2pa(certificate=str(path), time_stamp_url=self.url), datetime.now(UTC))
        return Seal(certificate, self.campaign)

    def release(self, signs=True, at=AT):
        memory = ReleasedBefore(self.folder / "memory.json")
        signing = Signing(self.seal, self.chain.key.encode(), self.store) if signs else None
        placing = Placing(self.store.finished, self.campaign.metadata, memory, signing)
        released = placing.place(self.wanted, self.target, at)
        memory.save()
        return released

    def read(self):
        return read(self.target.read_bytes(), self.mime, self.chain.root)

    @property
    def look(self):
        return self.target.stat().st_ino, self.target.stat().st_mtime_ns, self.target.read_bytes()


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("xmp", [True, False])
def test_a_signed_image_is_valid_and_is_the_unsigned_one_without_its_credentials(tmp_path, output, xmp):
    desk = Desk(tmp_path, output=output, xmp=xmp)
    released = desk.release()
    data = desk.target.read_bytes()
    assert (released.digest, released.unsigned) == (hashlib.sha256(data).hexdigest(), None)
    assert desk.read()[0] == "Trusted"
    assert (packet_of(data) is not None) == xmp
    if output == "avif":
        with pytest.raises(ValueError, match="cannot be removed"):
            without_manifest(data)
    else:
        assert without_packet(without_manifest(data)) == desk.bare


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_one_byte_of_the_image_that_is_another_makes_it_invalid(tmp_path, output, place):
    desk = Desk(tmp_path, output=output)
    desk.release()
    data = bytearray(desk.target.read_bytes())
    # PNG and JPEG end with their pixels; what was signed over a WebP stands before its credentials.
    start, end = (30, data.find(b"C2PA")) if output == "webp" else (len(data) - len(desk.bare) + 700, len(data))
    if output == "avif":
        start, end = data.rfind(b"mdat") + 4, len(data)
    data[start + int(place * (end - start))] ^= 1
    assert read(bytes(data), desk.mime, STUDIO.root)[0] == "Invalid"


def test_the_xmp_is_signed_over_too(desk):
    desk.release()
    data = desk.target.read_bytes()
    assert read(data.replace(b">accepted<", b">approved<"), desk.mime, STUDIO.root)[0] == "Invalid"


def test_every_step_is_listed_and_nothing_else_is_told(desk):
    desk.release()
    _, manifest, report = desk.read()
    assert [one["action"] for one in actions_in(manifest)] == [
        "c2pa.created",
        "c2pa.cropped",
        "c2pa.cropped",
        "c2pa.resized",
        "c2pa.adjustedColor",
        "c2pa.enhanced",
        "c2pa.edited",
        "c2pa.converted",
        "c2pa.edited.metadata",
    ]
    created = actions_in(manifest)[0]
    assert created["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert created["softwareAgent"] == {"name": "openai", "version": "gpt-image-2"}
    told = str(report) + str(without_packet(desk.target.read_bytes()))
    assert all(word not in told for word in ("secret", "thumbnail", str(desk.folder), "4:5"))
    assert len(desk.target.read_bytes()) - len(desk.bare) < 8_000


@pytest.mark.parametrize(
    ("provider", "references", "code"),
    [
        ("preview", (), "algorithmicMedia"),
        ("preview", ("a" * 64,), "compositeSynthetic"),
        ("openai", ("a" * 64, "b" * 64), "compositeWithTrainedAlgorithmicMedia"),
    ],
)
def test_the_source_type_is_that_of_the_xmp_and_references_are_named_by_their_digest(
    tmp_path, provider, references, code
):
    desk = Desk(tmp_path, provider=provider, references=references)
    desk.release()
    state, manifest, _ = desk.read()
    created = actions_in(manifest)[0]
    assert (state, created["digitalSourceType"].rpartition("/")[2]) == ("Trusted", code)
    assert ("softwareAgent" in created) == (provider == "openai")
    inputs = manifest.get("ingredients", [])
    assert [one["relationship"] for one in inputs] == ["inputTo"] * len(references)
    assert [one["description"] for one in inputs] == [f"SHA-256 {digest}" for digest in references]


@pytest.mark.parametrize("mime", ["image/png", "image/jpeg", "image/webp"])
def test_what_the_provider_signed_is_kept_as_the_parent(tmp_path, mime):
    file = io.BytesIO()
    IMAGE.save(file, mime.partition("/")[2])
    raw = signed_by_provider(file.getvalue(), mime, PROVIDER.chain, PROVIDER.key)
    desk = Desk(tmp_path, raw)
    desk.release()
    state, manifest, report = desk.read()
    (parent,) = manifest["ingredients"]
    theirs = report["manifests"][parent["active_manifest"]]
    assert (state, parent["relationship"]) == ("Trusted", "parentOf")
    assert theirs["signature_info"]["issuer"] == "Provider"
    assert actions_in(theirs)[0]["action"] == "c2pa.created"
    assert [one["action"] for one in actions_in(manifest)][:2] == ["c2pa.opened", "c2pa.cropped"]
    assert "inputTo" not in str(report)


def test_a_provider_image_that_was_tampered_with_is_kept_with_that_finding(tmp_path):
    raw = bytearray(signed_by_provider(a_png(), "image/png", PROVIDER.chain, PROVIDER.key))
    raw[-30] ^= 1
    desk = Desk(tmp_path, bytes(raw))
    desk.release()
    state, manifest, _ = desk.read()
    failed = manifest["ingredients"][0]["validation_results"]["activeManifest"]["failure"]
    assert state == "Trusted"
    assert "assertion.dataHash.mismatch" in [one["code"] for one in failed]


def test_credentials_that_nobody_can_read_lose_no_image_and_are_told(tmp_path, capsys):
    raw = bytearray(signed_by_provider(a_png(), "image/png", PROVIDER.chain, PROVIDER.key))
    raw[raw.find(b"caBX") + 8] ^= 0xFF
    desk = Desk(tmp_path, bytes(raw))
    assert desk.release().unsigned is None
    assert "mug: the provider's content credentials are dropped" in capsys.readouterr().err
    assert actions_in(desk.read()[1])[0]["action"] == "c2pa.created"


@pytest.mark.parametrize("forget", [False, True])
def test_an_image_that_is_signed_as_wanted_stays_as_it_is(desk, forget):
    first, before = desk.release(), desk.look
    if forget:
        (desk.folder / "memory.json").unlink()
    assert desk.release() == first
    assert desk.look == before
    assert is_as_released(desk.target, desk.wanted, desk.campaign.metadata, desk.seal)


def a_note(desk):
    desk.state.review = Review("approve", "shadow is fine", "Ann", "")


def another_certificate(desk):
    desk.chain = a_chain("Another studio")


def embedded_prompt(desk):
    desk.metadata["prompt"] = "embed"


def other_pixels(desk):
    data = encode(IMAGE.rotate(90), Output(format="jpeg", quality=70))
    desk.state.finished = desk.store.finished.put("e" * 64, data, durable=False, extension="jpg")


@pytest.mark.parametrize("output", FORMATS)
def test_a_release_that_was_deleted_gets_the_same_bytes_again(tmp_path, output):
    desk = Desk(tmp_path, signed_by_provider(a_png(), "image/png", PROVIDER.chain, PROVIDER.key), output=output)
    first, before = desk.release(), desk.target.read_bytes()
    desk.target.unlink()
    assert desk.release() == first
    assert desk.target.read_bytes() == before
    (kept,) = desk.store.signatures.all()
    assert desk.store.signatures.path(kept).stat().st_size < 12_000


@pytest.mark.parametrize("kept", [b"", b"x" * 40, b"\xff" * 60])
def test_a_kept_signature_that_is_worth_nothing_is_made_again(desk, kept):
    desk.release()
    (stored,) = desk.store.signatures.all()
    path = desk.store.signatures.path(stored)
    path.unlink()
    desk.store.signatures.put(stored.key, kept, durable=False, extension="c2pa")
    desk.target.unlink()
    assert desk.release().unsigned is None
    assert desk.read()[0] == "Trusted"


@given(data=st.binary(min_size=12, max_size=60), signed=st.binary(min_size=12, max_size=80))
def test_what_signing_changed_gives_back_the_signed_file(data, signed):
    assert applied(difference(data, signed), data) == signed
    inserted = data[:12] + data[12:20] + b"credentials" + data[20:]
    assert applied(difference(data, inserted), data) == inserted
    assert len(difference(data, inserted)) <= 28 + 11


@pytest.mark.parametrize("forget", [False, True])
@pytest.mark.parametrize("change", [a_note, another_certificate, embedded_prompt, other_pixels])
def test_an_image_is_signed_again_where_what_it_says_or_who_says_it_changed(desk, change, forget):
    desk.release()
    before = desk.target.read_bytes()
    change(desk)
    assert not is_as_released(desk.target, desk.wanted, desk.campaign.metadata, desk.seal)
    if forget:
        (desk.folder / "memory.json").unlink()
    desk.release()
    assert desk.target.read_bytes() != before
    assert desk.read()[0] == "Trusted"
    assert is_as_released(desk.target, desk.wanted, desk.campaign.metadata, desk.seal)


def test_a_file_that_somebody_edited_or_signed_for_us_is_put_right(desk):
    desk.release()
    good = desk.target.read_bytes()
    made_of = next(one["data"] for one in desk.read()[1]["assertions"] if one["label"] == "imagemake.release")
    other = a_chain("Somebody else", serial=int(desk.seal.certificate.serial))
    forged = signed_by_provider(
        without_manifest(good),
        "image/jpeg",
        other.chain,
        other.key,
        {
            "claim_version": 2,
            "assertions": [
                {"label": "c2pa.actions.v2", "data": {"actions": [CREATED]}},
                {"label": "imagemake.release", "data": made_of, "kind": "Json"},
            ],
        },
    )
    for wrong in (good[:-9] + b"y" + good[-8:], good + b"x", without_manifest(good), forged):
        desk.target.write_bytes(wrong)
        assert not is_as_released(desk.target, desk.wanted, desk.campaign.metadata, desk.seal)
        assert desk.release().unsigned is None
        assert desk.read()[0] == "Trusted"


def test_without_a_certificate_nothing_is_claimed_any_more(desk):
    desk.release()
    desk.release(signs=False)
    assert not has_manifest(desk.target.read_bytes())
    assert is_as_released(desk.target, desk.wanted, desk.campaign.metadata)


def test_an_image_that_cannot_be_signed_is_released_without_and_tried_again(desk):
    desk.url = "http://127.0.0.1:9/nobody-is-here"
    released = desk.release()
    assert "127.0.0.1" in released.unsigned
    assert not has_manifest(desk.target.read_bytes())
    assert not is_as_released(desk.target, desk.wanted, desk.campaign.metadata, desk.seal)
    desk.url = None
    assert desk.release().unsigned is None
    assert desk.read()[0] == "Trusted"


def test_a_damaged_raw_image_is_left_where_it_is_and_its_release_not_signed(desk):
    path = desk.store.raw.path(desk.state.raw)
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert "is damaged" in desk.release().unsigned
    assert path.exists()


def test_a_hundred_images_are_signed_at_once_and_each_is_valid(tmp_path):
    desk = Desk(tmp_path, signed_by_provider(a_png(), "image/png", PROVIDER.chain, PROVIDER.key))
    signing = Signing(desk.seal, desk.chain.key.encode(), desk.store)
    placing = Placing(desk.store.finished, desk.campaign.metadata, ReleasedBefore(None), signing)
    states = {}
    for number in range(100):
        recipe = replace(desk.state.recipe, seed=number)
        state = replace(desk.state, request=Request(f"mug-{number}", recipe, 2, {}, 1), recipe=recipe)
        states[tmp_path / f"mug-{number}.jpg"] = ReleaseFile(state)
    placed = [*placing.place_all(states, lambda _: AT)]
    assert [result.unsigned for _, _, result in placed] == [None] * 100
    with ThreadPoolExecutor() as pool:
        found = [*pool.map(lambda path: read(path.read_bytes(), "image/jpeg", STUDIO.root), states)]
    assert {state for state, _, _ in found} == {"Trusted"}
    assert len({manifest["label"] for _, manifest, _ in found}) == 100


def test_an_avif_can_be_signed_too(desk):
    file = io.BytesIO()
    IMAGE.save(file, "AVIF")
    claim = desk.seal.claim(desk.wanted, b"").definition("x", with_parent=False)
    data = write_credentials(file.getvalue(), claim, desk.seal.certificate, STUDIO.key.encode())
    assert has_manifest(data)
    assert not has_manifest(file.getvalue())
    assert read(data, "image/avif", STUDIO.root)[0] == "Trusted"


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8\xff broken", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_cannot_be_signed(desk, data):
    claim = desk.seal.claim(desk.wanted, b"").definition("x", with_parent=False)
    with pytest.raises(CredentialsError):
        write_credentials(data, claim, desk.seal.certificate, STUDIO.key.encode())


class Plugged(Step):
    """A step of somebody else, which names what it does."""

    version = 1
    Settings = type("Nothing", (PluginSettings,), {"model_config": {"extra": "ignore"}})

    def apply(self, image):
        return image


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (None, ["c2pa.edited"]),
        (("c2pa.filtered", "org.example.glow"), ["c2pa.filtered", "org.example.glow"]),
        (("glow", "", "c2pa.x y"), ["c2pa.edited"] * 3),
        (("c2pa.placed",), ["c2pa.placed"]),
        (classmethod(lambda cls, settings: ("c2pa.filtered",)), ["c2pa.filtered"]),
    ],
)
def test_a_plug_in_step_says_what_it_does_and_edits_where_it_does_not(desk, monkeypatch, names, told):
    attribute = "actions" if isinstance(names, tuple) else "actions_for"
    kind = type("Theirs", (Plugged,), {} if names is None else {attribute: names})
    monkeypatch.setattr(claim_module, "step_class", lambda _: kind)
    desk.release()
    state, manifest, _ = desk.read()
    actions = actions_in(manifest)
    assert state == "Trusted"
    assert [one["action"] for one in actions][1:-2] == told * len(STEPS)
    assert actions[1]["description"] == "step crop"
    placed = [one for one in manifest.get("ingredients", []) if one["relationship"] == "componentOf"]
    assert len(placed) == (len(STEPS) if told == ["c2pa.placed"] else 0)


@pytest.mark.parametrize("xmp", [True, False])
def test_a_signed_avif_stays_as_it_is_and_comes_back_with_the_same_bytes(tmp_path, xmp):
    desk = Desk(tmp_path, output="avif", xmp=xmp)
    desk.release()
    before = desk.look
    assert is_as_released(desk.target, desk.wanted, desk.campaign.metadata, desk.seal)
    (desk.folder / "memory.json").unlink()
    desk.release()
    assert desk.look == before
    desk.target.unlink()
    desk.release()
    assert desk.target.read_bytes() == before[2]


def repaired(desk, rejected):
    """Return the desk with an image that is the repair of another one."""
    before = desk.state.raw
    recipe = recipe_of_repair(desk.state.recipe, 1, "Whiter.", before.digest, "f" * 64)
    raw = desk.store.raw.put("d" * 64, rejected or a_png(Image.new("RGB", (64, 64), "red")), durable=False)
    desk.state = replace(desk.state, recipe=recipe, key=recipe.key(), raw=before, repaired=raw)
    return desk, raw


@pytest.mark.parametrize("is_signed", [False, True])
def test_a_repair_names_the_rejected_image_as_its_parent_and_the_mask_as_an_input(tmp_path, is_signed):
    rejected = signed_by_provider(a_png(), "image/png", PROVIDER.chain, PROVIDER.key) if is_signed else None
    desk, raw = repaired(Desk(tmp_path), rejected)
    desk.release()
    state, manifest, report = desk.read()
    opened, edited = actions_in(manifest)[:2]
    assert (state, opened["action"], edited["action"]) == ("Trusted", "c2pa.opened", "c2pa.edited")
    assert edited["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert edited["softwareAgent"] == {"name": "openai", "version": "gpt-image-2"}
    by_relation = {one["relationship"]: one for one in manifest["ingredients"]}
    assert by_relation.keys() == {"parentOf", "inputTo"}
    assert (by_relation["inputTo"]["title"], by_relation["inputTo"]["description"]) == ("mask", f"SHA-256 {'f' * 64}")
    if is_signed:
        theirs = report["manifests"][by_relation["parentOf"]["active_manifest"]]
        assert theirs["signature_info"]["issuer"] == "Provider"
    else:
        assert by_relation["parentOf"]["description"] == f"SHA-256 {raw.digest}, key {'d' * 64}"
    told = credentials_of(desk.target.read_bytes(), desk.chain.root)
    assert [one.relationship for one in told.ingredients if one.relationship == "parentOf"] == ["parentOf"]
    before = desk.look
    desk.release()
    assert desk.look == before, "the same claim is signed once"


def test_a_repair_that_the_provider_signed_names_the_rejected_image_as_an_input(tmp_path):
    desk, raw = repaired(Desk(tmp_path, signed_by_provider(a_png(), "image/png", PROVIDER.chain, PROVIDER.key)), None)
    desk.release()
    state, manifest, _ = desk.read()
    found = {one["relationship"]: one for one in manifest["ingredients"] if one.get("title") != "mask"}
    assert state == "Trusted"
    assert "active_manifest" in found["parentOf"]
    assert found["inputTo"]["description"] == f"SHA-256 {raw.digest}, key {'d' * 64}"


def test_images_of_the_campaign_that_it_is_made_from_are_named_with_their_keys(tmp_path):
    desk = Desk(tmp_path, references=["a" * 64, "b" * 64])
    hero = State(Request("hero", desk.state.recipe, 2, {}, 1), desk.state.recipe, "e" * 64)
    hero.raw = StoredFile("e" * 64, "b" * 64, "png")
    desk.state.parents = (hero,)
    desk.release()
    state, manifest, _ = desk.read()
    assert state == "Trusted"
    assert [(one["relationship"], one["title"]) for one in manifest["ingredients"]] == [
        ("inputTo", "reference image 1"),
        ("inputTo", "image hero"),
    ]
    assert manifest["ingredients"][1]["description"] == f"SHA-256 {'b' * 64}, key {'e' * 64}"
