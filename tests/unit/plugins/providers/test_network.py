"""Calls go through the proxy and trust the certificates that the environment names, and errors say what to change."""

from __future__ import annotations

import asyncio
import ssl
import sys
from base64 import b64encode

import pytest
from networks import DAY, VARIABLES, certify, hashed_folder, https_server, proxy

from imagemake.plugins.providers import Connection, FailureKind, ProviderError
from imagemake.plugins.providers.http import HttpClient
from imagemake.plugins.providers.http.download import Downloads, NotFetchedError
from imagemake.plugins.providers.openai.provider import OpenAIProvider
from imagemake.testing.base import picture

PASSWORD = "pw%40b"  # shorter than what is redacted everywhere
HOST = "images.test"  # only the proxy knows where it is


def by_sdk(address):
    """Ask with OpenAI's SDK."""

    async def ask():
        provider = OpenAIProvider(Connection(address, 10.0, "STUDIO_KEY"))
        try:
            assert (await provider.check("gpt-image-2")).words == "the server knows it"
        finally:
            await provider.close()

    asyncio.run(ask())


def by_http(address):
    """Ask with the client of all other providers."""

    async def ask():
        client = HttpClient(address, 10.0, {})
        try:
            answer = await client.get("models")
            assert answer.status == 200, answer
        finally:
            await client.close()

    asyncio.run(ask())


@pytest.fixture(params=[by_sdk, by_http])
def ask(request):
    """Asks a server for something that costs nothing."""
    return request.param


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STUDIO_KEY", "studio-key-0123456789")


@pytest.fixture
def server(tmp_path):
    with https_server(*certify(tmp_path)) as running:
        yield running


@pytest.fixture
def behind(tmp_path, monkeypatch):
    """A server that only a proxy reaches, and whose certificate is trusted."""
    with https_server(*certify(tmp_path, HOST)) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        yield running


def failure(ask, address):
    with pytest.raises(ProviderError) as caught:
        ask(address)
    return caught.value


