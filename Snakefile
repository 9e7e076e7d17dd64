"""
imagemake: from config/ to results/, making only the images that are missing or changed.

  snakemake -n             what would be made, why, and for how much
  snakemake pilot          a sample of the campaign, into results/pilot/
  snakemake small          a larger one, the pilot's images among them, into results/small/
  snakemake                the whole campaign, into results/
  snakemake results/images/NAME.jpg    that image and nothing else

The default profile (profiles/default) is used without being named.
"""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/generate.smk"
include: "rules/validate.smk"
include: "rules/postprocess.smk"
include: "rules/next_round.smk"
include: "rules/release.smk"


rule all:
    default_target: True
    input:
        "results/manifest.csv",


rule pilot:
    input:
        "results/pilot/manifest.csv",


rule small:
    input:
        "results/small/manifest.csv",


onstart:
    PLANNER.begin_run()


onerror:
    PLANNER.alert_crash()
