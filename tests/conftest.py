"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# Time on the clock is the machine's, and no claim of a test.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
