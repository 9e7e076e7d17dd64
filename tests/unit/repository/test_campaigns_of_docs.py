"""The campaigns that pages print, with their catalogs, request what the pages say."""

import json
import re
import sys
from functools import reduce
from types import SimpleNamespace

import pytest
from folders import REPOSITORY

from imagemake.config.campaign import load_campaign
from imagemake.config.models import estimate_usd, load_models, worst_usd
from imagemake.config.yaml12 import read_yaml
from imagemake.core.recipe import Recipe
from imagemake.plan.gates import unmet
from imagemake.plan.requests.catalog import read_catalog
from imagemake.plan.requests.expand import expand
from imagemake.release.metrics.success import interval_95

DOCS = REPOSITORY / "docs"
FILE = re.compile(r"^`(?P<path>[^`\n]+)`\n\n```\w+\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| (?P<cells>.+) \|$", re.MULTILINE)


def text_of(page):
    return (DOCS / page).read_text(encoding="utf-8")


def files_of(page):
    return {match["path"]: match["text"] for match in FILE.finditer(text_of(page))}


def rows_under(page, heading):
    """Cells of the table whose header starts with these words."""
    table = text_of(page).partition(f"| {heading} |")[2].partition("|---")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in match["cells"].split(" | ")] for match in ROW.finditer(table)]


def requests_of(page, folder, **changes):
    files = files_of(page)
    catalog = folder / "catalog.csv"
    catalog.write_text(files["config/catalog.csv"], encoding="utf-8")
    return expand(load_campaign({**read_yaml(files["config/config.yaml"]), **changes}), read_catalog(catalog))


def test_a_spreadsheet_of_the_page_is_read_as_the_page_says(tmp_path):
    mug, teapot = requests_of("how-to/spreadsheet.md", tmp_path)
    assert mug.recipe.prompt == "Product photo of a coffee mug, 0.3 l made of stoneware, on a white background."
    assert "teapot\nwith a bamboo handle made of glass" in teapot.recipe.prompt


def test_the_models_of_the_page_are_in_the_keys_by_content(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "sdxl-base").mkdir(parents=True)
    (tmp_path / "models" / "sdxl-base" / "model_index.json").write_text("{}")
    (tmp_path / "models" / "loras").mkdir()
    (tmp_path / "models" / "loras" / "brushwork.safetensors").write_bytes(b"")
    requests = requests_of("how-to/on-your-own-gpu.md", tmp_path)
    assert len(requests) == 8
    assert {tuple(request.recipe.model_files) for request in requests} == {("pipeline", "brushwork")}


def test_the_script_and_the_campaign_of_the_page_send_the_same(tmp_path, monkeypatch):
    page, sent = "how-to/from-comfyui-or-a-script.md", {}

    def generate(prompt, **parameters):
        sent[prompt] = parameters
        return SimpleNamespace(data=[SimpleNamespace(b64_json="")])

    client = SimpleNamespace(images=SimpleNamespace(generate=generate))
    monkeypatch.setitem(sys.modules, "openai", SimpleNamespace(OpenAI=lambda: client))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    found = requests_of(page, tmp_path / "config")
    exec(files_of(page)["make_images.py"], {})
    assert sent == {one.recipe.prompt: {"model": one.recipe.model, **one.recipe.parameters} for one in found}
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == sorted(one.name for one in found)


def test_the_recipe_and_the_key_on_the_page_are_those_of_its_campaign(tmp_path):
    page = text_of("explanation/keys.md")
    recipe = requests_of("explanation/keys.md", tmp_path)[0].recipe
    assert json.loads(re.search(r"```json\n(.*?)```", page, re.DOTALL)[1]) == recipe.as_dict()
    assert f"\n`{recipe.key()}`\n" in page


def test_each_edit_on_the_page_of_keys_gives_the_key_beside_it(tmp_path):
    rows = [
        cells for cells in rows_under("explanation/keys.md", "edit") if cells[0] != "edit" and "---" not in cells[0]
    ]
    assert len(rows) > 10
    for edit, key, _ in (cells[:3] + [""] * (3 - len(cells)) for cells in rows):
        changes = {} if edit == "none" else read_yaml(edit.strip("`"))
        for path in [path for path in changes if "." in path]:
            section, *names = path.split(".")
            changes[section] = read_yaml(files_of("explanation/keys.md")["config/config.yaml"])[section]
            reduce(lambda found, name: found[name], names[:-1], changes[section])[names[-1]] = changes.pop(path)
        request = requests_of("explanation/keys.md", tmp_path, **changes)[0]
        assert key == f"`{request.recipe.key()[:12]}`", edit


def test_prices_on_the_page_of_money_are_those_of_the_model_table():
    prompt = "Product photo of stoneware mug on a white background, red."
    model = load_models({}).get("openai", "gpt-image-2")
    rows = rows_under("explanation/money.md", "size")
    assert f"with a prompt of {len(prompt)} characters" in text_of("explanation/money.md")
    assert len(rows) > 4
    for size, quality, *prices in rows:
        given = {"size": size.strip("`"), "quality": quality.strip("`")}
        parameters = {name: value for name, value in given.items() if value != "not set"}
        recipe = Recipe("openai", "gpt-image-2", prompt, 1, parameters)
        known = estimate_usd(model, recipe), worst_usd(model, recipe), estimate_usd(model, recipe, batch=True)
        assert prices == ["unknown" if usd is None else f"${usd:.4f}" for usd in known], (size, quality)


def test_the_gate_on_the_page_says_what_the_page_prints():
    gates = load_campaign(read_yaml(files_of("how-to/pilot-to-full.md")["config/config.yaml"])).gates
    verdicts = {"accepted": 15, "rejected": 1, "refused": 0, "failed": 0}
    figures = {**verdicts, "pending": 0, "requests": 16, "success_rate_low": round(interval_95(15, 16)[0], 4)}
    (problem,) = unmet("small", gates.small, figures)
    assert f"\n{problem}\n" in text_of("how-to/pilot-to-full.md")


def test_samples_on_the_page_pass_their_gates_and_no_smaller_ones_do():
    for n, least in ((16, 0.8), (35, 0.9)):
        assert f"{n} of {n}" in text_of("how-to/pilot-to-full.md")
        assert interval_95(n, n)[0] >= least
    assert interval_95(34, 34)[0] < 0.9


@pytest.mark.parametrize("page", ["how-to/real-provider.md", "how-to/pilot-to-full.md", "how-to/reference-images.md"])
def test_other_campaigns_of_pages_load(page):
    assert load_campaign(read_yaml(files_of(page)["config/config.yaml"])).budget_usd.is_limited
