"""Where everything is in a project: the folders work/, store/, results/, and releases/.

| folder | what | may be deleted |
|---|---|---|
| work/ | batches, tables, and logs of jobs | at any time: it costs CPU, never money |
| store/ | what was paid for; see `imagemake.store.store` | never |
| results/ | the current release of each scope | at any time: it is made from the store |
| releases/ | a record of each named release | never |

Rule files spell the same paths, because Snakemake needs them as text; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

WORK, STORE, RESULTS, RELEASES = Path("work"), Path("store"), Path("results"), Path("releases")
LOGS = Path("logs")  # of jobs; may be deleted at any time

# Scopes: what a Snakemake target asks for.
ALL, SMALL, PILOT = "all", "small", "pilot"
IMAGE = "image/"  # before a file name: one image and nothing else

IMAGES, SHEETS, EXPORTS = "images", "sheets", "exports"  # folders of a release
PAGE = "index.html"  # the contact sheet of a release
PAGE_PARTS = "index"  # folder of its parts, if it is large
RELEASE_FOLDERS: Mapping[str, Path] = {ALL: RESULTS, SMALL: RESULTS / SMALL, PILOT: RESULTS / PILOT}

BATCHES, GENERATED, VALIDATED = "batches", "generated", "validated"
JUDGED, REWRITTEN, POSTPROCESSED = "judged", "rewritten", "postprocessed"
RESULT_TABLES = (GENERATED, VALIDATED, JUDGED, REWRITTEN, POSTPROCESSED)  # folders of tables that jobs make
TABLES = (BATCHES, *RESULT_TABLES)  # all folders of tables
MEASURED_TABLES = (VALIDATED, JUDGED, POSTPROCESSED)  # folders of tables that tell what was measured and postprocessed


def results_folder(scope: str) -> Path:
    """Return the folder that the release of a scope is in."""
    return RESULTS if scope.startswith(IMAGE) else RELEASE_FOLDERS[scope]


def batch_file(work: Path, batch: str) -> Path:
    """Return the file that lists the items of a batch."""
    return work / BATCHES / f"{batch}.jsonl"


def plans_folder(work: Path) -> Path:
    """Return the folder of plans, and of the catalogs that they are of."""
    return work / "plans"


def plan_file(work: Path, run: str) -> Path:
    """Return the file of a plan."""
    return plans_folder(work) / f"{run}.json"


def settings_folder(work: Path) -> Path:
    """Return the folder of the settings that rules pass to jobs."""
    return work / "settings"


def spending_file(work: Path) -> Path:
    """Return the file that the jobs of a run share to keep to the budget."""
    return work / "spending.json"


def pace_file(work: Path, lane: str) -> Path:
    """Return the file that the jobs of a run share to keep to the rates of a server or model."""
    return work / "pace" / f"{lane}.json"


def source_images_file(work: Path) -> Path:
    """Return the cache of what is known of reference images and masks."""
    return work / "images.json"


def settled_folder(work: Path) -> Path:
    """Return the folder that remembers which rows need no look; see `imagemake.plan.settled`."""
    return work / "settled"


def work_of_release(work: Path, scope: str) -> Path:
    """Return the folder of what is kept of the last release of a scope."""
    return work / "released" / scope


def chunks_folder(work: Path, scope: str) -> Path:
    """Return the folder that keeps its rows; see `imagemake.release.manifest.chunks`."""
    return work_of_release(work, scope) / "rows"


def pieces_folder(work: Path, scope: str) -> Path:
    """Return the folder that keeps what was made of them."""
    return work_of_release(work, scope) / "pieces"


def released_file(work: Path, scope: str) -> Path:
    """Return the record of what the released images of a scope were made of."""
    return work / "released" / f"{scope}.json"


def thumbnails_folder(work: Path) -> Path:
    """Return the cache of thumbnails."""
    return work / "thumbnails"


def alerts_folder(work: Path) -> Path:
    """Return the folder that remembers which alerts were sent in this run."""
    return work / "alerts"


def run_lock_file(work: Path) -> Path:
    """Return the lock that allows one run per project folder."""
    return work / "run.lock"


def kubernetes_file(work: Path) -> Path:
    """Return the note of what a run has on Kubernetes."""
    return work / "kubernetes.json"


def progress_folder(work: Path) -> Path:
    """Return the folder in which jobs tell their progress."""
    return work / "progress"


def progress_file(work: Path, table: Path) -> Path:
    """Return the file in which the job that makes a table tells its progress."""
    return progress_folder(work) / f"{table.parent.name}-{table.stem}.json"


def job_times_file(work: Path) -> Path:
    """Return the file that keeps how long jobs of earlier runs took per image."""
    return work / "job_times.json"


def stopping_file(work: Path) -> Path:
    """Return the note that tells running jobs to stop, because the run was told to."""
    return work / "stopping"


def kept_here_file(work: Path) -> Path:
    """Return the note of the files of measures in the store that were made from the tables in this folder."""
    return work / "kept_here.json"


def tracked_file(work: Path) -> Path:
    """Return the note of the folders that DVC has as they are."""
    return work / "tracked.json"


def swept_file(work: Path) -> Path:
    """Return the file whose time says when leftovers of killed processes were last swept."""
    return work / "swept"


def used_up_folder(work: Path) -> Path:
    """Return the folder of notes about models whose quota is used up in this run."""
    return work / "used_up"


def used_up_file(work: Path, model: str) -> Path:
    """Return the note about one model, by a fingerprint of it."""
    return used_up_folder(work) / f"{model}.txt"


def stop_file(work: Path) -> Path:
    """Return the note with which a job that must stop keeps the other jobs of the run from calling."""
    return work / "stopped.txt"
