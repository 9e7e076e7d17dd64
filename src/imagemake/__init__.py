"""Make for AI images: a declarative, incremental build of images from a catalog and a prompt template."""

__version__ = "0.1.0"
