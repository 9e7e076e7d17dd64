"""What providers that speak HTTP share: images in responses, images at URLs, and what an error means."""

from imagemake.plugins.providers.http.client import HttpAnswer, HttpClient
from imagemake.plugins.providers.http.errors import error_of

__all__ = ["HttpAnswer", "HttpClient", "error_of"]
