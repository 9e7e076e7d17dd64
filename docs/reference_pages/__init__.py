"""The generated pages of the reference, and the generated parts of pages that were written by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from imagemake.cli.config_schema import config_schema_json
from imagemake.core.errors import ExitCode
from reference_pages.commands import command_list, command_sections
from reference_pages.configuration import configuration_page
from reference_pages.manifest import columns_table
from reference_pages.markdown import table, with_generated
from reference_pages.models import model_sections
from reference_pages.plugins import measures_table, steps_table

WHOLE: Mapping[str, Callable[[], str]] = {
    "config/README.md": configuration_page,
    "config/schema.json": config_schema_json,
}
PARTS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "docs/reference/commands.md": {"list": command_list, "commands": command_sections},
    "docs/reference/exit-codes.md": {"codes": lambda: table(["code", "meaning"], _exit_codes())},
    "docs/reference/manifest.md": {"columns": columns_table},
    "docs/reference/measures.md": {"measures": measures_table},
    "docs/reference/models.md": {"models": model_sections},
    "docs/reference/steps.md": {"steps": steps_table},
}


def pages(repository: Path) -> dict[str, str]:
    """Return each page with generated content as it must be, by its path in the repository."""
    made = {path: page() for path, page in WHOLE.items()}
    for path, parts in PARTS.items():
        text = (repository / path).read_text(encoding="utf-8")
        made[path] = with_generated(text, {name: part() for name, part in parts.items()})
    return made


def _exit_codes() -> list[list[str]]:
    return [[str(code.value), code.meaning] for code in ExitCode]
