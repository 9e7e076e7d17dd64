"""Exports: a release in the forms that other programs load."""
