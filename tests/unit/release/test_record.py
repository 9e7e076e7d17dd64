"""Which releases are made again because of their content credentials, or because a linked image changed."""

import os
import random
from dataclasses import replace

import pytest
from catalogs import catalog_of
from certificates import a_chain
from own_model import NETWORK, WEIGHTS, sections_with_files
from paper_shop import PaperShop

from imagemake import __version__
from imagemake.config.campaign import load_campaign
from imagemake.plan.requests.catalog import Catalog
from imagemake.plan.requests.catalog_csv import CsvReader
from imagemake.plan.target import Target
from imagemake.release import record
from imagemake.release.current import is_current
from imagemake.release.record import FILES, known_counts, upgrade_words, write_record
from imagemake.store.layout import RESULTS
from imagemake.store.store import Store


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda **more: release_of(tmp_path, more)


@pytest.fixture
def release(made, tmp_path):
    (tmp_path / "chain.pem").write_text(a_chain("Studio").chain)
    return made(c2pa={"certificate": "chain.pem"})


def release_of(tmp_path, more):
    (RESULTS / "images").mkdir(parents=True)
    for name in FILES:
        (RESULTS / name).touch()
    campaign = {"campaign": "c", "catalog": "c.csv", "prompt": "a {sku}", "name": "{sku}"}
    rows = catalog_of([{"sku": "a"}])
    target = Target(load_campaign({**campaign, **more}), rows, "all", "")

    class Release:
        store, work = Store(tmp_path / "store"), tmp_path / "work"

        def write(self, **unsigned):
            write_record(target, [], self.store, self.work, unsigned)

        def stands(self, content=rows.data):
            now = replace(target, catalog=Catalog(rows.path, content))
            return is_current(now, []), known_counts(now, self.store, self.work) is not None

    return Release()


def test_a_release_that_is_signed_stands(release):
    release.write()
    assert release.stands() == (True, True)


def test_one_with_an_image_that_could_not_be_signed_is_made_again(release):
    release.write(mug="nobody answers")
    assert release.stands() == (False, False)


def test_one_that_another_certificate_signed_is_made_again(release, tmp_path):
    release.write()
    (tmp_path / "chain.pem").write_text(a_chain("Other").chain)
    assert release.stands() == (False, False)


@pytest.mark.parametrize("xmp", [False, True])
def test_a_release_of_links_is_made_again_after_a_change_of_one_of_them(made, xmp):
    release = made(metadata={"xmp": xmp})
    path = RESULTS / "images" / "mug.jpg"
    path.write_bytes(b"one")
    release.write()
    assert release.stands()[1]
    path.write_bytes(b"two")
    os.utime(path, (1, 1))
    assert release.stands()[1] == xmp


def test_another_version_is_told_and_makes_nothing_due_by_itself(made, monkeypatch):
    release = made()
    assert upgrade_words("all") == [], "never built"
    release.write()
    assert upgrade_words("all") == []
    monkeypatch.setattr(record, "__version__", "9.1")
    assert upgrade_words("all") == [f"  Last built by imagemake {__version__}; this is 9.1."]
    assert release.stands() == (True, True)


def test_a_release_whose_contact_sheet_lost_a_part_is_made_again(made):
    release = made()
    part = RESULTS / "index" / "list-1.html"
    part.parent.mkdir()
    part.touch()
    release.write()
    assert release.stands() == (True, True)
    part.unlink()
    assert release.stands() == (False, False)


def test_whether_a_release_stands_takes_no_row_of_a_file_that_is_as_it_was(made, monkeypatch):
    release = made()
    release.write()
    monkeypatch.setattr(CsvReader, "rows", None)
    monkeypatch.setattr(CsvReader, "records", None)
    assert release.stands() == (True, True)


def test_a_release_stands_if_its_rows_are_only_written_in_another_way(made):
    release = made()
    release.write()
    assert release.stands(b'sku\r\n"a"\r\n') == (True, True)
    assert release.stands(b"sku\nb\n")[1] is False
    assert release.stands(b"\nsku\na\n")[1] is False, "the manifest has the numbers of rows"


@pytest.mark.parametrize("changed", [WEIGHTS, NETWORK])
def test_a_release_is_made_again_after_a_change_of_weights_or_of_the_network_of_a_step(tmp_path, monkeypatch, changed):
    monkeypatch.chdir(tmp_path)
    shop = PaperShop(random.Random(1), n=3, config=sections_with_files(monkeypatch))
    shop.run()
    shop.release()
    assert known_counts(shop.target(), shop.store, shop.work) is not None
    changed.write_bytes(b"another one")
    assert known_counts(shop.target(), shop.store, shop.work) is None
