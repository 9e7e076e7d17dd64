"""Publishing in whole builds: what is sent, when readers see it, and what an interruption leaves."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from s3_proxy import an_s3_proxy
from s3_server import S3Server, an_s3_server
from s3fs import S3FileSystem

PUBLISH = [sys.executable, "-c", "from imagemake.cli.main import main; main()", "publish", "s3://shop/catalog"]


@pytest.fixture
def s3(tmp_path: Path):
    with an_s3_server(tmp_path / "s3", "shop") as running:
        yield running


def check_reader(server: S3Server) -> int:
    """Read the manifest and all of its images as a reader does; return the number of images."""
    objects = server.objects("shop")
    if "catalog/manifest.csv" not in objects:
        return 0
    rows = list(csv.DictReader(io.StringIO(objects["catalog/manifest.csv"].decode("utf-8-sig"))))
    for row in rows:
        image = objects[f"catalog/{row['file']}"]
        assert hashlib.sha256(image).hexdigest() == row["digest"]
    return len(rows)


def test_one_edited_row_sends_one_image_and_no_reader_ever_sees_half(preview, tmp_path, s3, monkeypatch):
    with an_s3_proxy(s3.endpoint) as proxy:
        for name, value in s3.environment(AWS_ENDPOINT_URL_S3=proxy.endpoint).items():
            monkeypatch.setenv(name, value)
        made = preview(rows=12, publish={"url": "s3://shop/catalog", "parallel": 2})
        made.snakemake()
        listed = made.imagemake("publish", "--dry-run").stdout.splitlines()
        assert [line.split()[0] for line in listed].count("new") == 17
        assert proxy.count("PUT") == 0, "a dry run writes nothing"

        proxy.delay_s = 0.4
        run = subprocess.Popen(PUBLISH, cwd=made.folder, stderr=subprocess.PIPE, start_new_session=True)
        while proxy.count("PUT") < 6:
            time.sleep(0.02)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        while proxy.in_flight:  # requests from before the kill may still arrive
            time.sleep(0.02)
        assert check_reader(s3) == 0, "nothing leads anywhere before all of it is there"
        proxy.delay_s = 0
        there = {name for name in s3.objects("shop") if name.startswith("catalog/images/")}
        assert there
        proxy.reset()
        assert f"{len(there)} were up to date" in made.imagemake("publish").stdout
        assert {path for path in proxy.paths("PUT") if "/images/" in path}.isdisjoint(f"/shop/{name}" for name in there)
        assert check_reader(s3) == 12
        first = s3.objects("shop")

        proxy.reset()
        assert "nothing to send; 17 were up to date" in made.imagemake("publish").stdout
        assert proxy.count("PUT") == 0

        made.edit_row(3, product="spoon")
        made.snakemake()
        proxy.on_put = lambda: check_reader(s3)
        proxy.reset()
        done = made.imagemake("publish")
        sent = [path.removeprefix("/shop/catalog/") for path in proxy.paths("PUT")]
        assert len([name for name in sent if name.startswith("images/")]) == 1
        assert sent[0] == ".imagemake/published.json", "what will be there is known before the first file goes"
        assert sent[1].startswith("images/S003_red.")
        assert {*sent[-3:-1]} == {"manifest.csv", "manifest.parquet"}
        assert sent[-1] == ".imagemake/published.json"
        assert "Kept 1 file of earlier releases" in done.stdout
        assert proxy.faults == [], "before each write a reader was here, and found all that the manifest named"
        assert set(first) <= set(s3.objects("shop"))

        assert "Deleted 1 file of earlier releases" in made.imagemake("publish", "--prune").stdout
        (gone,) = set(first) - set(s3.objects("shop"))
        assert gone.startswith("catalog/images/S003_red.")
        assert check_reader(s3) == 12

        head = S3FileSystem(skip_instance_cache=True).call_s3
        image = head("head_object", Bucket="shop", Key=f"catalog/{sent[1]}")
        assert (image["ContentType"], image["CacheControl"]) == (
            "image/jpeg",
            "public, max-age=31536000, immutable",
        )
        table = head("head_object", Bucket="shop", Key="catalog/manifest.csv")
        assert (table["ContentType"], table["CacheControl"]) == ("text/csv; charset=utf-8", "no-cache")
