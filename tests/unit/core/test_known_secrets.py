"""The door for texts that come from outside: no known secret passes, and everything else does."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagemake.core.errors import exit_on_error
from imagemake.core.known_secrets import REPLACEMENT, know_variable, redacted, redacted_bytes, redacted_value

KEY = "sk-proj/4f+9a_Xy7Q=="
S3_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
PROXY_PASSWORD = "p@ss:w0rd/ü"
KEYS = {
    "OPENAI_API_KEY": KEY,
    "AWS_SECRET_ACCESS_KEY": S3_SECRET,
    "AWS_SESSION_TOKEN": "FwoGZXIvYXdzEBYaDH//x1",
    "ACME_API_TOKEN": "acme-token-77",
    "IMAGEMAKE_C2PA_KEY": "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----\n",
    "IMAGEMAKE_ALERTS": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ mailto://me:mailpass99@example.com",
    "HTTPS_PROXY": f"http://buyer:{quote(PROXY_PASSWORD, safe='')}@proxy.example.com:3128",
    "PWD": "/home/me/campaign",
}
SECRETS = [
    KEY,
    S3_SECRET,
    KEYS["AWS_SESSION_TOKEN"],
    KEYS["ACME_API_TOKEN"],
    "MIGHAgEAMBMGByqGSM49",
    *KEYS["IMAGEMAKE_ALERTS"].split(),
    "TIiajkdnlazkcOXrIdevi7FQ",
    "mailpass99",
    PROXY_PASSWORD,
]
FORMS = {
    "plain": lambda secret: secret,
    "bearer": lambda secret: f"Bearer {secret}",
    "url": lambda secret: quote(secret, safe=""),
    "json": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "html": lambda secret: secret.replace("+", "&#43;").replace("/", "&#x2F;"),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64_of_bearer": lambda secret: encoded(f"Bearer {secret}"),
    "base64_of_user": lambda secret: encoded(f"user:{secret}"),
    "base64_of_header": lambda secret: encoded(f"x-api-key: {secret}\r\n"),
    "base64_for_urls": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    "base64_in_url": lambda secret: quote(encoded(secret), safe=""),
}


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_a_secret_passes(form):
    for number, secret in enumerate(SECRETS):
        written = FORMS[form](secret)
        clean = redacted(f"denied <{written}>, <{written}>")
        assert written not in clean and secret not in clean, f"secret {number} passes"
        assert clean.count(REPLACEMENT) >= 2
        assert written.encode() not in redacted_bytes(b"\xff\x00" + written.encode()), f"secret {number} passes"


def test_the_parts_of_base64_that_hold_the_secret_do_not_pass_either():
    for before in ("", "B", "Be", "Bearer "):
        clean = redacted(encoded(f"{before}{KEY}"))
        rest = base64.b64decode(clean.partition(REPLACEMENT)[0] + "===", validate=False)
        assert KEY[:2] not in rest.decode("latin-1"), f"after {len(before)} characters"
        assert len(clean.rpartition(REPLACEMENT)[2]) == 0, f"after {len(before)} characters"


SHORT = st.text(max_size=7)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SHORT, max_size=12), st.sampled_from(SECRETS))
def test_every_occurrence_goes_and_every_other_character_stays(parts, secret):
    assert redacted("|".join(parts)) == "|".join(parts)
    between = [f"<{part}>" for part in parts]
    assert redacted(secret.join(between)) == REPLACEMENT.join(between), "a secret passes, or its neighbors do not"
    data = secret.join(between).encode("utf-8", "surrogatepass")
    assert redacted_bytes(data) == REPLACEMENT.join(between).encode("utf-8", "surrogatepass"), "see above"


@pytest.mark.parametrize(
    "text",
    [
        "/home/me/campaign/config.yaml: the account me@example.com at proxy.example.com:3128 has no credit",
        "https://hooks.slack.com/services",
        "",
    ],
)
def test_paths_hosts_and_user_names_pass(text):
    assert redacted(text) == text


def test_short_values_are_no_secrets(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    assert redacted("none of them") == "none of them"


def test_a_variable_of_any_name_can_be_made_known(monkeypatch):
    monkeypatch.setenv("ACME_LOGIN", "open-sesame-1")
    assert redacted("open-sesame-1") == "open-sesame-1"
    know_variable("ACME_LOGIN")
    assert redacted("open-sesame-1") == REPLACEMENT


def test_plain_data_is_cleaned_in_names_and_values():
    given = {"total": 7, KEY: [KEY, {"seen": f"Bearer {KEY}"}], "files": (KEY,), "ok": None}
    assert redacted_value(given) == {
        "total": 7,
        REPLACEMENT: [REPLACEMENT, {"seen": f"Bearer {REPLACEMENT}"}],
        "files": (REPLACEMENT,),
        "ok": None,
    }, "a secret passes"


def test_a_traceback_with_a_secret_is_told_without_it(capsys):
    with pytest.raises(SystemExit) as ended, exit_on_error():
        raise RuntimeError(f"headers: {KEY}")
    told = capsys.readouterr().err
    assert ended.value.code == 1
    assert KEY not in told, "the key is told"
    assert f"RuntimeError: headers: {REPLACEMENT}" in told


def test_a_traceback_without_a_secret_is_left_alone():
    with pytest.raises(RuntimeError, match="a bug"), exit_on_error():
        raise RuntimeError("a bug")