def test_a_server_with_a_ca_of_its_own_is_trusted_by_the_file_that_the_environment_names(
    ask, server, tmp_path, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    ask(server.address)
    assert len(server.arrived) == 1


def test_a_folder_of_trusted_certificates_works_too(ask, server, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}:{hashed_folder(tmp_path)}")
    ask(server.address)


def test_a_server_that_is_not_trusted_gets_no_call_and_the_error_names_the_remedy(ask, server):
    error = failure(ask, server.address)
    assert not server.arrived
    assert error.failure is FailureKind.STOP
    assert f"the certificate of https://127.0.0.1:{server.port} is not trusted" in str(error)
    assert "set SSL_CERT_FILE" in error.remedy


def test_a_file_without_the_ca_is_named_in_the_remedy(ask, server, tmp_path, monkeypatch):
    other, _ = certify(tmp_path, "another.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    assert (
        failure(ask, server.address).remedy
        == f"Add the certificate of the server's CA to SSL_CERT_FILE, which is {other}."
    )


@pytest.mark.parametrize(
    ("host", "starts", "ends", "words", "remedy"),
    [
        ("127.0.0.1", -9 * DAY, -DAY, "has expired", "clock"),
        ("127.0.0.1", DAY, 9 * DAY, "is not valid yet", "clock"),
        ("other.test", -DAY, DAY, "is for another host", "model.base_url"),
        ("127.0.0.2", -DAY, DAY, "is for another host", "model.base_url"),
    ],
)
def test_each_fault_of_a_certificate_is_told_apart(ask, tmp_path, monkeypatch, host, starts, ends, words, remedy):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with https_server(*certify(tmp_path, host, starts=starts, ends=ends)) as server:
        error = failure(ask, server.address)
    assert f"the certificate of https://127.0.0.1:{server.port} {words}" in str(error)
    assert remedy in error.remedy
    assert error.failure is FailureKind.STOP
    assert not server.arrived


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_is_shown_to_a_server_that_asks_for_one(ask, tmp_path, monkeypatch, newest):
    certificate, key = certify(tmp_path, "buyer.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with https_server(*certify(tmp_path), clients=tmp_path / "ca.pem", newest=newest) as server:
        error = failure(ask, server.address)
        assert error.failure is FailureKind.STOP
        assert f"https://127.0.0.1:{server.port} refuses the TLS connection" in str(error)
        assert "set SSL_CLIENT_CERT" in error.remedy
        assert not server.arrived

        monkeypatch.setenv("SSL_CLIENT_CERT", str(certificate))
        monkeypatch.setenv("SSL_CLIENT_KEY", str(key))
        ask(server.address)

        both = tmp_path / "both.pem"
        both.write_bytes(certificate.read_bytes() + key.read_bytes())
        monkeypatch.setenv("SSL_CLIENT_CERT", str(both))
        monkeypatch.delenv("SSL_CLIENT_KEY")
        ask(server.address)


def test_a_client_certificate_that_the_server_does_not_accept_is_named(ask, tmp_path, monkeypatch):
    certificate, key = certify(tmp_path, "buyer.test", ends=-DAY / 2)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CLIENT_CERT", str(certificate))
    monkeypatch.setenv("SSL_CLIENT_KEY", str(key))
    with https_server(*certify(tmp_path), clients=tmp_path / "ca.pem") as server:
        assert str(certificate) in failure(ask, server.address).remedy


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SSL_CERT_FILE": "missing.pem"}, r"SSL_CERT_FILE is missing\.pem: No such file"),
        ({"SSL_CERT_FILE": "empty.pem"}, r"SSL_CERT_FILE is empty\.pem: no certificate"),
        ({"SSL_CERT_DIR": "missing"}, "SSL_CERT_DIR names missing, which is no folder"),
        ({"SSL_CLIENT_KEY": "buyer.test.key"}, "SSL_CLIENT_KEY is set, and SSL_CLIENT_CERT is not"),
        ({"SSL_CLIENT_CERT": "missing.pem"}, r"SSL_CLIENT_CERT is missing\.pem, which .* No such file"),
        ({"SSL_CLIENT_CERT": "buyer.test.pem"}, "SSL_CLIENT_CERT is buyer.test.pem, which cannot be used: .* PEM"),
        ({"SSL_CLIENT_CERT": "buyer.test.pem", "SSL_CLIENT_KEY": "hidden.test.key"}, "which cannot be used: "),
        ({"SSL_CLIENT_CERT": "buyer.test.pem", "SSL_CLIENT_KEY": "other.test.key"}, "key values mismatch"),
    ],
)
def test_a_variable_that_names_no_certificates_ends_the_run_before_any_call(
    ask, server, tmp_path, monkeypatch, variables, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.pem").write_text("")
    certify(tmp_path, "buyer.test")
    certify(tmp_path, "other.test")
    certify(tmp_path, "hidden.test", passphrase=b"secret")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ProviderError, match=words) as caught:
        ask(server.address)
    assert caught.value.failure is FailureKind.STOP
    assert next(iter(variables)) in caught.value.remedy or "SSL_CLIENT_CERT" in caught.value.remedy


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_calls_go_through_the_proxy_with_its_credentials_which_the_server_does_not_get(
    ask, behind, monkeypatch, variable
):
    with proxy(behind.port) as between:
        monkeypatch.setenv(variable, f"http://buyer:{PASSWORD}@{between.at}")
        ask(f"https://{HOST}/v1")
    assert [head[0] for head in between.arrived] == [f"CONNECT {HOST}:443 HTTP/1.1"]
    assert "Proxy-Authorization: Basic YnV5ZXI6cHdAYg==" in between.arrived[0]  # buyer:pw@b
    assert not [line for line in between.arrived[0] if "studio-key" in line]
    assert "proxy-authorization" not in behind.arrived[0][1]


