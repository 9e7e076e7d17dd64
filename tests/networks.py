"""A network for tests: servers with certificates of a CA of their own, and a proxy that alone knows where they are."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socketserver import StreamRequestHandler, ThreadingTCPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)
MODELS = json.dumps({"object": "list", "data": [{"id": "gpt-image-2", "object": "model"}]}).encode()
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
VARIABLES = (
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT", "SSL_CLIENT_KEY"),
    *_PROXIES,
    *(name.lower() for name in _PROXIES),
)


@cache
def authority():
    """The CA: its key and its certificate."""
    key, name = ec.generate_private_key(ec.SECP256R1()), _name("Studio CA")
    ca = (x509.BasicConstraints(ca=True, path_length=None), True), (_usage(key_cert_sign=True, crl_sign=True), True)
    return key, _signed(name, name, key, key, (-DAY, 90 * DAY), ca)


def certify(folder, host="127.0.0.1", *, starts=-DAY, ends=30 * DAY, passphrase=None):
    """Write a certificate for a host as HOST.pem, its key as HOST.key, and the CA's certificate as ca.pem."""
    (folder / "ca.pem").write_bytes(authority()[1].public_bytes(serialization.Encoding.PEM))
    key = ec.generate_private_key(ec.SECP256R1())
    with suppress(ValueError):
        host = ip_address(host)
    alternative = x509.DNSName(host) if isinstance(host, str) else x509.IPAddress(host)
    ca_key, ca = authority()
    own = (
        (x509.SubjectAlternativeName([alternative]), False),
        (_usage(digital_signature=True), True),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False),
    )
    certificate = _signed(_name("Server"), ca.subject, key, ca_key, (starts, ends), own)
    hidden = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    written, secret = folder / f"{host}.pem", folder / f"{host}.key"
    written.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden))
    return written, secret


def hashed_folder(folder):
    """Make a folder with the CA's certificate under the name by which OpenSSL looks for it."""
    (folder / "trusted").mkdir()
    command = ["openssl", "x509", "-in", folder / "ca.pem", "-noout", "-subject_hash"]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    (folder / "trusted" / f"{name}.0").write_bytes((folder / "ca.pem").read_bytes())
    return folder / "trusted"


class Https:
    """A running server, with what arrived: a line, and the headers by lower-case name."""

    def __init__(self, port):
        self.port, self.address, self.arrived, self.body = port, f"https://127.0.0.1:{port}/v1", [], MODELS


@contextmanager
def https_server(certificate, key, *, clients=None, newest=ssl.TLSVersion.TLSv1_3):
    """Run a server; `clients` is the file with the CA of client certificates that it requires."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            kept.arrived.append((self.requestline, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(kept.body)))
            self.end_headers()
            self.wfile.write(kept.body)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request, _):
            """End a refused handshake so that the client gets to read why."""
            with suppress(OSError):
                request.settimeout(5)
                request.shutdown(socket.SHUT_WR)
                while request.recv(65536):
                    pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.maximum_version = newest
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    with _running(Server(("127.0.0.1", 0), Handler)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        kept = Https(server.server_address[1])
        yield kept


class Proxy:
    """A running proxy, with the heads of the requests that arrived."""

    def __init__(self, port):
        self.port, self.arrived = port, []
        self.at = f"127.0.0.1:{port}"


@contextmanager
def proxy(to_port, status="200 Connection established"):
    """Run a proxy that leads every host to one port of this machine, or answers with another status."""

    class Handler(StreamRequestHandler):
        def handle(self):
            lines = []
            while (line := self.rfile.readline().strip()) != b"":
                lines.append(line.decode())
            kept.arrived.append(lines)
            if not status.startswith("200"):
                self.wfile.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
                return
            self.wfile.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
            with socket.create_connection(("127.0.0.1", to_port)) as there:
                back = threading.Thread(target=_copy, args=(there, self.connection), daemon=True)
                back.start()
                _copy(self.connection, there)
                back.join(5)

    class Server(ThreadingTCPServer):
        daemon_threads = True

    with _running(Server(("127.0.0.1", 0), Handler)) as server:
        kept = Proxy(server.server_address[1])
        yield kept


@contextmanager
def _running(server):
    try:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
    finally:
        server.shutdown()
        server.server_close()


def _copy(source, target):
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _name(words):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])


def _usage(**used):
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign "
        "crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: used.get(name, False) for name in names.split()})


def _signed(name, issuer, key, issuer_key, validity, extensions):
    now, serial = datetime.now(UTC), x509.random_serial_number()
    builder = x509.CertificateBuilder(issuer, name, key.public_key(), serial, now + validity[0], now + validity[1])
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())
