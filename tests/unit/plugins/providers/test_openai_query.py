"""The query of an address goes with every call: images, edits, files, batches, and the list of models."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from image_files import saved
from PIL import Image

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, ProviderError
from imagemake.plugins.providers.openai.provider import OpenAIProvider

DIGEST = "0" * 64
MUG = saved(Image.new("RGB", (8, 8)), "png")
BATCH = {"id": "b", "object": "batch", "status": "completed", "created_at": 1, "endpoint": "/v1/images/generations"}
BATCH |= {"input_file_id": "f", "completion_window": "24h"}
FILE = {"id": "f", "object": "file", "bytes": 1, "created_at": 1, "filename": "a", "purpose": "batch", "status": "x"}
LIST = {"object": "list", "data": [], "has_more": False}


class _Handler(BaseHTTPRequestHandler):
    def __getattr__(self, name):
        return self.answer if name in ("do_GET", "do_POST", "do_DELETE") else super().__getattribute__(name)

    def answer(self):
        path = urlsplit(self.path)
        self.server.seen.append((self.command, path.path, parse_qs(path.query)))
        if length := int(self.headers.get("content-length", 0)):
            self.rfile.read(length)
        kinds = {"images": {"data": []}, "files": FILE, "batches": BATCH, "models": LIST}
        found = LIST if path.path.endswith("/batches") and self.command == "GET" else kinds[path.path.split("/")[2]]
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as found:
        found.seen = []
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


async def every_call(provider, file):
    recipe = Recipe("openai", "m", "A mug", 1)
    for call in (
        lambda: provider.generate(recipe),
        lambda: provider.generate_from(Recipe("openai", "m", "A mug", 1, references=(DIGEST,)), {DIGEST: MUG}),
    ):
        with pytest.raises(ProviderError):  # there is no image in the response
            await call()
    await provider.upload_image(DIGEST, MUG)
    await provider.upload_batch(file)
    await provider.create_batch("f", "/v1/images/generations", {"id": "x"})
    await provider.find_batch({"id": "x"})
    await provider.poll_batch("b")
    await provider.cancel_batch("b")
    assert [line async for line in provider.batch_results("f")]
    await provider.delete_batch_file("f")
    await provider.check("m")
    await provider.close()


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("?api-version=2026-01-01%20x&empty=", {"api-version": ["2026-01-01 x"]}),
        ("/?api-version=1", {"api-version": ["1"]}),
    ],
)
def test_every_call_has_the_query(server, tmp_path, monkeypatch, query, sent):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-any")
    (tmp_path / "requests.jsonl").write_text("{}\n")
    address = f"http://127.0.0.1:{server.server_port}/v1{query}"
    asyncio.run(every_call(OpenAIProvider(Connection(address, 10)), tmp_path / "requests.jsonl"))
    paths = {(method, path) for method, path, _ in server.seen}
    assert {("POST", f"/v1/{name}") for name in ("images/generations", "images/edits", "files", "batches")} <= paths
    assert {("GET", "/v1/files/f/content"), ("GET", "/v1/batches"), ("POST", "/v1/batches/b/cancel")} <= paths
    for method, path, found in server.seen:
        assert sent.items() <= found.items(), (method, path, found)
