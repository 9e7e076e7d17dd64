"""The function that Pixeltable runs on each image. It takes none from the script that is run."""

from pathlib import Path
from typing import Any

import pixeltable as pxt
from PIL.Image import Image
from pixel_work import finish_decoded


@pxt.udf
def finished(name: str, prompt: str, image: Image, folder: str) -> dict[str, Any]:
    """Finish an image."""
    return finish_decoded(name, prompt, image.convert("RGB"), Path(folder))
