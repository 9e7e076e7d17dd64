"""NeMo Data Designer: a catalog as seed, a column of images, and a custom column that finishes them.

``python data_designer_columns.py CATALOG FOLDER`` brings a folder up to date with a catalog, as far as Data Designer
resumes: it goes on after the last complete batch if nothing of its configuration changed, and starts anew otherwise.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ["NEMO_TELEMETRY_ENABLED"] = "false"

import data_designer.config as dd
from data_designer.interface import DataDesigner
from pixel_work import BATCH, IN_FLIGHT, MODEL, QUALITY, SIZE, finish, read_catalog, write_release

CATALOG, FOLDER = Path(sys.argv[1]), Path(sys.argv[2]).absolute()


@dd.custom_column_generator(required_columns=["name", "prompt", "image"])
def finished(row: dict[str, Any]) -> dict[str, Any]:
    """Finish an image."""
    data = (FOLDER / "artifacts" / "shop" / row["image"][0]).read_bytes()
    row["row"] = finish(row["name"], row["prompt"], data, FOLDER)
    return row


def main() -> None:
    """Create or resume the data set, and write the release."""
    provider = dd.ModelProvider(name="stand-in", endpoint=os.environ["OPENAI_BASE_URL"], api_key="OPENAI_API_KEY")
    options = dd.ImageInferenceParams(
        extra_body={"size": SIZE, "quality": QUALITY}, max_parallel_requests=IN_FLIGHT, timeout=120
    )
    model = dd.ModelConfig(
        alias="image", model=MODEL, provider="stand-in", inference_parameters=options, skip_health_check=True
    )
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.with_seed_dataset(dd.LocalFileSeedSource(path=str(CATALOG.absolute())))
    builder.add_column(dd.ImageColumnConfig(name="image", prompt="{{ prompt }}", model_alias="image"))
    builder.add_column(dd.CustomColumnConfig(name="row", generator_function=finished))
    designer = DataDesigner(artifact_path=FOLDER / "artifacts", model_providers=[provider])
    designer.set_run_config(dd.RunConfig(buffer_size=BATCH, otel_metrics_port=None))
    made = designer.create(
        builder,
        num_records=len(read_catalog(CATALOG)),
        dataset_name="shop",
        resume=dd.ResumeMode.IF_POSSIBLE,
    )
    write_release(made.load_dataset()["row"].tolist(), FOLDER)


if __name__ == "__main__":
    main()
