"""The sections `limits`, `alerts`, `monitor`, and `budget_usd`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from imagemake.config.fields import Section, Text


class Limits(Section):
    """Rates, retries, and waiting times of calls."""

    in_flight: int = Field(8, ge=1, description="Most concurrent calls, over all jobs of a run.")
    batches_in_flight: int = Field(
        8,
        ge=1,
        description="Most concurrent batches of calls at the provider, over all jobs of a run (mode: batch). If the "
        "provider's queue is full, the next batch waits.",
    )
    judge_calls_in_flight: int = Field(
        8, ge=1, description="Most concurrent calls that ask about images, over all jobs of a run."
    )
    images_per_min: float | None = Field(None, gt=0, description="Most images per minute, over all jobs.")
    requests_per_min: float | None = Field(None, gt=0, description="Most calls per minute, over all jobs.")
    tokens_per_min: float | None = Field(
        None,
        gt=0,
        description="Most tokens per minute, over all jobs. The tokens that calls take are learned from their "
        "responses.",
    )
    tries: int = Field(5, ge=1, description="Most calls per image in one run, including the first.")
    first_wait_s: float = Field(
        1.0, gt=0, description="Longest wait before the second try, in seconds. It doubles with each try."
    )
    longest_wait_s: float = Field(60.0, gt=0, description="Longest wait before any try, in seconds.")
    timeout_s: float = Field(300.0, gt=0, description="Longest wait for a response, in seconds.")
    queue_wait_s: float = Field(
        3600.0,
        gt=0,
        description="Longest wait in a run for an image in a provider's queue, as those of fal, in seconds. The image "
        "stays there, and the next run goes on waiting.",
    )
    unknown: Literal["retry", "hold"] = Field(
        "retry",
        description="What to do about a call that got no response and may have been billed. retry: call again, which "
        "may cost twice. hold: leave the image out until you set retry.",
    )
    unfetched: Literal["wait", "retry"] = Field(
        "wait",
        description="What to do about images that were paid for in earlier runs and whose URLs do not answer. wait: "
        "each run asks the URLs again. retry: if they still do not answer, the run makes other attempts, which cost "
        "too; for a server that is gone for good.",
    )
    grace_s: float = Field(
        60.0, ge=0, description="How long to wait for calls in flight after Ctrl-C, SIGTERM, or SIGHUP, in seconds."
    )


Event = Literal["finished", "stopped", "budget", "failures", "crashed", "gpu"]


class Alerts(Section):
    """Messages about a run. Set the addresses in the environment variable IMAGEMAKE_ALERTS."""

    on: Annotated[tuple[Event, ...], Strict(False)] = Field(
        (),
        description="Events to report, each at most once per run: finished (a stage was released), stopped (quota "
        "exhausted, key or organization rejected), budget (images were left out), failures (failure_rate was "
        "exceeded), crashed (the run ended with an error that no other message tells), gpu (a card was throttled, or "
        "its memory did not come back after a job).",
        examples=[["finished", "stopped", "budget", "failures", "crashed", "gpu"]],
    )
    failure_rate: float = Field(
        0.3, ge=0, le=1, description="Share of a job's images that may fail or be rejected without a message, 0 to 1."
    )
    min_images: int = Field(20, ge=1, description="Images that a job must have before failure_rate applies.")


class Prometheus(Section):
    """Where the metrics of a run can be read in Prometheus's format. Needs `pip install 'imagemake[prometheus]'`."""

    file: Text | None = Field(
        None,
        description="File to write, for the textfile collector of node_exporter. It ends in .prom, and is replaced as "
        "a whole.",
        examples=["/var/lib/node_exporter/imagemake.prom"],
    )
    port: int | None = Field(
        None, ge=1, le=65_535, description="Port to serve the metrics at, a whole number, while the run lasts."
    )
    host: Text = Field("127.0.0.1", description="Address to listen at. 0.0.0.0 lets other machines read the metrics.")


class Monitor(Section):
    """Metrics and traces of runs. A change here changes no image."""

    prometheus: Prometheus | None = Field(None, description="Metrics in Prometheus's format.")
    traces: bool = Field(
        False,
        description="Export a trace of each run with a span per call, by OpenTelemetry over HTTP. Its standard "
        "environment variables say where to, such as OTEL_EXPORTER_OTLP_ENDPOINT. Needs "
        "`pip install 'imagemake[traces]'`.",
    )
    every_s: float = Field(15.0, ge=1, description="Time between two updates, in seconds.")

    @property
    def is_on(self) -> bool:
        """Whether anything is shown."""
        return self.traces or self.prometheus is not None


Usd = Annotated[float, Field(gt=0)]


class Budget(Section):
    """The most to spend. Images that do not fit are left out, and the run ends with 1."""

    run: Usd | None = Field(None, description="The most to spend per run, in USD.")
    campaign: Usd | None = Field(
        None,
        description="The most to spend on the campaign, in USD, over all runs in the journal.",
    )

    @property
    def is_limited(self) -> bool:
        """Whether a limit is set."""
        return self.run is not None or self.campaign is not None
