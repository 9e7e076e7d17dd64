"""Which releases are made again because of their content credentials."""

import pytest
from certificates import a_chain

from imagemake.config.campaign import load_campaign
from imagemake.plan.target import Target
from imagemake.release.record import FILES, RESULTS, is_current, known_counts, write_record
from imagemake.store.store import Store


@pytest.fixture
def release(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (RESULTS / "images").mkdir(parents=True)
    for name in FILES:
        (RESULTS / name).touch()
    (tmp_path / "chain.pem").write_text(a_chain("Studio").chain)
    campaign = {"campaign": "c", "catalog": "c.csv", "prompt": "a {sku}", "name": "{sku}"}
    target = Target(load_campaign({**campaign, "c2pa": {"certificate": "chain.pem"}}), [], "all", "")

    class Release:
        store, work = Store(tmp_path / "store"), tmp_path / "work"

        def write(self, **unsigned):
            write_record(target, [], self.store, self.work, unsigned)

        def stands(self):
            return is_current(target, []), known_counts(target, self.store, self.work) is not None

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
