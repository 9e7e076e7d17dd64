"""`imagemake review`: a local web application in which people decide about images."""
