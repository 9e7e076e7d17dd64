"""Pixeltable: a table whose computed columns call the API and finish the images.

``python pixeltable_table.py CATALOG FOLDER`` brings a folder up to date with a catalog. New rows are inserted in
batches, because a batch whose insert was interrupted is lost as a whole. Edited rows are updated.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pixel_work import BATCH, MODEL, QUALITY, SIZE, read_catalog, write_release

CATALOG, FOLDER = Path(sys.argv[1]), Path(sys.argv[2]).absolute()
HOME = FOLDER / "pixeltable"
# Without this, Pixeltable sends 600 requests a minute.
SETTINGS = f'[pixeltable]\nfile_cache_size_g = 10\n[openai.rate_limits]\n"{MODEL}" = 1000000\n'


def main() -> None:
    """Bring the table up to date, and write the release."""
    HOME.mkdir(parents=True, exist_ok=True)
    (HOME / "config.toml").write_text(SETTINGS)
    os.environ["PIXELTABLE_HOME"] = str(HOME)
    import pixeltable as pxt
    from pixeltable.functions import openai
    from pixeltable_udf import finished

    columns = {"name": pxt.Required[pxt.String], "prompt": pxt.String}
    table = pxt.create_table("shop", columns, primary_key="name", if_exists="ignore")
    if "row" not in table.columns():
        options = {"size": SIZE, "quality": QUALITY}
        table.add_computed_column(response=openai.image_generations(table.prompt, model=MODEL, model_kwargs=options))
        table.add_computed_column(image=table.response["data"][0].astype(pxt.Image))
        table.add_computed_column(row=finished(table.name, table.prompt, table.image, str(FOLDER)))
    there = {row["name"]: row["prompt"] for row in table.select(table.name, table.prompt).collect()}
    rows = read_catalog(CATALOG)
    new = [row for row in rows if row["name"] not in there]
    for start in range(0, len(new), BATCH):
        table.insert(new[start : start + BATCH])
    if edited := [row for row in rows if there.get(row["name"], row["prompt"]) != row["prompt"]]:
        table.batch_update(edited)
    write_release([row["row"] for row in table.select(table.row).collect()], FOLDER)


if __name__ == "__main__":
    main()
