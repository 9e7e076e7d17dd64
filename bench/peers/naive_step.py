"""One job of naive.smk: one stage of one image."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

from pixel_work import MODEL, QUALITY, SIZE, measured, opened, resize, write_release


def main() -> None:
    """Do what the first argument names."""
    stage, *given = sys.argv[1:]
    if stage == "generate":
        from openai import OpenAI

        prompt, path = given
        answer = OpenAI().images.generate(model=MODEL, prompt=prompt, size=SIZE, quality=QUALITY)
        Path(path).write_bytes(base64.b64decode(answer.data[0].b64_json))
    elif stage == "validate":
        name, prompt, path, row = given
        image, file = opened(Path(path).read_bytes())
        Path(row).write_text(json.dumps(measured(name, prompt, image) | file))
    elif stage == "postprocess":
        name, prompt, path, folder = given
        resize(name, prompt, opened(Path(path).read_bytes())[0], Path(folder))
    else:
        folder, *rows = given
        write_release([json.loads(Path(row).read_bytes()) for row in rows], Path(folder))


if __name__ == "__main__":
    main()
