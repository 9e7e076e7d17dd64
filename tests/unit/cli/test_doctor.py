"""What `imagemake doctor` says of a project, without spending anything."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from networks import VARIABLES, certify, https_server, proxy

from imagemake import __version__
from imagemake.cli.main import main
from imagemake.cli.new_project import write_project
from imagemake.core.sealed import write_sealed

MODELS = json.dumps({"object": "list", "data": [{"id": "gpt-image-2", "object": "model"}]}).encode()


@pytest.fixture
def server():
    """A server whose answer to everything can be set, and that keeps what was asked."""

    class Handler(BaseHTTPRequestHandler):
        status, body, date, asked = 200, MODELS, datetime.now(UTC), []

        def do_GET(self):
            Handler.asked.append(self.path)
            self.send_response_only(Handler.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Date", format_datetime(Handler.date, usegmt=True))
            self.send_header("Content-Length", str(len(Handler.body)))
            self.end_headers()
            self.wfile.write(Handler.body)

        def do_POST(self):
            Handler.asked.append(f"POST {self.path}")

        def log_message(self, *args):
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    Handler.url = f"http://127.0.0.1:{running.server_port}/v1"
    yield Handler
    running.shutdown()
    running.server_close()


@pytest.fixture
def doctor(tmp_path, monkeypatch, capsys, server):
    """Runs the command in a project on that server; returns its exit status and what it printed."""
    list(write_project(tmp_path, "shop", "openai"))
    config = tmp_path / "config" / "config.yaml"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")

    def run(*arguments, own=False, **replaced):
        text = config.read_text()
        if not own and "base_url" not in text:
            text = text.replace(
                "  name: gpt-image-2\n", f"  name: gpt-image-2\n  base_url: {server.url}\n  key_from: OPENAI_API_KEY\n"
            )
        for old, new in replaced.items():
            text = text.replace(old, new)
        config.write_text(text)
        with pytest.raises(SystemExit) as end:
            main(["doctor", *arguments])
        return end.value.code, capsys.readouterr().out

    return run


def test_a_project_that_is_ready_is_told_so_and_nothing_is_paid_for(doctor, server):
    status, told = doctor()
    assert status == 0
    assert "6 rows, 24 images" in told
    assert "the server knows it" in told
    assert "clock: within" in told
    assert server.asked == ["/v1/models"]


def test_a_model_that_the_server_lacks_is_told_with_the_nearest_one(doctor, server):
    server.body = MODELS.replace(b"gpt-image-2", b"gpt-image-3")
    status, told = doctor()
    assert status == 3
    assert "Did you mean 'gpt-image-3'?" in told


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b'{"error": {"message": "Incorrect API key provided: sk-0123456789abcdef"}}', "OPENAI_API_KEY"),
        (402, b'{"error": {"message": "no credit"}}', "no credit"),
        (500, b"", "fix"),
    ],
)
def test_what_the_server_refuses_is_to_fix_and_shows_no_key(doctor, server, status, body, said):
    server.status, server.body = status, body
    code, told = doctor()
    assert code == 3
    assert said in told
    assert "sk-0123456789abcdef" not in told


@pytest.mark.parametrize(
    ("status", "body"), [(404, b"not found"), (200, b"<html>"), (200, b'{"data": 5}'), (200, b"[" * 100_000)]
)
def test_a_server_without_a_list_of_models_is_there_all_the_same(doctor, server, status, body):
    server.status, server.body = status, body
    code, told = doctor()
    assert code == 0
    assert "the server is there" in told


def test_a_server_that_is_down_is_told_with_its_address(doctor, server):
    server.url = "http://127.0.0.1:9/v1"
    status, told = doctor()
    assert status == 3
    assert "127.0.0.1:9" in told


def test_a_clock_that_is_off_is_told(doctor, server):
    server.date = datetime.now(UTC) - timedelta(hours=1)
    status, told = doctor()
    assert status == 3
    assert "ahead of the server's" in told


def test_a_missing_key_is_told_with_the_command_that_sets_it(doctor, server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    status, told = doctor(own=True)
    assert status == 3
    assert "export OPENAI_API_KEY=" in told
    assert server.asked == []


def test_every_mistake_in_the_configuration_is_told_and_the_rest_is_checked(doctor, server):
    status, told = doctor(**{"attempts:": "atempts:"})
    assert status == 3
    assert "atempts" in told
    assert "disk:" in told


def test_a_folder_that_a_run_could_not_write_to_is_told(doctor, tmp_path):
    (tmp_path / "logs").write_text("")
    status, told = doctor()
    assert status == 3
    assert "fix   logs: " in told


def test_offline_calls_no_server(doctor, server):
    status, _ = doctor("--offline")
    assert status == 0
    assert server.asked == []


def test_a_team_folder_that_is_not_mounted_is_told(doctor, tmp_path):
    address = f"file://{tmp_path}/team"
    status, told = doctor("--offline")
    assert status == 0
    status, told = doctor(**{"limits:": f"store: {{remote: '{address}'}}\nlimits:"})
    assert status == 3
    assert f"store.remote: {address}" in told
    (tmp_path / "team").mkdir()
    status, told = doctor()
    assert status == 0
    assert f"store.remote: {address} can be read" in told


def test_a_project_says_which_version_built_it_last(doctor, tmp_path):
    assert "last built" not in doctor()[1]
    (tmp_path / "results").mkdir()
    for version, verdict in ((__version__, "ok   "), ("0.0.9", "note ")):
        write_sealed(tmp_path / "results/release.json", {"imagemake": version})
        assert f"{verdict} last built: all by imagemake {version}\n" in doctor()[1]


def test_a_certificate_that_is_not_trusted_is_told_with_the_remedy(doctor, server, tmp_path, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with https_server(*certify(tmp_path)) as trusted:
        server.url = trusted.address
        status, told = doctor()
        assert status == 3
        assert f"the certificate of https://127.0.0.1:{trusted.port} is not trusted" in told
        assert "set SSL_CERT_FILE to a PEM file" in told
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert doctor()[0] == 0


def test_a_proxy_that_refuses_is_told_without_its_password(doctor, monkeypatch):
    with proxy(0, "407 Proxy Authentication Required") as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://buyer:pw9@{between.at}")
        status, told = doctor(own=True)
    assert status == 3
    assert f"the proxy http://{between.at} does not lead to https://api.openai.com: 407" in told
    assert "user name and password into HTTPS_PROXY" in told
    assert "pw9" not in told


def test_a_proxy_that_images_go_past_is_noted_where_responses_hold_urls(doctor, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://buyer:pw9@proxy.test:3128")
    monkeypatch.setenv("BFL_API_KEY", "bfl-0123456789abcdef")
    assert "IMAGEMAKE_IMAGES_BY_PROXY" not in doctor("--offline")[1]
    _, told = doctor("--offline", **{"provider: openai": "provider: bfl"})
    assert "images of gpt-image-2 are at URLs, and come directly, not through http://proxy.test:3128." in told
    assert "set IMAGEMAKE_IMAGES_BY_PROXY=1" in told
    assert "pw9" not in told
    monkeypatch.setenv("IMAGEMAKE_IMAGES_BY_PROXY", "1")
    assert "come directly" not in doctor("--offline")[1]


@pytest.mark.parametrize(("program", "status"), [("python", 0), ("no-such-server-17", 3)])
def test_the_program_of_a_server_that_a_run_starts_is_looked_up_and_not_started(doctor, server, program, status):
    started = f"  name: gpt-image-2\n  server: {{command: '{program} -m serve {{model}} --port {{port}}'}}\n"
    code, told = doctor(own=True, **{"  name: gpt-image-2\n": started})
    assert code == status
    assert (f"a run starts its server: {program} -m serve gpt-image-2 --port {{port}}" in told) is (status == 0)
    assert (f"program {program} is not on PATH" in told) is (status == 3)
    assert not server.asked


def test_servers_that_answer_questions_are_looked_up_like_those_of_images(doctor, server, monkeypatch):
    asked = f"{{base_url: {server.url}, key_from: JUDGE_KEY, model: gpt-6-luna"
    judge = f"{asked}, questions: ['Is it red?'], derive_by: gpt-6}}"
    sections = {
        "attempts:\n": f"attempts:\n  rewrite: {asked}}}\n",
        "validation:\n": f"validation:\n  measures: {{judge: {judge}}}\n",
        "variables:": f"prompts: {{moderate: {asked.replace('gpt-6-luna', 'gpt-image-2')}}}}}\nvariables:",
    }
    monkeypatch.setenv("JUDGE_KEY", "sk-0123456789abcdef")
    status, told = doctor(**sections)
    assert (status, told.count("model gpt-6-luna of")) == (3, 1), "judge and rewriter are one model"
    assert "the server lists 1 models, and not this one" in told
    assert told.count("model gpt-6 of") == 1, "the model that derives questions"
    server.body = MODELS.replace(b"[{", b'[{"id": "gpt-6-luna"}, {"id": "gpt-6"}, {')
    status, told = doctor()
    assert (status, told.count("the server knows it")) == (0, 4)
    monkeypatch.delenv("JUDGE_KEY")
    status, told = doctor()
    assert (status, told.count("JUDGE_KEY is not set")) == (3, 3)
