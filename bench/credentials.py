"""Measures what content credentials cost per released image: CPU time and bytes, also if nothing changed.

``python bench/credentials.py [IMAGES] [EDGE_PX]``: released JPEGs, made of raw PNGs of 1024 px, in one process:
with XMP only, signed, and signed with the provider's credentials as parent. Reports the CPU time of all threads, so
other programs matter little. The page cache is warm.
"""

from __future__ import annotations

import io
import resource
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image
from provenance import AT, states_in

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from certificates import a_chain
from content_credentials import signed_by_provider
from cryptography.x509.oid import ExtendedKeyUsageOID
from time_stamps import time_stamping

from imagemake.config.campaign import load_campaign
from imagemake.config.provenance import C2pa
from imagemake.plan.reviews import Review
from imagemake.plan.state import State
from imagemake.release.credentials.certificate import read_certificate
from imagemake.release.credentials.signing import Seal, Signing
from imagemake.release.place import Placing
from imagemake.release.released_files import Released, ReleasedBefore
from imagemake.store.store import Store

STUDIO, PROVIDER = a_chain("Studio"), a_chain("Provider")
CAMPAIGN = {"campaign": "c", "catalog": "c.csv", "prompt": "a {sku}", "name": "{sku}"}


def raw_image(signed: bool) -> bytes:
    """Return a PNG of 1024 px, similar to those of providers."""
    noise = np.random.default_rng(8).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((1024, 1024), Image.Resampling.BICUBIC).save(file, "PNG", compress_level=1)
    data = file.getvalue()
    return signed_by_provider(data, "image/png", PROVIDER.chain, PROVIDER.key) if signed else data


class Way:
    """A way of releasing, with its own folder."""

    def __init__(self, folder: Path, states: list[State], raw: bytes | None, url: str | None = None) -> None:
        self.folder, self.states = folder, states
        self.campaign = load_campaign({**CAMPAIGN, "postprocess": {"steps": [{"resize": {"width_px": 800}}]}})
        self.signing = None
        if raw is not None:
            store = Store(folder / "store")
            for state in states:
                state.raw = store.raw.put(state.key, raw, durable=False)
            (folder / "chain.pem").write_text(STUDIO.chain)
            settings = C2pa(certificate=str(folder / "chain.pem"), time_stamp_url=url)
            seal = Seal(read_certificate(settings, datetime.now(UTC)), self.campaign)
            self.signing = Signing(seal, STUDIO.key.encode(), store)

    def release(self) -> float:
        """Release all images, and return the CPU time per image in ms."""
        began = time.process_time()
        memory = ReleasedBefore(self.folder / "released.json")
        placing = Placing(Store(self.folder / "store").finished, self.campaign.metadata, memory, self.signing)
        wanted = {self.folder / "images" / f"{state.request.name}.jpg": state for state in self.states}
        for _, _, result in placing.place_all(wanted, lambda _: AT):
            assert isinstance(result, Released)
            assert result.unsigned is None, result.unsigned
        memory.save()
        return 1000 * (time.process_time() - began) / len(self.states)

    def tell(self, what: str) -> None:
        """Release in all situations, and print the time of each."""
        times = {"first": self.release(), "again": self.release()}
        (self.folder / "released.json").unlink()
        times["again, work/ lost"] = self.release()
        for state in self.states:
            state.review = Review("approve", "fine", "", "")
        times["other notes"] = self.release()
        size = np.mean([path.stat().st_size for path in (self.folder / "images").iterdir()])
        told = ", ".join(f"{name} {ms:.2f} ms" for name, ms in times.items())
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(f"{what}: {told}; {size:,.0f} bytes a file; peak of the process so far {peak_mb:.0f} MB")


def main() -> None:
    """Measure all ways of releasing."""
    n_images, edge_px = (int(number) for number in (*sys.argv[1:], "300", "800")[:2])
    ways = {"XMP alone": None, "signed": raw_image(False), "signed, with a parent": raw_image(True)}
    for what, raw in ways.items():
        folder = Path(tempfile.mkdtemp(dir="."))
        try:
            Way(folder, states_in(folder, n_images, edge_px), raw).tell(what)
        finally:
            shutil.rmtree(folder)
    folder = Path(tempfile.mkdtemp(dir="."))
    try:
        (folder / "authority").mkdir()
        authority = a_chain("Authority", "RSA", usage=ExtendedKeyUsageOID.TIME_STAMPING)
        with time_stamping(folder / "authority", authority) as url:
            way = Way(folder, states_in(folder, 1, edge_px), raw_image(False), url)
            way.release()
        print(f"signed, with a time stamp: {next((folder / 'images').iterdir()).stat().st_size:,} bytes a file")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
