"""The built-in measures and steps, for docs/reference/measures.md and docs/reference/steps.md."""

from __future__ import annotations

from imagemake.cli.config_schema import built_in_measures, built_in_steps
from imagemake.plugins.measures import ALWAYS_READ
from imagemake.plugins.plugin import Plugin
from reference_pages.markdown import escaped, table

_CONFIGURATION = "../../config/README.md"


def measures_table() -> str:
    """Return a row per measure: what it reads, when, and what it needs."""
    rows = (
        [
            _link("validation.measures", name),
            _about(kind),
            "always" if name in ALWAYS_READ else "when named",
            _needs(name, kind),
        ]
        for name, kind in built_in_measures()
    )
    return table(["measure", "does", "read", "needs"], rows)


def steps_table() -> str:
    """Return a row per step: what it does, and what it needs."""
    rows = ([_link("postprocess.steps", name), _about(kind), _needs(name, kind)] for name, kind in built_in_steps())
    return table(["step", "does", "needs"], rows)


def _link(section: str, name: str) -> str:
    anchor = f"{section}.{name}".replace(".", "")
    return f"[`{name}`]({_CONFIGURATION}#{anchor})"


def _about(kind: type[Plugin]) -> str:
    return escaped((kind.__doc__ or "").strip().partition("\n\n")[0])


def _needs(name: str, kind: type[Plugin]) -> str:
    return f"`imagemake[{name}]`" if kind.packages else ""  # as `imagemake.plugins.registry.install_command` says
