"""Settings for all tests."""

from __future__ import annotations

from hypothesis import settings

# Property tests have no deadline: wall-clock time depends on the machine.
settings.register_profile("no-deadline", deadline=None)
# `pytest --hypothesis-profile=thorough tests/unit/store/test_fuzzed_state.py` tries 10,000 examples per property.
settings.register_profile("thorough", deadline=None, max_examples=10_000)
settings.load_profile("no-deadline")
