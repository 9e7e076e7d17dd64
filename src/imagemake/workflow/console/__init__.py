"""What a run shows while it works: one live line in a terminal, and otherwise a line now and then.

Snakemake's logger plug-in, `snakemake_logger_plugin_imagemake`, passes Snakemake's events on to `console`. Jobs tell
their progress through files; see `imagemake.store.progress`.
"""
