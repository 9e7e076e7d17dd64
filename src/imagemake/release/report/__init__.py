"""The contact sheet: a release in one page."""
