"""A stand-in for Google's Gemini API: generateContent for images, files, and batches, as google-genai expects them."""

from fake_gemini.app import KEY
from fake_gemini.server import FakeGemini
from fake_gemini.settings import Behavior, Rule, Settings

__all__ = ["KEY", "Behavior", "FakeGemini", "Rule", "Settings"]
