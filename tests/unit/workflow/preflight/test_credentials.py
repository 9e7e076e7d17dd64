"""Problems of a certificate or key, with a remedy and without the key itself."""

import subprocess
import sys
from datetime import timedelta

import pytest
from certificates import DAY, a_chain
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from imagemake.config.campaign import load_campaign
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.plan.requests.request import Request
from imagemake.plan.state import State
from imagemake.release.credentials import certificate as certificate_module
from imagemake.workflow.preflight.credentials import check_credentials, dropped_credentials

STUDIO = a_chain("Studio")
CAMPAIGN = {"campaign": "c", "catalog": "c.csv", "prompt": "a {sku}", "name": "{sku}"}
KEY, KEY_FILE = "IMAGEMAKE_C2PA_KEY", "IMAGEMAKE_C2PA_KEY_FILE"


@pytest.fixture
def check(tmp_path):
    project = tmp_path / "project"
    project.mkdir()

    def checked(chain=STUDIO.chain, environment=None, **settings):
        path = project / "chain.pem"
        path.write_text(chain)
        section = {"certificate": str(path), **settings}
        campaign = load_campaign({**CAMPAIGN, "c2pa": section, "postprocess": {"steps": [{"pad": {"ratio": "1:1"}}]}})
        return check_credentials(campaign, {KEY: STUDIO.key} if environment is None else environment, project)

    checked.project = project
    return checked


def refused(check, *arguments, **settings):
    with pytest.raises(UserError) as caught:
        check(*arguments, **settings)
    text = str(caught.value)
    assert all(line not in text for line in STUDIO.key.splitlines() if "-----" not in line)
    assert "\n  " in text  # the remedy
    return text


def test_without_a_certificate_nothing_is_checked(check):
    assert check_credentials(load_campaign(CAMPAIGN), {}) == []


@pytest.mark.parametrize("kind", ["P-256", "P-384", "Ed25519", "RSA"])
def test_a_certificate_with_its_key_is_fine_whatever_its_kind(check, kind):
    chain = a_chain("Studio", kind)
    assert check(chain.chain, {KEY: chain.key}) == []


def test_a_missing_extra_is_told_with_the_command_to_install_it(check, monkeypatch):
    monkeypatch.setattr(certificate_module, "find_spec", lambda _: None)
    text = refused(check)
    assert "c2pa-python, cryptography" in text
    assert "pip install 'imagemake[c2pa]'" in text


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ("", "contains no certificate in PEM format"),
        (STUDIO.signer, "contains only the signer's certificate"),
        (STUDIO.root + STUDIO.signer, "certificate 2 of .* does not belong to the issuer of certificate 1"),
        (STUDIO.signer + a_chain("Other").root, "certificate 2 of .* does not belong to the issuer"),
        (STUDIO.chain + STUDIO.key, "contains a private key"),
        (a_chain("Old", starts=-9 * DAY, ends=-DAY).chain, "expired on"),
        (a_chain("Early", starts=DAY).chain, "is not valid before"),
        (a_chain("Other").chain, "the key does not belong to the certificate"),
    ],
)
def test_a_certificate_that_cannot_sign_is_told(check, chain, words):
    with pytest.raises(UserError, match=words):
        check(chain)
    refused(check, chain)


@pytest.mark.parametrize(
    "purpose",
    ["1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1", "1.3.6.1.4.1.311.76.59.1.9"],
    ids=["documents", "C2PA claims", "Microsoft's"],
)
def test_a_certificate_for_each_purpose_of_the_standard_can_sign(check, purpose):
    chain = a_chain("Studio", usage=ObjectIdentifier(purpose))
    assert check(chain.chain, {KEY: chain.key}) == []


def test_a_certificate_for_another_purpose_is_found_by_signing_a_trial(check):
    chain = a_chain("Server", usage=ExtendedKeyUsageOID.SERVER_AUTH)
    assert "it cannot sign images" in refused(check, chain.chain, {KEY: chain.key})


def test_a_certificate_that_is_not_there_is_told(check):
    assert "No such file" in refused(check, certificate="nowhere.pem")


def test_an_algorithm_that_does_not_fit_is_told(check):
    assert "es384 does not match" in refused(check, algorithm="es384")


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "needs a private key, but there is none"),
        ({KEY: STUDIO.key, KEY_FILE: "/k.pem"}, "both"),
        ({KEY: "nonsense"}, "there is no private key in PEM format"),
        ({KEY: STUDIO.key.replace("A", "B")}, "there is no private key in PEM format"),
        ({KEY_FILE: STUDIO.key}, "contains the key itself"),
        ({KEY_FILE: "/nowhere/key.pem"}, "cannot be read"),
    ],
)
def test_a_key_that_cannot_sign_is_told(check, environment, words):
    assert words in refused(check, environment=environment)


