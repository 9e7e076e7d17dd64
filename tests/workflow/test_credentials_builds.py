"""A whole campaign whose images are signed: from what the provider signed to a copy that somebody changed."""

from __future__ import annotations

import json
import shutil

import pytest
from certificates import a_chain
from content_credentials import actions_in, read
from fake_openai.settings import Signer
from workflow.project import Project

STUDIO, PROVIDER = a_chain("Studio"), a_chain("Provider")


@pytest.fixture
def signed(tmp_path, server, monkeypatch):
    server.change(signer=Signer(chain=PROVIDER.chain, key=PROVIDER.key).model_dump())
    made = Project(
        tmp_path / "project", server, c2pa={"certificate": "config/chain.pem", "trust": "config/roots.pem"}, rows=3
    )
    (made.folder / "config" / "chain.pem").write_text(STUDIO.chain)
    (made.folder / "config" / "roots.pem").write_text(STUDIO.root)
    monkeypatch.delenv("IMAGEMAKE_C2PA_KEY", raising=False)
    return made


def test_images_are_signed_once_and_told_from_those_that_were_changed(signed, tmp_path, monkeypatch):
    model = {"provider": "openai", "name": "gpt-image-2", "parameters": {"size": "1024x1024"}}
    ours = {name: signed.config[name] for name in ("model", "models", "c2pa")}
    signed.write_config(model=model, models={}, c2pa=None)
    warned = "images of gpt-image-2 have content credentials (C2PA) of the provider"
    assert warned in signed.snakemake("-n").stderr
    signed.write_config(**ours)

    # Without the key, nothing is bought, and the dry run says so.
    assert "needs a private key, but there is none" in signed.snakemake("-n", expect=2).stderr
    assert signed.calls() == 0

    monkeypatch.setenv("IMAGEMAKE_C2PA_KEY", STUDIO.key)
    signed.snakemake()
    before = signed.images()
    for name, (_, data) in before.items():
        state, manifest, report = read(data, "image/jpeg", STUDIO.root)
        (parent,) = manifest["ingredients"]
        assert (state, parent["relationship"]) == ("Trusted", "parentOf")
        assert report["manifests"][parent["active_manifest"]]["signature_info"]["issuer"] == "Provider"
        actions = [one["action"] for one in actions_in(manifest)]
        assert actions == ["c2pa.opened", "c2pa.resized", "c2pa.converted", "c2pa.edited.metadata"]
        row = signed.manifest()[name.removesuffix(".jpg")]
        assert row["bytes"] == str(len(data))

    # Nothing is signed again that is right, also when work/ is gone.
    shutil.rmtree(signed.folder / "work")
    signed.edit_row(0, product="vase")
    signed.snakemake()
    after = signed.images()
    assert {name for name in after if after[name] != before[name]} == {"S000_red.jpg"}
    assert signed.calls() == 4

    # A note signs one image again, another certificate all; neither finishes or buys one. One that was deleted gets
    # the signature that it had.
    (signed.folder / "results" / "images" / "S002_gold.jpg").unlink()
    finished = {path: path.stat().st_mtime_ns for path in signed.folder.glob("store/finished/*/*/*")}
    key = signed.manifest()["S001_teal"]["key"]
    (signed.folder / "config" / "reviews.csv").write_text(f"key,decision,note,reviewer,time\n{key},approve,fine,Ann,\n")
    assert signed.jobs(signed.snakemake()) == ["release", "all"]
    noted = signed.images()
    assert {name for name in noted if noted[name][1] != after[name][1]} == {"S001_teal.jpg"}
    other = a_chain("Other studio")
    (signed.folder / "config" / "chain.pem").write_text(other.chain)
    (signed.folder / "config" / "roots.pem").write_text(other.root)
    monkeypatch.setenv("IMAGEMAKE_C2PA_KEY", other.key)
    assert signed.jobs(signed.snakemake()) == ["release", "all"]
    renewed = signed.images()
    assert all(renewed[name] != noted[name] for name in noted)
    assert {read(data, "image/jpeg", other.root)[0] for _, data in renewed.values()} == {"Trusted"}
    assert {path: path.stat().st_mtime_ns for path in signed.folder.glob("store/finished/*/*/*")} == finished
    assert signed.calls() == 4
    assert signed.jobs(signed.snakemake()) == []

    # A copy tells all of it, and a change of one byte shows.
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(renewed["S002_gold.jpg"][1])
    told = signed.imagemake("inspect", str(copy)).stdout
    for words in (
        "valid, signed by Other studio, Other studio Signer, whom you trust through a root",
        "claim made by imagemake",
        "no time stamp",
        "c2pa.resized (step resize)",
        "parentOf, signed by Provider, Provider Signer (A Provider 1): c2pa.created (trainedAlgorithmicMedia)",
        "the provider's content credentials: valid",
        "matches",
    ):
        assert words in told
    (raw,) = signed.folder.glob(f"store/raw/*/*/{signed.manifest()['S002_gold']['key']}.*")
    found = json.loads(signed.imagemake("inspect", str(raw), "--json").stdout)
    assert found["file"]["credentials"]["signer"] == "Provider, Provider Signer"
    assert found["file"]["credentials"]["state"] == "valid"
    data = bytearray(copy.read_bytes())
    data[-20] ^= 1
    copy.write_bytes(data)
    told = signed.imagemake("inspect", str(copy), expect=1).stdout
    assert "TAMPERED with after Other studio" in told
    assert "assertion.dataHash.mismatch" in told

    # No secret is in any file of the project.
    secret = other.key.splitlines()[1].encode()
    files = [path for path in signed.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if secret in path.read_bytes()]

    # Where signing fails, no image is lost, and nothing pretends that it was signed.
    signed.write_config(c2pa={"certificate": "config/chain.pem", "time_stamp_url": "http://127.0.0.1:9/nobody"})
    done = signed.snakemake()
    assert "3 have NO content credentials" in done.stdout + done.stderr
    assert "credentials     none" in signed.imagemake("inspect", "results/images/S002_gold.jpg").stdout
    assert signed.calls() == 4
