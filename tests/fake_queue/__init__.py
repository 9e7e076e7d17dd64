"""A stand-in that speaks as the queues of fal, Black Forest Labs, Replicate, and DashScope do, with their faults.

Its forms are checked against the vendors' SDKs; see `bench/queue_sdks.py`. It runs in a thread of the process that
starts it, so it survives killing a build.
"""

from fake_queue.jobs import Job
from fake_queue.server import FakeQueue

__all__ = ["FakeQueue", "Job"]
