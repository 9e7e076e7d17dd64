"""Sheets: several images of a release in one image."""