def test_servers_that_no_proxy_names_are_called_directly(ask, server, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with proxy(server.port) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{between.at}")
        monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
        ask(server.address)
    assert not between.arrived


def test_a_proxy_that_is_down_is_named_without_its_password(ask, behind, monkeypatch):
    with proxy(behind.port) as between:
        at = between.at
    monkeypatch.setenv("HTTPS_PROXY", f"http://buyer:{PASSWORD}@{at}")
    error = failure(ask, f"https://{HOST}/v1")
    assert error.failure is FailureKind.UNREACHABLE
    assert f"(https://{HOST} through the proxy http://{at})" in str(error)
    assert "HTTPS_PROXY" in error.remedy
    assert PASSWORD not in f"{error}{error.remedy}"


@pytest.mark.parametrize(
    ("status", "failure_kind", "remedy"),
    [
        ("407 Proxy Authentication Required", FailureKind.STOP, "user name and password into https_proxy"),
        ("403 Forbidden", FailureKind.STOP, "NO_PROXY"),
        ("502 Bad Gateway", FailureKind.UNREACHABLE, "https_proxy"),
    ],
)
def test_what_a_proxy_refuses_was_not_paid_for(ask, behind, monkeypatch, status, failure_kind, remedy):
    with proxy(behind.port, status) as between:
        monkeypatch.setenv("https_proxy", f"http://buyer:{PASSWORD}@{between.at}")
        error = failure(ask, f"https://{HOST}/v1")
    assert error.failure is failure_kind
    assert str(error) == f"the proxy http://{between.at} does not lead to https://{HOST}: {status}"
    assert remedy in error.remedy
    assert PASSWORD not in error.remedy


def test_a_proxy_for_http_that_wants_a_password_stops_the_run(monkeypatch):
    with proxy(0, "407 Proxy Authentication Required") as between:
        monkeypatch.setenv("HTTP_PROXY", f"http://{between.at}")
        error = failure(by_sdk, f"http://{HOST}/v1")
    assert error.failure is FailureKind.STOP
    assert "HTTP_PROXY" in error.remedy


def test_a_certificate_that_a_proxy_shows_in_the_server_s_place_is_told_with_the_proxy(
    ask, behind, tmp_path, monkeypatch
):
    monkeypatch.delenv("SSL_CERT_FILE")
    with proxy(behind.port) as between:
        monkeypatch.setenv("HTTPS_PROXY", between.at)  # without a scheme, as curl takes it
        error = failure(ask, f"https://{HOST}/v1")
    assert "is not trusted" in str(error)
    assert str(error).endswith(f"(through the proxy http://{between.at})")
    assert "or a proxy has a CA of its own, set SSL_CERT_FILE" in error.remedy


@pytest.mark.parametrize("address", ["ftp://buyer:{}@127.0.0.1:1", "http://buyer:{}@127.0.0.1:port", "http://[::{}"])
def test_an_invalid_address_of_a_proxy_is_told_and_not_shown(ask, monkeypatch, address):
    monkeypatch.setenv("HTTPS_PROXY", address.format(PASSWORD))
    error = failure(ask, "https://127.0.0.1/v1")
    assert error.failure is FailureKind.STOP
    assert "HTTPS_PROXY" in str(error)
    assert PASSWORD not in f"{error}{error.remedy}"


def test_a_socks_proxy_names_the_package_that_it_needs(ask, monkeypatch):
    monkeypatch.setitem(sys.modules, "socksio", None)  # as if it were not installed
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    assert failure(ask, "https://127.0.0.1/v1").remedy == "Run: pip install socksio"


def image(server, base):
    return asyncio.run(Downloads(base, 10.0).image(f"https://127.0.0.1:{server.port}/1.png"))


def test_an_image_at_a_server_that_is_not_trusted_stays_unfetched_with_the_remedy(server):
    with pytest.raises(NotFetchedError, match=r"the certificate of 127\.0\.0\.1 is not trusted.*set SSL_CERT_FILE"):
        image(server, server.address)
    assert not server.arrived


def test_an_image_is_fetched_with_the_client_certificate_from_the_server_itself_only(tmp_path, monkeypatch):
    certificate, key = certify(tmp_path, "buyer.test")
    for name, path in {"CERT_FILE": tmp_path / "ca.pem", "CLIENT_CERT": certificate, "CLIENT_KEY": key}.items():
        monkeypatch.setenv(f"SSL_{name}", str(path))
    monkeypatch.setattr("imagemake.plugins.providers.http.download.is_public", lambda _: True)
    with https_server(*certify(tmp_path), clients=tmp_path / "ca.pem") as server:
        server.body = picture("PNG")
        assert image(server, server.address) == server.body
        with pytest.raises(NotFetchedError, match="refuses the TLS connection"):
            image(server, "https://api.example.com/v1")
    assert len(server.arrived) == 1


@pytest.fixture
def proxied(behind, monkeypatch):
    """A server with an image that only a proxy with a password reaches, and that proxy."""
    behind.body = picture("PNG")
    monkeypatch.setenv("IMAGEMAKE_IMAGES_BY_PROXY", "1")
    with proxy(behind.port) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://buyer:{PASSWORD}@{between.at}")
        yield between


def fetched(url, base="https://api.example.com/v1", timeout_s=10.0):
    return asyncio.run(Downloads(base, timeout_s).image(url))


def test_an_image_comes_through_the_proxy_if_the_user_says_so(behind, proxied):
    assert fetched(f"https://{HOST}/1.png") == behind.body
    ((line, *headers),) = proxied.arrived
    assert line == f"CONNECT {HOST}:443 HTTP/1.1"
    assert f"proxy-authorization: basic {b64encode(b'buyer:pw@b').decode().lower()}" in [one.lower() for one in headers]
    assert "proxy-authorization" not in behind.arrived[0][1]


@pytest.mark.parametrize(
    "address", ["https://10.0.0.1/x", "https://[::1]/x", "https://localhost/x", "https://169.254.169.254/x"]
)
def test_what_is_known_not_to_be_on_the_internet_is_not_asked_of_a_proxy(proxied, address):
    with pytest.raises(NotFetchedError, match="not on the Internet"):
        fetched(address)
    assert not proxied.arrived


def test_a_name_that_this_machine_knows_as_its_own_network_is_not_asked_of_a_proxy(proxied, monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("192.168.1.7", 0))])
    with pytest.raises(NotFetchedError, match=r"192\.168\.1\.7 is not public"):
        fetched("https://intranet.example.com/x")
    assert not proxied.arrived


