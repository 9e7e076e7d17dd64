"""What every other folder can import: recipes and keys, files, errors, and text. It imports none of them."""
