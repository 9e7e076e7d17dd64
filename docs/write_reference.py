"""Writes the generated pages of the reference, and config/schema.json.

Run it after a change of the configuration, a command, an exit code, a model, a measure, a step, or a column of the
manifest: python docs/write_reference.py
"""

from pathlib import Path

from reference_pages import pages

REPOSITORY = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write all pages."""
    for path, text in pages(REPOSITORY).items():
        (REPOSITORY / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
