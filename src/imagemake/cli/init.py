"""`imagemake init`: start a project."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
Starts a project in a folder. It writes a configuration, a catalog, a Snakefile that uses the workflow of this package,
a profile, and lists of what git and DVC ignore. It never overwrites a file. There are four kinds of projects:

  shop     product photos, each in several colors and from several angles
  social   posts, each in the sizes of several networks
  game     item icons, cut out, and packed into a sprite sheet
  blank    one prompt per row, and nothing else

To upgrade a project, upgrade the package.
"""
EXAMPLES = """\
examples:
  try imagemake in a new folder, without a key and at no cost
    imagemake init my-shop && cd my-shop && snakemake
  start a campaign of icons from OpenAI, with DVC for its releases
    imagemake init icons --from game --provider openai --dvc
  add a campaign that shares the store of another one, so that no image is paid for twice
    imagemake init campaigns/posts --from social --store campaigns/shop/store
"""
STARTERS = ("shop", "social", "game", "blank")
PROVIDERS = (
    *("preview", "openai", "gemini", "openrouter", "fal", "bfl", "replicate", "dashscope", "together"),
    *("comfyui", "diffusers"),  # on this machine
)


def add_init_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake init`."""
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), help="folder of the project; default: the current folder"
    )
    parser.add_argument(
        "--from", dest="starter", choices=STARTERS, default="shop", help="kind of project; default: shop"
    )
    parser.add_argument(
        "--provider",
        metavar="NAME",
        choices=PROVIDERS,
        default="preview",
        help="who makes the images; default: preview",
    )
    parser.add_argument(
        "--store", type=Path, metavar="FOLDER", help="link to this store, which other projects can use too"
    )
    parser.add_argument(
        "--dvc", action="store_true", help="add dvc.yaml and .gitattributes, and set up git and DVC if they are missing"
    )
    parser.set_defaults(run=_init)


def _init(options: argparse.Namespace) -> int:
    from imagemake.cli.new_project import write_project

    for line in write_project(
        options.folder, options.starter, options.provider, store=options.store, with_dvc=options.dvc
    ):
        print(line)
    return 0
