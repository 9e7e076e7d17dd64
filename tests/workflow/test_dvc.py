"""Two people, one store: what DVC moves between them, what they pay for, and what stays one copy on a disk."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from s3_server import an_s3_server
from workflow.project import REPOSITORY

from imagemake.cli.new_project import write_project
from imagemake.store.store import Store
from imagemake.versions import dvc
from imagemake.versions.dvc import Dvc
from imagemake.versions.git import Git

SETTINGS = (
    "[core]\nremote = team\nanalytics = false\n[cache]\ntype = hardlink,copy\n"
    "['remote \"team\"']\nurl = s3://team/shop\n"
)
BUCKET = "team"


class Person:
    """Somebody with a clone."""

    def __init__(self, name, project, s3, places):
        self.project = project
        self.folder = project.folder
        self.environment = {
            **project.environment(),
            **s3.environment(AWS_CONFIG_FILE=str(places / "none")),  # DVC wants a real file or none
            **{f"GIT_{role}_{what}": name for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(places / name),  # nothing of this machine's own settings
        }

    def run(self, *command, expect=0):
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == expect, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def save(self, what):
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", what)

    def files(self, *patterns):
        return {
            path.relative_to(self.folder): path for one in patterns for path in self.folder.glob(one) if path.is_file()
        }

    def tracked(self):
        return self.files("store/**/*", "results/images/*", *(f"results/{name}" for name in TABLES))


TABLES = ("index.html", "manifest.csv", "manifest.parquet", "manifest.schema.json", "release.json", "review.csv")


def contents(objects):
    """Objects that are files, by the MD5 that DVC names them by; listings of folders end in .dir."""
    return {"".join(key.split("/")[-2:]): data for key, data in objects.items() if not key.endswith(".dir")}


def md5s(paths):
    return {hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() for path in paths}


def names_that_lie(cache):
    return [
        path
        for path in cache.rglob("*/*")
        if path.is_file() and len(path.name) == 30 and md5s([path]) != {path.parent.name + path.name}
    ]


def test_a_clone_has_nothing_to_make_and_an_edit_costs_one_call_and_moves_one_image(project, tmp_path):
    made = project()
    for name in ("dvc.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(REPOSITORY / name, made.folder)
    (made.folder / "src").mkdir()
    (made.folder / "src" / "empty").touch()
    with an_s3_server(tmp_path / "s3", BUCKET) as s3:
        ann = Person("ann", made, s3, tmp_path)
        ann.run("git", "init", "-q", "--bare", "-b", "main", str(tmp_path / "origin.git"))
        ann.run("git", "init", "-q", "-b", "main")
        ann.run("git", "remote", "add", "origin", str(tmp_path / "origin.git"))
        ann.run("dvc", "init", "-q")
        (made.folder / ".dvc" / "config").write_text(SETTINGS)

        # Ann builds and sends: everything goes over the wire once, and stays on her disk once.
        ann.run("dvc", "repro", "-q")
        assert made.calls() == 4
        ann.save("the first four")
        ann.run("dvc", "push", "-q")
        ann.run("git", "push", "-q", "-u", "origin", "main")
        first = contents(s3.objects(BUCKET))
        assert first.keys() == md5s(ann.tracked().values()), "what is there is just what was sent"
        assert all(path.stat().st_nlink > 1 for path in ann.tracked().values()), "one copy on disk, not two"
        assert not ann.files("store/claims/*"), "nor are locks left, which are of one machine"

        # Ben has everything that Ann paid for, and nothing to do.
        ann.run("git", "clone", "-q", str(tmp_path / "origin.git"), str(tmp_path / "ben"))
        theirs = copy.copy(made)
        theirs.folder = tmp_path / "ben"
        ben = Person("ben", theirs, s3, tmp_path)
        ben.run("dvc", "pull", "-q")
        assert {name: path.read_bytes() for name, path in ben.tracked().items()} == {
            name: path.read_bytes() for name, path in ann.tracked().items()
        }
        told = ben.run("snakemake", "-n", "--cores", "1")
        assert "4 up to date" in told
        assert "Nothing to do." in told
        assert not (ben.folder / "work" / "validated").exists(), "and not by way of tables of his own"

        # Ben edits a prompt: one call, and one image on the wire.
        before = ben.files("store/**/*")
        theirs.edit_row(1, product="teapot")
        ben.run("snakemake", "--cores", "2")
        assert made.calls() == 5
        ben.save("a teapot")
        released = ben.run("imagemake", "release", "v1", "--note", "Teapots", "--push")
        assert "v1 is released: 4 images: 4 new" in released
        assert before.keys() < ben.files("store/**/*").keys()
        second = contents(s3.objects(BUCKET))
        assert first.items() <= second.items(), "nothing in the storage is ever another thing"
        sent = {md5 for md5 in second if md5 not in first}
        raw, images = md5s(ben.files("store/raw/**/*").values()), md5s(ben.files("results/images/*").values())
        assert len(sent & raw) == 1
        assert len(sent & images) == 1
        assert len(sent) == len(
            {"raw", "finished", "released", "journal", "measures", *TABLES} - {"review.csv", "manifest.schema.json"}
        )

        # Ann fetches it, and pays nothing.
        ann.run("git", "pull", "-q")
        ann.run("dvc", "pull", "-q")
        assert "Nothing to do." in ann.run("snakemake", "-n", "--cores", "1")
        assert made.calls() == 5
        assert "1 release, no change" in ann.run("imagemake", "verify")
        assert not names_that_lie(ann.folder / ".dvc" / "cache") + names_that_lie(ben.folder / ".dvc" / "cache")
        numbers = json.loads(ann.run("dvc", "metrics", "diff", "--json", "HEAD~2"))["results/metrics.json"]
        assert numbers["cached_share"] == {"old": 0.0, "new": 0.75, "diff": 0.75}
        plots = json.loads(ann.run("dvc", "plots", "show", "--json"))["data"]
        assert {"success rate", "awaiting review", "failures", "cost per image", "seconds per image"} == set(plots)
        assert all("v1" in json.dumps(plot) for plot in plots.values())


def test_others_fetch_images_and_exports_by_name_or_path(tmp_path, monkeypatch):
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "ann")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ann@example.org")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    ann = tmp_path / "ann"

    def run(folder, command):
        done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    for name in ("store/raw/a.png", "results/images/a.jpg", "results/exports/train/a.jpg", "config/config.yaml"):
        (ann / name).parent.mkdir(parents=True, exist_ok=True)
        (ann / name).write_text("quality: 90\n")
    told = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())
    (ann / "dvc.yaml").write_text(yaml.safe_dump({key: told[key] for key in ("params", "artifacts")}))
    for command in ("git init -q -b main", "dvc init -q"):
        run(ann, command)
    Dvc(ann).track()
    for command in ("git add -A", "git commit -q -m first", "git tag v1", "gto register images --version v1.0.0"):
        run(ann, command)
    run(tmp_path, f"dvc get {ann} results/exports/train --rev v1 -o by-path")
    run(tmp_path, f"dvc artifacts get {ann} images -o by-name")
    assert [path.name for path in (tmp_path / "by-path").iterdir()] == ["a.jpg"]
    assert [path.name for path in (tmp_path / "by-name").iterdir()] == ["a.jpg"]
    (ann / "config/config.yaml").write_text("quality: 80\n")
    assert json.loads(run(ann, "dvc params diff --json")) == {
        "config/config.yaml": {"quality": {"old": 90, "new": 80, "diff": -10}}
    }


def test_what_two_people_bought_at_once_is_all_there_once_their_branches_are_merged(tmp_path, monkeypatch):
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "ann")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ann@example.org")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    ann, ben = tmp_path / "ann", tmp_path / "ben"

    def run(folder, *commands):
        for command in commands:
            done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    def buy(folder, name):
        (folder / "store" / "raw").mkdir(parents=True, exist_ok=True)
        (folder / "store" / "raw" / name).write_text(name)
        run(folder, "dvc add -q store", "git add -A", f"git commit -q -m {name}", "dvc push -q")

    ann.mkdir()
    run(ann, "git init -q -b main")
    list(write_project(ann, "blank", "preview", with_dvc=True))
    (ann / "dvc.yaml").unlink()  # nothing is built here
    config = f"[core]\nremote = team\nanalytics = false\n['remote \"team\"']\nurl = {tmp_path / 'team'}\n"
    (ann / ".dvc" / "config").write_text(config)
    buy(ann, "first")
    run(tmp_path, "git clone -q ann ben")
    run(ben, "dvc pull -q")
    buy(ann, "mug")
    buy(ben, "hat")
    # As docs/how-to/versions.md has it.
    driver = "dvc git-hook merge-driver --ancestor %O --our %A --their %B"
    subprocess.run(["git", "config", "merge.dvc.driver", driver], cwd=ben, check=True)
    run(ben, "git fetch -q origin", "git switch -q --detach origin/main", "dvc fetch -q", "git switch -q main")
    run(ben, "git merge -q -m both origin/main", "dvc checkout -q")
    assert {path.name for path in (ben / "store" / "raw").iterdir()} == {"first", "mug", "hat"}


def test_a_version_of_a_large_store_has_lists_of_only_the_folders_that_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git, store = Git(), Store(Path("store"))
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "ann")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ann@example.com")
    subprocess.run(["git", "init", "-q"], check=True)
    for name in (".gitignore", ".dvcignore"):
        shutil.copy(REPOSITORY / name, tmp_path)
    Dvc().start()
    subprocess.run(["git", "add", "-A"], check=True)

    of_dvc = [Path(name) for name in (".dvcignore", ".dvc/.gitignore", ".dvc/config")]

    def track(keys, message):
        for key in keys:
            store.raw.put(key * 64, key.encode(), durable=False)
        assert git.commit([*Dvc().track(), Path(".gitignore"), *of_dvc], message)
        assert subprocess.run(["git", "status", "--short"], capture_output=True, check=True, text=True).stdout == ""
        return {path: json.loads(path.read_bytes()) for path in Path(".dvc/cache").rglob("*.dir")}

    track("0123", "small")
    monkeypatch.setattr(dvc, "LARGE", 4)
    before = track("4", "large")
    assert Path("store/raw/4.dvc").exists()
    assert not Path("store.dvc").exists()
    after = track("f", "one more")
    assert [len(listed) for path, listed in after.items() if path not in before] == [1]
