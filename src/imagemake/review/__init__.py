"""`imagemake review`: a local web application for reviewing images."""
