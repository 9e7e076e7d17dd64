"""One module a command of `imagemake`: what it says of itself, its options, and what it does."""
