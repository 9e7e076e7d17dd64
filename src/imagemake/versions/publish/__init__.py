"""Publishes a release's folder to a remote, so that readers see a complete release at all times."""
