"""What `imagemake doctor` looks at, in the order in which a run would need it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake import __version__
from imagemake.core.errors import ImagemakeError
from imagemake.core.problems import UserError
from imagemake.core.text import counted
from imagemake.store.layout import STORE
from imagemake.store.room import check_folders_of_run
from imagemake.versions.dvc import INSTALL, Dvc
from imagemake.versions.git import Git

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.model import ModelSettings
    from imagemake.config.models import ModelTable
    from imagemake.plan.requests.request import Request
    from imagemake.plugins.providers import ServerCheck

TYPICAL_IMAGE_BYTES = 2_500_000  # a PNG of 1024 px from a provider, with what is made from it
LARGEST_CLOCK_ERROR = timedelta(minutes=5)  # what S3 accepts in a signature
TIMEOUT_S = 20.0


class Verdict(StrEnum):
    """What a line says."""

    OK = "ok"
    NOTE = "note"
    FIX = "fix"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line.

    Attributes:
        verdict: Whether there is something to do.
        what: What was looked at, and what is so.
        remedy: What to do; empty if nothing.
    """

    verdict: Verdict
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict:<5} {self.what}"
        return f"{line}\n      {self.remedy}" if self.remedy else line


def findings(*, offline: bool) -> Iterator[Finding]:
    """Look at everything in the project of the working folder; later lines need what earlier ones found to be right.

    Args:
        offline: Whether to call no server.
    """
    yield _programs()
    yield from _last_build()
    from imagemake.config.fields import CONFIG
    from imagemake.config.load import read_campaign
    from imagemake.plan.requests.catalog import read_catalog
    from imagemake.plan.requests.expand import expand

    campaign: Campaign | None = None
    requests: Sequence[Request] = ()
    try:
        campaign = read_campaign(Path(CONFIG))
        yield Finding(Verdict.OK, f"{CONFIG}: {campaign.campaign}")
        rows = read_catalog(Path(campaign.catalog))
        requests = expand(campaign, rows)
        yield Finding(Verdict.OK, f"{campaign.catalog}: {counted(len(rows), 'row')}, {counted(len(requests), 'image')}")
    except UserError as error:
        yield from _to_fix(error)
    if campaign is not None:
        for check in (_packages, _alerts, _certificate):
            yield from _of(check, campaign)
        yield from _models(campaign, requests, offline=offline)
        if not offline:
            yield from _places(campaign)
    yield from _disk(len(requests))
    yield from _versioning()


def _of(check: Callable[[Campaign], Iterator[Finding]], campaign: Campaign) -> Iterator[Finding]:
    try:
        yield from check(campaign)
    except ImagemakeError as error:
        yield from _to_fix(error)


def _to_fix(error: ImagemakeError) -> Iterator[Finding]:
    if isinstance(error, UserError):
        for problem in error.problems:
            yield Finding(Verdict.FIX, f"{problem.where}: {problem.what}", problem.remedy)
    else:
        yield Finding(Verdict.FIX, str(error), error.remedy)


def _programs() -> Finding:
    python = ".".join(map(str, sys.version_info[:3]))
    return Finding(Verdict.OK, f"imagemake {__version__}, Snakemake {version('snakemake')}, Python {python}")


def _last_build() -> Iterator[Finding]:
    from imagemake.release.record import built_by
    from imagemake.store.layout import ALL, PILOT, SMALL

    versions = {scope: built_by(scope) for scope in (ALL, SMALL, PILOT)}
    by = ", ".join(f"{scope} by imagemake {last}" for scope, last in versions.items() if last)
    if by:
        others = {*versions.values()} - {"", __version__}
        remedy = "To see whether this version makes anything due, run: snakemake -n" if others else ""
        yield Finding(Verdict.NOTE if others else Verdict.OK, f"last built: {by}", remedy)


def _packages(campaign: Campaign) -> Iterator[Finding]:
    from imagemake.stages.postprocess.check import check_steps
    from imagemake.workflow.preflight.measures import check_packages

    check_packages(campaign)
    check_steps(campaign.postprocess)
    yield Finding(Verdict.OK, "packages: all that the campaign's measures and steps use")
    if find_spec("starlette") is None:
        yield Finding(Verdict.NOTE, "imagemake review needs a package.", "Run: pip install 'imagemake[review]'")


def _alerts(campaign: Campaign) -> Iterator[Finding]:
    from imagemake.workflow.alerts import check_alerts

    for warning in check_alerts(campaign.alerts):
        yield Finding(Verdict.FIX, warning, "Set it, or remove alerts from the configuration.")


def _certificate(campaign: Campaign) -> Iterator[Finding]:
    from imagemake.workflow.preflight.credentials import check_credentials

    for warning in check_credentials(campaign):
        yield Finding(Verdict.NOTE, warning)
    if campaign.c2pa is not None:
        yield Finding(Verdict.OK, "c2pa: a trial image was signed and read back")


def _models(campaign: Campaign, requests: Sequence[Request], *, offline: bool) -> Iterator[Finding]:
    from imagemake.config.models import load_models
    from imagemake.config.several_models import settings_of

    table = load_models(campaign.models)
    labels = sorted({label for request in requests for label in request.labels})
    settings = [settings_of(label, campaign) for label in labels]
    asked = [model for asker in campaign.askers for model in asker.models]
    for one in {(each.connects_to, each.name): each for each in [*settings, *asked]}.values():
        yield from _model(one, table, offline=offline)
    yield from _images_at_urls(settings)


