"""A stand-in for a ComfyUI server.

Paths, statuses, and messages are those of ComfyUI 0.33.0 (commit 783545f6, 2026-08-22): ``server.py``,
``execution.py``, ``main.py``, ``comfy_execution/jobs.py``, and ``comfy_execution/progress.py``. `bench/comfyui.py real`
puts the same questions to it and to a real server. It runs in a thread of the process that starts it, so it survives
killing a build.
"""

from fake_comfyui.server import FakeComfyUI, Prompt, workflow

VERSION = "0.33.0"

__all__ = ["VERSION", "FakeComfyUI", "Prompt", "workflow"]
