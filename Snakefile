"""
Builds results/ from config/. Generates only the images that are missing or changed.

  snakemake -n                         report what would be generated, why, and at what cost
  snakemake pilot                      build a sample of the campaign into results/pilot/
  snakemake small                      build a larger sample, which includes the pilot, into results/small/
  snakemake                            build the whole campaign into results/
  snakemake results/images/NAME.jpg    build that image only

Snakemake uses profiles/default by default.
"""

from snakemake.utils import min_version

min_version("9.27")


include: "rules/common.smk"
include: "rules/generate.smk"
include: "rules/validate.smk"
include: "rules/judge.smk"
include: "rules/rewrite.smk"
include: "rules/postprocess.smk"
include: "rules/next_round.smk"
include: "rules/release.smk"


rule all:
    default_target: True
    input:
        here("results/manifest.csv"),


rule pilot:
    input:
        here("results/pilot/manifest.csv"),


rule small:
    input:
        here("results/small/manifest.csv"),
