import pytest

from imagemake.config.campaign import load_campaign
from imagemake.core.problems import UserError
from imagemake.plan.requests.catalog import read_catalog
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.expand import expand

LEAST = {"campaign": "x", "catalog": "c.csv", "prompt": "x", "name": "{sku}_{v}", "variables": {"v": ["a", "b"]}}
ROWS = [Row(n, {"sku": f"S{n}"}) for n in (2, 3, 4)]


def names(**more):
    return [request.name for request in expand(load_campaign({**LEAST, **more}), ROWS)]


def test_as_many_images_as_max_requests_are_planned():
    assert len(names(max_requests=12, takes=2)) == 12


def test_more_images_are_told_with_their_factors():
    words = "3 rows times 2 combinations times 2 takes are 12 images before exclude; at most 11 are planned"
    with pytest.raises(UserError, match=words):
        names(max_requests=11, takes=2)


@pytest.mark.parametrize(
    "more",
    [
        {"takes": 10**12},
        {"variables": {f"v{n}": [f"{m}" for m in range(100)] for n in range(30)}},
        {
            "variables": {f"v{n}": ["x"] for n in range(30)},
            "include": [{f"v{n}": [f"{m}" for m in range(100)] for n in range(30)}],
        },
    ],
    ids=["takes", "variables", "include"],
)
def test_a_product_beyond_a_million_is_told_before_it_is_made(more):
    with pytest.raises(UserError, match="at most 1,000,000 are planned"):
        names(**more)


def test_what_include_adds_to_every_row_counts():
    with pytest.raises(UserError, match="include"):
        names(max_requests=8, include=[{"v": "c"}])
    assert len(names(max_requests=9, include=[{"v": "c"}])) == 9


@pytest.mark.parametrize("name", ["c.csv", "c.json"])
@pytest.mark.parametrize("n", [10_000, 10_001])
def test_a_catalog_has_at_most_10000_columns(tmp_path, name, n):
    columns = [f"c{i}" for i in range(n)]
    text = ",".join(columns) + "\n" + ",".join("x" * n)
    if name == "c.json":
        text = "[{" + ",".join(f'"{column}":1' for column in columns) + "}]"
    (tmp_path / name).write_text(text)
    if n == 10_000:
        assert len(read_catalog(tmp_path / name)[0].values) == n
    else:
        with pytest.raises(UserError, match="10,001 columns; at most 10,000"):
            read_catalog(tmp_path / name)
