"""Make for AI images: a declarative, incremental build of pictures from a catalog and a prompt template."""
