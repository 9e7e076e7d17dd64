"""The `gemini` provider: image models of Google's Gemini API, one by one and in its Batch API."""
