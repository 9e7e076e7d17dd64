"""Catalogs in memory."""

import csv
import io

from imagemake.plan.requests.catalog import Catalog


def catalog_of(rows):
    """Return a catalog in CSV with these rows, numbered from 2."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return Catalog("config/catalog.csv", text.getvalue().encode())
