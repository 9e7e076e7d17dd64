"""The campaigns that a page prints: a YAML block and, after it, a catalog."""

import re

from folders import REPOSITORY

from imagemake.config.yaml12 import read_yaml

_PAIR = re.compile(r"^```yaml\n(campaign: .*?)^```\n.*?^```csv\n(.*?)^```", re.MULTILINE | re.DOTALL)


def campaigns_of(page):
    """Configuration and text of the catalog, by the campaign's name."""
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    found = [(read_yaml(config), catalog) for config, catalog in _PAIR.findall(text)]
    return {config["campaign"]: (config, catalog) for config, catalog in found}
