"""Where things are is told once; the rules, which need paths as text, say the same."""

import re
from pathlib import Path

from folders import REPOSITORY

from imagemake.store import layout

RULES = "".join(path.read_text(encoding="utf-8") for path in sorted((REPOSITORY / "rules").glob("*.smk")))


def test_the_paths_of_the_rules_are_those_of_the_package():
    named = set(re.findall(r"\"(work/[\w-]+|results/[\w/]*)[/\"]", RULES))
    known = {str(layout.WORK / name) for name in ("plans", "rounds", layout.BATCHES)}
    known |= {str(layout.WORK / name) for name in layout.RESULT_TABLES}
    assert {path for path in named if path.startswith("work/")} <= known
    for scope, folder in layout.RELEASE_FOLDERS.items():
        assert f'"{folder}/manifest.csv"' in RULES, scope
    assert f'"{layout.RESULTS / layout.IMAGES}/{{image}}"' in RULES


def test_a_scope_has_its_own_folder_and_one_image_goes_into_the_full_release():
    assert layout.results_folder("pilot") == Path("results/pilot")
    assert layout.results_folder("all") == layout.results_folder("image/a.jpg") == Path("results")


def test_no_other_module_spells_where_shared_files_are():
    spelled = re.compile(r"/ f?\"(?:spending\.json|run\.lock|plans|thumbnails|pace|batches|validated|postprocessed)\"")
    found = [
        path.name
        for path in (REPOSITORY / "src").rglob("*.py")
        if path.name != "layout.py" and spelled.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []
