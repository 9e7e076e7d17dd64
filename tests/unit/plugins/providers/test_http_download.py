"""Images by URL: whole, from where a stranger's URL may lead, and without a word about us."""

import asyncio
import datetime
import socket
import ssl
from contextlib import asynccontextmanager, suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from image_files import saved
from PIL import Image

from imagemake.plugins.providers.http import download
from imagemake.plugins.providers.http.download import Downloads, NotFetchedError

IMAGE = saved(Image.new("RGB", (40, 30), "teal"), "PNG")
OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n%s" % (len(IMAGE), IMAGE)


def status(code, headers="", body=b""):
    return f"HTTP/1.1 {code} Said\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


class Host:
    """A host of files: what it answers by path, in turn, and every request that it got."""

    def __init__(self, **answers):
        self.answers = {f"/{path}": list(given) for path, given in answers.items()}
        self.connections, self.asked = 0, []

    async def serve(self, reader, writer):
        self.connections += 1
        request = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(request.decode())
        given = self.answers[request.split()[1].decode()]
        answer = given.pop(0) if len(given) > 1 else given[0]
        try:
            if callable(answer):
                await answer(writer)
            else:
                writer.write(answer)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    @asynccontextmanager
    async def running(self, tls=None):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=tls)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()


def get(url, host, base="http://127.0.0.1:{port}/v1", timeout_s=5, tls=None):
    async def inside():
        async with host.running(tls) as port:
            return await Downloads(base.format(port=port), timeout_s).image(url.format(port=port))

    return asyncio.run(inside())


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(download, "WAITS_S", (0.01, 0.02))


@pytest.fixture
def names(monkeypatch):
    """Host names and what each look-up of them finds."""
    known, look_up = {}, socket.getaddrinfo

    def found(host, port, *args, **kwargs):
        one = known.get(host if isinstance(host, str) else host.decode())
        return look_up(host if one is None else one.pop(0), port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    return known


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://127.0.0.1:{port}/out/1.png", "out/1.png"),
        ("/out/1.png?sig=a%2Fb", "out/1.png?sig=a%2Fb"),
        ("out/1.png", "v1/out/1.png"),
        ("//127.0.0.1:{port}/1.png#part", "1.png"),
        ("http://localhost:{port}/1.png", "1.png"),
    ],
)
def test_a_url_is_fetched_once_be_it_absolute_or_relative(url, path):
    host = Host(**{path: [OK]})
    assert get(url, host) == IMAGE
    assert len(host.asked) == 1


def test_nothing_of_ours_is_sent_along(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    host = Host(a=[status(302, "Location: /b\r\nSet-Cookie: id=7; Path=/\r\n")], b=[OK])
    assert get("http://user:pass@127.0.0.1:{port}/a", host) == IMAGE
    names = {line.partition(":")[0].lower() for request in host.asked for line in request.splitlines()[1:] if line}
    assert names == {"host", "user-agent", "accept", "accept-encoding"}
    assert "pass" not in "".join(host.asked)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/1.png",
        "http://127.0.0.1/1.png",
        "https://127.0.0.1:{port}/1.png",
        "https://localhost:{port}/1.png",
        "https://[::ffff:127.0.0.1]:{port}/1.png",
        "https://2130706433:{port}/1.png",
        "https://0x7f.1:{port}/1.png",
        "https://0.0.0.0:{port}/1.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00:ec2::254]/latest",
        "file:///etc/passwd",
        "ftp://127.0.0.1:{port}/1.png",
        "https://inside.example.org:{port}/1.png",
    ],
)
def test_a_url_of_a_public_server_leads_nowhere_inside(url, names):
    names["inside.example.org"] = ["127.0.0.1"] * 9
    host = Host(**{"1.png": [OK]})
    with pytest.raises(NotFetchedError, match=r"not on the Internet|only https"):
        get(url, host, base="https://api.example.org/v1")
    assert not host.connections


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(names, monkeypatch):
    connected = []

    async def connect(_, address, *args):
        connected.append(address)
        raise download.httpcore2.ConnectError("not in a test")

    monkeypatch.setattr(download.httpcore2.AnyIOBackend, "connect_tcp", connect)
    names["cdn.example.org"] = ["1.1.1.1", "127.0.0.1", "127.0.0.1"]
    with pytest.raises(NotFetchedError):
        get("https://cdn.example.org/1.png", Host(), base="https://api.example.org/v1")
    assert connected == ["1.1.1.1"], "a second look-up led inside"


