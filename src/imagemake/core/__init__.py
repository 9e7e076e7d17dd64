"""What every other folder may use: recipes and keys, files, problems, text. It imports none of them."""
