"""The `bfl` provider: FLUX from Black Forest Labs' own API."""
