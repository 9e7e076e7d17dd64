"""Requests of a small shop, from a minimal campaign."""

from __future__ import annotations

import pytest

from imagemake.config.campaign import load_campaign
from imagemake.core.problems import UserError
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.expand import expand

MUGS = [{"sku": "M-7", "product": "mug"}, {"sku": "V-1", "product": "vase"}]
LEAST = {
    "campaign": "Shop",
    "catalog": "config/catalog.csv",
    "prompt": "A {product}, {color}",
    "name": "{sku}_{color}",
    "variables": {"color": ["red", "teal"]},
}


def rows(*values):
    return [Row(number, dict(row)) for number, row in enumerate(values, start=2)]


def requests(*values, **more):
    return expand(load_campaign({**LEAST, **more}), rows(*values or MUGS))


def problems(*values, **more):
    with pytest.raises(UserError) as caught:
        requests(*values, **more)
    return [(problem.where, problem.what) for problem in caught.value.problems]


def named(found):
    return {request.name: request for request in found}