@pytest.mark.parametrize(
    "location", ["https://169.254.169.254/", "http://example.org/", "file:///etc/passwd", "//10.0.0.1/"]
)
def test_each_redirect_is_checked_anew(location, monkeypatch):
    host = Host(**{"1.png": [status(302, f"Location: {location}\r\n")]})
    with pytest.raises(NotFetchedError, match=r"not on the Internet|only https"):
        get("/1.png", host)
    assert len(host.asked) == 1


def test_redirects_are_bounded():
    host = Host(**{"1.png": [status(302, "Location: /1.png\r\n")]})
    with pytest.raises(NotFetchedError, match="redirects"):
        get("/1.png", host)
    assert len(host.asked) == 6


def test_a_server_on_this_machine_may_name_this_machine_and_nothing_else_inside(names):
    host = Host(**{"1.png": [OK]})
    assert get("http://localhost:{port}/1.png", host) == IMAGE
    names["box"] = ["127.0.0.1"] * 9
    with pytest.raises(NotFetchedError):
        get("https://box:{port}/1.png", host)
    assert get("http://box:{port}/1.png", host, base="http://box/v1") == IMAGE


async def drip(writer):
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"\x89")
        await writer.drain()
        await asyncio.sleep(0.02)


def test_a_slow_drip_ends_in_time():
    with pytest.raises(NotFetchedError, match="no complete image within"):
        get("/1.png", Host(**{"1.png": [drip]}), timeout_s=0.3)


@pytest.mark.parametrize("known", [True, False])
def test_a_file_that_is_too_large_is_given_up(monkeypatch, known):
    monkeypatch.setattr(download, "MOST_BYTES", len(IMAGE) - 1)
    answer = OK if known else b"HTTP/1.1 200 OK\r\n\r\n" + IMAGE
    with pytest.raises(NotFetchedError, match="more than") as caught:
        get("/1.png", Host(**{"1.png": [answer]}))
    assert caught.value.is_gone


@pytest.mark.parametrize("first", [status(404), status(503), status(429), b"", OK[:-9], b"nonsense"])
def test_what_fails_for_a_moment_is_tried_again(first):
    host = Host(**{"1.png": [first, OK]})
    assert get("/1.png", host) == IMAGE
    assert len(host.asked) == 2


@pytest.mark.parametrize(
    ("answer", "is_gone", "asked"),
    [
        (status(403), True, 1),
        (status(410), True, 1),
        (status(404), True, 3),
        (status(500), False, 3),
        (status(200, body=b"<html>Sign in</html>"), True, 3),
        (status(200), True, 3),
        (status(200, body=IMAGE[:-9]), True, 3),
        (b"", False, 3),
    ],
)
def test_what_does_not_come_says_whether_the_host_spoke(answer, is_gone, asked):
    host = Host(**{"1.png?sig=secret": [answer]})
    with pytest.raises(NotFetchedError) as caught:
        get("/1.png?sig=secret", host)
    assert (caught.value.is_gone, len(host.asked)) == (is_gone, asked)
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_a_host_that_does_not_answer_is_not_waited_for_again_and_again(monkeypatch):
    host = Host(**{"1.png": [status(503)], "2.png": [OK]})

    async def inside():
        async with host.running() as port:
            downloads = Downloads(f"http://127.0.0.1:{port}/v1", 5)
            for name in ("1", "1", "1", "2", "2"):
                with suppress(NotFetchedError):
                    await downloads.image(f"/{name}.png")
            asked = len(host.asked)
            monkeypatch.setattr(download, "SILENT_S", 0.0)
            return asked, await downloads.image("/2.png")

    assert asyncio.run(inside()) == (9, IMAGE)


@pytest.mark.parametrize(
    "url",
    ["http://", "https:///x", "http://[::1", "http://a..b/", "http://h:99999/", "http://\x00/", "?", "http://\udc80/"],
)
def test_what_is_no_url_is_no_traceback(url):
    with pytest.raises(NotFetchedError):
        get(url, Host(**{"v1/": [status(404)], "v1/?": [status(404)]}))


def test_a_certificate_is_checked_for_the_name_in_the_url(names, tmp_path, monkeypatch):
    tls = certified("box.example.org", tmp_path, monkeypatch)
    for name in ("box.example.org", "other.example.org"):
        names[name] = ["127.0.0.1"] * 9
    host = Host(**{"1.png": [OK]})
    assert get("/1.png", host, base="https://box.example.org:{port}/v1", tls=tls) == IMAGE
    with pytest.raises(NotFetchedError, match=r"(?i)certificate|SSL"):
        get("/1.png", host, base="https://other.example.org:{port}/v1", tls=tls)


def certified(name, folder, monkeypatch):
    """A server's TLS context with a certificate for a name, which this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    none = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none)
    (folder / "key.pem").write_bytes(private)
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "cert.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return tls
