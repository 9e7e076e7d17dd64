"""Settings for all tests."""

from __future__ import annotations

from hypothesis import settings

# Property tests have no deadline: wall-clock time depends on the machine.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