def test_an_encrypted_key_is_told(check):
    key = serialization.load_pem_private_key(STUDIO.key.encode(), None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    secret = key.private_bytes(*form, serialization.BestAvailableEncryption(b"word")).decode()
    assert "encrypted" in refused(check, environment={KEY: secret})


def test_a_key_in_one_line_as_services_keep_it_is_taken(check):
    assert check(environment={KEY: STUDIO.key.replace("\n", "\\n")}) == []


def test_a_key_file_must_be_outside_of_the_project_and_of_git(check, tmp_path):
    inside, outside = check.project / "key.pem", tmp_path / "keys" / "key.pem"
    outside.parent.mkdir()
    outside.write_text(STUDIO.key)
    outside.chmod(0o600)
    assert check(environment={KEY_FILE: str(outside)}) == []
    outside.chmod(0o644)
    (warning,) = check(environment={KEY_FILE: str(outside)})
    assert "chmod 600" in warning
    for place in (inside, tmp_path / "link.pem"):
        inside.write_text(STUDIO.key)
        if place != inside:
            place.symlink_to(inside)
        assert "inside the project" in refused(check, environment={KEY_FILE: str(place)})
    subprocess.run(["git", "-C", outside.parent, "init", "-q"], check=True)
    assert len(check(environment={KEY_FILE: str(outside)})) == 1
    subprocess.run(["git", "-C", outside.parent, "add", "key.pem"], check=True)
    assert "git tracks" in refused(check, environment={KEY_FILE: str(outside)})


def test_a_certificate_that_will_expire_soon_is_a_warning(check):
    chain = a_chain("Soon", ends=timedelta(days=3))
    (warning,) = check(chain.chain, {KEY: chain.key})
    assert "expires on" in warning
    assert "no longer valid" in warning
    (warning,) = check(chain.chain, {KEY: chain.key}, time_stamp_url="https://tsa.example.com")
    assert "no longer valid" not in warning


@pytest.mark.parametrize("url", ["tsa.example.com", "ftp://x", "https://", "https://ann:word@tsa.example.com"])
def test_an_address_that_is_none_or_holds_a_password_is_refused_and_not_repeated(url):
    with pytest.raises(UserError) as caught:
        load_campaign({**CAMPAIGN, "c2pa": {"certificate": "c.pem", "time_stamp_url": url}})
    assert "word" not in str(caught.value).replace("password", "")


def test_a_key_in_the_configuration_is_refused_and_not_repeated():
    with pytest.raises(UserError) as caught:
        load_campaign({**CAMPAIGN, "c2pa": {"certificate": "c.pem", "private_key": STUDIO.key}})
    assert STUDIO.key.splitlines()[1] not in str(caught.value)


def test_a_campaign_that_signs_nothing_imports_nothing_for_it():
    program = (
        "import sys, imagemake.workflow.planner, imagemake.release.writer\n"
        "from imagemake.workflow.preflight.credentials import check_credentials\n"
        "from imagemake.release.credentials.signing import signing_of\n"
        "from imagemake.config.campaign import load_campaign\n"
        f"campaign = load_campaign({CAMPAIGN!r})\n"
        "assert check_credentials(campaign) == [] and signing_of(campaign, None) is None\n"
        "sys.exit(' '.join({'c2pa', 'cryptography', 'PIL'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def to_generate(provider="openai", model="gpt-image-2.6-flare", endpoint=None):
    recipe = Recipe(provider, model, "a mug", 7, endpoint=endpoint)
    return State(Request("mug", recipe, 2, {}, 1), recipe, recipe.key())


def test_credentials_that_a_release_would_drop_are_told_with_the_keys_that_keep_them_or_say_that_nobody_needs_them():
    (warning,) = dropped_credentials([to_generate(), to_generate(model="gpt-image-2")], load_campaign(CAMPAIGN))
    assert "gpt-image-2, gpt-image-2.6-flare" in warning
    assert "section c2pa" in warning
    assert "metadata.drop_credentials" in warning
    dropping = load_campaign({**CAMPAIGN, "metadata": {"drop_credentials": True}})
    signing = load_campaign({**CAMPAIGN, "c2pa": {"certificate": "config/c2pa.pem"}})
    assert [dropped_credentials([to_generate()], one) for one in (dropping, signing)] == [[], []]


@pytest.mark.parametrize(
    "state",
    [to_generate(endpoint="own-server"), to_generate("gemini", "gemini-3-pro-image"), to_generate(model="unknown")],
    ids=["another server", "nobody knows", "another model"],
)
def test_of_servers_that_are_not_known_to_sign_nothing_is_told(state):
    assert dropped_credentials([state], load_campaign(CAMPAIGN)) == []
