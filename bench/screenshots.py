"""Makes the pictures of pages, console, and contact sheet in docs/: `make screenshots`, which builds the site before.

Needs Chromium. Everything is drawn by free placeholders and the stand-in server; nothing outside is called.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from PIL import Image
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from fake_openai import FakeOpenAI, Settings  # noqa: E402
from label_of_page import PICTURE, build, side_by_side  # noqa: E402
from workflow.project import Project  # noqa: E402
from workflow.terminal import COLUMNS, in_terminal, on_screen  # noqa: E402

DOCS = ROOT / "docs"
PICTURES = DOCS / "screenshots"
SITE = ROOT / "site"
WIDTH_PX, HEIGHT_PX, MOST_BYTES = 1280, 800, 200_000
PORT = 8799
# Without rich's fonts, which a page would fetch from another server.
SVG = """<svg class="{unique_id}" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>{styles}
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, Menlo, Consolas, monospace }}</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{terminal_height}"/></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g></svg>
"""


def main() -> None:
    """Make all pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, FakeOpenAI(Settings(latency_s=2.0)) as server:
        console(Path(folder) / "console", server)
        side_by_side(*build(Project(Path(folder) / "labeled"))).save(PICTURE, quality=90)
        told(PICTURE)
        with sync_playwright() as started:
            chromium = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = chromium.new_page(viewport={"width": WIDTH_PX, "height": HEIGHT_PX}, color_scheme="light")
            save(page, f"file://{contact_sheet(Path(folder) / 'shop')}", DOCS / "contact-sheet.png")
            with review(Path(folder) / "my-shop") as address:
                save(page, address, PICTURES / "review.png")
            for name in ("index", "tutorial"):
                save(page, f"file://{SITE / name}.html", PICTURES / f"site-{name}.png")
            chromium.close()


def save(page: Any, address: str, path: Path) -> None:
    """Save a page as a PNG of 256 colors."""
    page.goto(address, wait_until="networkidle")
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        shot.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    told(path)


def told(path: Path) -> None:
    """Print the size of a picture, and end if it is too large for a page."""
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")
    if path.stat().st_size > MOST_BYTES:
        sys.exit(f"{path}: more than {MOST_BYTES / 1000:.0f} kB")


def contact_sheet(folder: Path) -> Path:
    """Build the sample of the bundled campaign, and return its contact sheet."""
    project = Project(folder)
    shutil.copytree(ROOT / "config", folder / "config", dirs_exist_ok=True)
    project.snakemake("pilot")
    return folder / "results/pilot/index.html"


@contextmanager
def review(folder: Path) -> Iterator[str]:
    """Build the tutorial's project up to its review, and yield the address of the image."""
    imagemake = [sys.executable, "-c", "from imagemake.cli.main import main; main()"]
    subprocess.run([*imagemake, "init", str(folder)], check=True, capture_output=True)
    config = folder / "config/config.yaml"
    limits = "{reject: {min: 0.09}, review: {min: 0.095}}"
    config.write_text(re.sub(r"(tone.contrast: ).*", rf"\g<1>{limits}", config.read_text()))
    subprocess.run([sys.executable, "-m", "snakemake"], cwd=folder, check=True, capture_output=True)
    key = (folder / "results/review.csv").read_text().splitlines()[1].partition(",")[0]
    server = subprocess.Popen([*imagemake, "review", "--no-browser", "--port", str(PORT)], cwd=folder)
    try:
        for _ in range(100):
            try:
                urlopen(f"http://127.0.0.1:{PORT}/").close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{PORT}/image/{key}"
    finally:
        server.terminate()
        server.wait()


def console(folder: Path, server: FakeOpenAI) -> None:
    """Draw the terminal in the middle of a run, and after it."""
    limits = {"in_flight": 8, "images_per_min": 120}
    project = Project(folder, server, rows=48, campaign="Autumn catalog", limits=limits, batch_size=12)
    parameters = {"size": "1024x1024", "quality": "low"}
    project.write_config(models={}, model={**project.config["model"], "identity": "openai", "parameters": parameters})
    _, written = in_terminal(project)
    lines = re.finditer(r"(?P<done>\d+) of 48 done \| (?P<made>\d+) generated[^\r\n]*", written)
    middle = [line.end() for line in lines if int(line["done"]) and int(line["made"]) < 48][-1]
    for name, text in (("console", written[:middle]), ("console-end", written)):
        path = PICTURES / f"{name}.svg"
        path.write_text(svg("\n".join(on_screen(text)[0])), encoding="utf-8")
        told(path)


def svg(lines: str) -> str:
    """Draw a terminal with lines, below the command."""
    recording = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    recording.print(Text.assemble(("$ ", "green"), ("snakemake", "bold"), "\n", lines))
    return recording.export_svg(title="", code_format=SVG, unique_id="terminal")


if __name__ == "__main__":
    main()
