"""One module per command of `imagemake`: its help text, its options, and what it does."""