def test_plain_http_is_as_forbidden_through_a_proxy_as_without(proxied, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://{proxied.at}")
    with pytest.raises(NotFetchedError, match="only https"):
        fetched(f"http://{HOST}/x")
    assert not proxied.arrived


def test_a_host_with_the_certificate_of_another_one_sends_no_image_through_a_proxy(behind, proxied):
    with pytest.raises(NotFetchedError, match="is for another host"):
        fetched("https://elsewhere.test/1.png")
    assert not behind.arrived


def test_an_image_that_does_not_come_directly_names_the_proxy_and_the_variable(behind, proxied, monkeypatch):
    monkeypatch.delenv("IMAGEMAKE_IMAGES_BY_PROXY")
    monkeypatch.setattr("imagemake.plugins.providers.http.download.WAITS_S", ())
    with pytest.raises(NotFetchedError, match="unless IMAGEMAKE_IMAGES_BY_PROXY=1") as caught:
        fetched(f"https://{HOST}/1.png")
    assert PASSWORD not in str(caught.value)
    assert not proxied.arrived


def test_a_proxy_that_refuses_an_image_is_named_without_its_password(behind, monkeypatch):
    monkeypatch.setenv("IMAGEMAKE_IMAGES_BY_PROXY", "1")
    monkeypatch.setattr("imagemake.plugins.providers.http.download.WAITS_S", ())
    with proxy(behind.port, "403 Forbidden") as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://buyer:{PASSWORD}@{between.at}")
        with pytest.raises(NotFetchedError, match="403 Forbidden") as caught:
            fetched(f"https://{HOST}/1.png")
    assert f"(through the proxy http://{between.at})" in str(caught.value)
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(NotFetchedError, match="only through an HTTP proxy"):
        fetched(f"https://{HOST}/1.png")
