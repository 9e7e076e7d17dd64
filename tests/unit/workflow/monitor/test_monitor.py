"""What a run shows to Prometheus and OpenTelemetry, from the journal alone."""

from __future__ import annotations

import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from gpus import with_cards
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from imagemake.config.run import Limits, Prometheus
from imagemake.config.run import Monitor as MonitorSettings
from imagemake.core.gpus import cards
from imagemake.core.problems import UserError
from imagemake.stages.generate.rate_limit import SharedPace
from imagemake.store.journal import Journal, Outcome
from imagemake.store.layout import pace_file
from imagemake.store.seen_gpus import write_seen
from imagemake.store.store import Store
from imagemake.workflow.monitor.journal_tail import JournalTail
from imagemake.workflow.monitor.monitor import Monitor, check_monitor
from imagemake.workflow.monitor.traces import Traces

RECIPE = {"provider": "openai", "model": "gpt-image-2", "prompt": "a mug", "seed": 1}


def send(journal, name="a", model="gpt-image-2"):
    return journal.sent(campaign="shop", name=name, key="k" * 64, recipe={**RECIPE, "model": model}, worst_usd=0.1)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def journal(store):
    return Journal(store.journal_folder, "generate-1", durable=False)


def values_in(text):
    return {
        (sample.name, *(f"{k}={v}" for k, v in sorted(sample.labels.items()) if k != "campaign")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_only_what_ends_after_the_start_counts_also_if_it_was_sent_before(store, journal):
    journal.closed(send(journal), Outcome.MADE, cost_usd=0.04, seconds=1.0)
    waiting = send(journal)
    tail = JournalTail(store.journal_folder)
    assert tail.ended() == []
    journal.closed(waiting, Outcome.FAILED, code="rate_limit")
    other = send(journal, model="flux")
    assert [(call.outcome, call.sent["name"]) for call in tail.ended()] == [(Outcome.FAILED, "a")]
    assert tail.in_flight() == {"flux": 1}
    journal.closed(other, Outcome.MADE, cost_usd=0.01)
    assert [call.closed["cost_usd"] for call in tail.ended()] == [0.01]
    assert tail.ended() == []


def test_half_a_line_is_read_once_it_is_whole_and_a_damaged_one_is_passed_over(store, journal):
    tail = JournalTail(store.journal_folder)
    journal.closed(send(journal), Outcome.MADE, cost_usd=0.04)
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[:-10])
    assert tail.ended() == []
    journal.path.write_bytes(content + b"\x00\x00 damaged\n" + content.replace(b'"cost_usd":0.04', b'"cost_usd":9.04'))
    assert [call.closed["cost_usd"] for call in tail.ended()] == [0.04]


def test_the_file_tells_calls_costs_latencies_images_and_quotas(tmp_path, store, journal):
    file = tmp_path / "imagemake.prom"
    settings = MonitorSettings(prometheus=Prometheus(file=str(file)), every_s=60)
    monitor = Monitor(settings, "shop", store, tmp_path / "work", lambda: {"wanted": 4, "done": 2, "failed": 1})
    monitor.begin()
    for seconds in (0.5, 7.0, 999.0):
        journal.closed(send(journal), Outcome.MADE, cost_usd=0.25, seconds=seconds)
    journal.closed(send(journal, model="flux"), Outcome.UNKNOWN)
    send(journal)
    pace = SharedPace(pace_file(tmp_path / "work", "openai"), Limits(), "gpt-image-2")
    headers = {f"x-ratelimit-{what}-requests": n for what, n in (("limit", "50"), ("remaining", "12"), ("reset", "9s"))}
    pace.learn(headers, started=100.0, now=101.0)
    monitor.end()

    found = values_in(file.read_text())
    assert found["imagemake_calls_total", "model=gpt-image-2", "outcome=made"] == 3
    assert found["imagemake_calls_total", "model=flux", "outcome=unknown"] == 1
    assert found["imagemake_spend_usd_total", "model=gpt-image-2"] == 0.75
    assert found["imagemake_unknown_cost_calls_total", "model=flux"] == 1
    assert found["imagemake_call_seconds_bucket", "le=1.0", "model=gpt-image-2"] == 1
    assert found["imagemake_call_seconds_bucket", "le=10.0", "model=gpt-image-2"] == 2
    assert found["imagemake_call_seconds_count", "model=gpt-image-2"] == 3
    assert found["imagemake_calls_in_flight", "model=gpt-image-2"] == 1
    assert found["imagemake_images", "state=wanted"] == 4
    assert found[("imagemake_acceptance",)] == pytest.approx(2 / 3)
    assert found["imagemake_quota_remaining", "limit=requests", "model=gpt-image-2"] == 12
    assert found["imagemake_quota_reset_timestamp_seconds", "limit=requests", "model=gpt-image-2"] == 110


def free_port():
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return server.server_port


def test_the_port_serves_the_same_while_the_run_lasts(tmp_path, store, journal):
    port = free_port()
    monitor = Monitor(MonitorSettings(prometheus=Prometheus(port=port), every_s=1), "shop", store, tmp_path, dict)
    monitor.begin()
    journal.closed(send(journal), Outcome.MADE, cost_usd=0.25, seconds=1.0)
    monitor._update()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        found = values_in(response.read().decode())
    assert found["imagemake_calls_total", "model=gpt-image-2", "outcome=made"] == 1
    monitor.end()
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics")


def test_a_port_that_is_taken_is_told_and_the_run_goes_on(tmp_path, store, capsys):
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        settings = MonitorSettings(prometheus=Prometheus(port=server.server_port), every_s=60)
        monitor = Monitor(settings, "shop", store, tmp_path, dict)
        monitor.begin()
        monitor.end()
    assert "No metrics are served." in capsys.readouterr().err


def test_a_span_has_the_times_the_usage_and_the_outcome_of_its_call(store, journal):
    exporter, tail = InMemorySpanExporter(), JournalTail(store.journal_folder)
    journal.closed(
        send(journal), Outcome.MADE, cost_usd=0.25, usage={"output_tokens": 900}, request_id="req_1", status=200
    )
    journal.closed(send(journal, name="b"), Outcome.REFUSED, code="moderation_blocked", message="No.")
    traces = Traces("shop", exporter)
    traces.add(tail.ended())
    traces.end()
    made, refused, run = exporter.get_finished_spans()
    assert made.attributes["gen_ai.usage.output_tokens"] == 900
    assert made.attributes["imagemake.cost_usd"] == 0.25
    assert made.attributes["gen_ai.response.id"] == "req_1"
    assert made.status.is_ok or made.status.is_unset
    assert not refused.status.is_ok
    assert refused.attributes["error.type"] == "moderation_blocked"
    assert made.parent.span_id == refused.parent.span_id == run.context.span_id
    assert made.start_time <= made.end_time


def test_spans_arrive_at_a_collector_by_the_standard_variables(tmp_path, store, journal, monkeypatch):
    bodies = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        monitor = Monitor(MonitorSettings(traces=True, every_s=60), "shop", store, tmp_path, dict)
        monitor.begin()
        journal.closed(send(journal), Outcome.MADE, cost_usd=0.25)
        monitor.end()
        server.shutdown()
    spans = [
        span.name
        for body in bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert sorted(spans) == ["generate gpt-image-2", "run"]


def test_a_missing_package_or_folder_is_told_before_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("imagemake.workflow.monitor.monitor.find_spec", lambda name: None)
    settings = MonitorSettings(prometheus=Prometheus(file=str(tmp_path / "nowhere" / "x.prom")), traces=True)
    with pytest.raises(UserError) as told:
        check_monitor(settings)
    text = str(told.value)
    assert "imagemake[prometheus]" in text
    assert "imagemake[traces]" in text
    assert "nowhere does not exist" in text


def test_cards_of_running_jobs_and_what_images_took_of_them_are_metrics(monkeypatch, tmp_path, store, journal):
    fake = with_cards(monkeypatch, 1, tmp_path)
    fake.CARDS[0].reasons = 0x40
    fake.CARDS[0].milliwatts = None
    (card,) = cards()
    write_seen(tmp_path / "work", card, card.read())
    file = tmp_path / "imagemake.prom"
    settings = MonitorSettings(prometheus=Prometheus(file=str(file)), every_s=60)
    monitor = Monitor(settings, "shop", store, tmp_path / "work", dict)
    monitor.begin()
    for _ in range(2):
        journal.closed(send(journal), Outcome.MADE, gpu={"seconds": 1.5, "energy_wh": 0.25})
    monitor.end()
    found = values_in(file.read_text())
    assert found["imagemake_gpu_seconds_total", "model=gpt-image-2"] == 3
    assert found["imagemake_gpu_energy_joules_total", "model=gpt-image-2"] == 1800
    of_card = ("gpu=NVIDIA Fake 100", "uuid=GPU-00000000-fake")
    assert found["imagemake_gpu_utilization", *of_card] == 0.9
    assert found["imagemake_gpu_memory_used_bytes", *of_card] == 2**30
    assert found["imagemake_gpu_temperature_celsius", *of_card] == 61
    assert found["imagemake_gpu_throttled", *of_card] == 1
    assert ("imagemake_gpu_power_watts", *of_card) not in found
