"""A trace of a run for OpenTelemetry: a span per call, made from the journal once the call has ended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from imagemake import __version__
from imagemake.store.journal import Call, Outcome
from imagemake.store.ledger import cost_of, model_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

BILLED_WITHOUT_IMAGE = (Outcome.REFUSED, Outcome.FAILED, Outcome.UNREADABLE, Outcome.UNKNOWN)


class Traces:
    """Exports the spans of one run.

    Args:
        campaign: Name of the campaign.
        exporter: Where spans go to; None for OTLP over HTTP, as OpenTelemetry's environment variables say.
    """

    def __init__(self, campaign: str, exporter: SpanExporter | None = None) -> None:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        if exporter is None:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            exporter = OTLPSpanExporter()
        resource = Resource.create({"service.name": "imagemake", "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("imagemake", __version__)
        self._run = self._tracer.start_span("run", attributes={"imagemake.campaign": campaign})
        self._context = trace.set_span_in_context(self._run)

    def add(self, calls: Iterable[Call]) -> None:
        """Export calls that ended, with the names of OpenTelemetry's conventions for generative AI."""
        from opentelemetry.trace import SpanKind, Status, StatusCode

        for call in calls:
            assert call.closed is not None
            if call.outcome is Outcome.SHARED:  # no call was made
                continue
            span = self._tracer.start_span(
                f"generate {model_of(call)}",
                context=self._context,
                kind=SpanKind.CLIENT,
                attributes=_attributes(call),
                start_time=_nanoseconds(call.sent["at"]),
            )
            if call.outcome in BILLED_WITHOUT_IMAGE:
                span.set_status(Status(StatusCode.ERROR, str(call.closed.get("message") or call.outcome.value)))
            span.end(end_time=_nanoseconds(call.closed["at"]))

    def end(self) -> None:
        """Export what is left. A collector that is out of reach delays this by a few seconds."""
        self._run.end()
        self._provider.shutdown()


def _attributes(call: Call) -> dict[str, Any]:
    assert call.closed is not None
    usage, cost = call.closed.get("usage") or {}, cost_of(call)
    known = {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": call.sent["recipe"].get("provider"),
        "gen_ai.request.model": model_of(call),
        "gen_ai.response.id": call.closed.get("request_id"),
        "gen_ai.usage.input_tokens": usage.get("input_tokens"),
        "gen_ai.usage.output_tokens": usage.get("output_tokens"),
        "error.type": call.closed.get("code"),
        "http.response.status_code": call.closed.get("status"),
        "imagemake.name": call.sent["name"],
        "imagemake.key": call.sent["key"],
        "imagemake.outcome": call.outcome.value,
        "imagemake.cost_usd": None if cost is None else float(cost),
    }
    return {name: value for name, value in known.items() if isinstance(value, str | int | float)}


def _nanoseconds(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000) * 1_000_000