def _images_at_urls(settings: Sequence[ModelSettings]) -> Iterator[Finding]:
    """Note that a proxy is set, and that images of these models go past it."""
    from imagemake.plugins.providers import provider_class
    from imagemake.plugins.providers.http.network import IMAGES_BY_PROXY, images_by_proxy, proxy_to
    from imagemake.plugins.providers.queue import QueueProvider

    proxy = proxy_to("https://images.example.com")
    names = sorted({one.name for one in settings if issubclass(provider_class(one.provider), QueueProvider)})
    if proxy is not None and names and not images_by_proxy():
        what = f"proxy: images of {', '.join(names)} are at URLs, and come directly, not through {proxy.address}."
        remedy = f"If this machine has no other way to the Internet, set {IMAGES_BY_PROXY}=1."
        yield Finding(Verdict.NOTE, what, remedy)


def _model(settings: ModelSettings, table: ModelTable, *, offline: bool) -> Iterator[Finding]:
    from imagemake.plugins.providers import ProviderError, provider_class

    name = f"model {settings.name} of {settings.place}"
    kind = provider_class(settings.provider)
    missing = [variable for variable in settings.connects_to.variables() if not os.environ.get(variable)]
    for variable in missing:
        remedy = f"Set it in the environment: export {variable}=…"
        yield Finding(Verdict.FIX, f"{name}: {variable} is not set, so that every call would be refused.", remedy)
    if missing:
        return
    if settings.server is not None:
        yield _server(settings)
        return
    if offline:
        return

    async def ask() -> ServerCheck | None:
        provider = settings.connects_to.start(TIMEOUT_S, table)
        try:
            return await provider.check(settings.name)
        except ProviderError as error:
            error.remedy = provider.remedy_of(error)
            raise
        finally:
            await provider.close()

    try:
        said = asyncio.run(ask())
    except ImagemakeError as error:
        yield Finding(Verdict.FIX, f"{name}: {error}", error.remedy)
        return
    if said is None:
        yield Finding(Verdict.OK, f"{name}: nothing to ask without paying" if kind.paid else f"{name}: free")
        return
    remedy = "Correct its name in config.yaml." if said.is_fault else ""
    yield Finding(Verdict.FIX if said.is_fault else Verdict.OK, f"{name}: {said.words}", remedy)
    if said.time is not None:
        yield _clock(datetime.now(UTC) - said.time)


def _server(settings: ModelSettings) -> Finding:
    from imagemake.workflow.preflight.servers import command_words, is_there

    program = settings.connects_to.command[0]
    if is_there(program):
        return Finding(Verdict.OK, f"model {settings.name}: a run starts its server: {command_words(settings)}")
    remedy = "Install it, or write its path. On a cluster, only the machines that run jobs need it."
    return Finding(Verdict.FIX, f"model {settings.name}: its server's program {program} is not on PATH.", remedy)


def _clock(ahead: timedelta) -> Finding:
    seconds = round(abs(ahead.total_seconds()))
    if abs(ahead) <= LARGEST_CLOCK_ERROR:
        return Finding(Verdict.OK, f"clock: within {max(2, seconds)} s of the server's")
    what = f"clock: {seconds:,} s {'ahead of' if ahead > timedelta() else 'behind'} the server's."
    return Finding(Verdict.FIX, what, "Set this machine's clock: S3 refuses signatures that are 15 minutes off.")


def _places(campaign: Campaign) -> Iterator[Finding]:
    from imagemake.store.remote.storage import Storage

    for key, address in (("store.remote", campaign.store.remote), ("publish.url", campaign.publish.url)):
        if address is None:
            continue
        try:
            storage = Storage(address, timeout_s=TIMEOUT_S, tries=1)
            if storage.is_absent:
                yield Finding(Verdict.FIX, f"{key}: {address} does not exist.", "Create this folder, or mount it.")
                continue
            storage.get(".imagemake-doctor", 1)  # it does not exist, and that is an answer
            yield Finding(Verdict.OK, f"{key}: {address} can be read")
        except ImagemakeError as error:
            yield Finding(Verdict.FIX, f"{key}: {error}", error.remedy)


def _disk(n_images: int) -> Iterator[Finding]:
    try:
        check_folders_of_run()
    except ImagemakeError as error:
        yield from _to_fix(error)
        return
    place = next(path for path in (STORE, Path()) if path.exists())
    free, needed = shutil.disk_usage(place).free, n_images * TYPICAL_IMAGE_BYTES
    what = f"disk: {free / 1e9:,.1f} GB free for {STORE}/"
    if n_images:  # else the catalog or the configuration is to fix first
        what += f"; {counted(n_images, 'image')} may take {_size(needed)}"
    if free >= needed:
        yield Finding(Verdict.OK, what)
    else:
        yield Finding(Verdict.NOTE, what, "Make room, or link store to a larger disk.")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.0f} MB" if n_bytes < 1e9 else f"{n_bytes / 1e9:,.1f} GB"


def _versioning() -> Iterator[Finding]:
    obstacle = Git().obstacle()
    if obstacle is not None:
        yield Finding(
            Verdict.NOTE, f"git: {obstacle}", "Releases need a repository. `imagemake init --dvc` sets it up."
        )
        return
    yield Finding(Verdict.OK, "git: this project is in a repository")
    if not Dvc().is_there():
        remedy = "To version images with releases, run: imagemake init --dvc"
        yield Finding(Verdict.NOTE, "DVC: this project does not use it", remedy)
    elif find_spec("dvc") is None:
        yield Finding(Verdict.FIX, "DVC: this project uses it, and it is not installed.", f"Run: {INSTALL}")
    else:
        yield Finding(Verdict.OK, f"DVC {version('dvc')}")
