"""The `comfyui` provider: the user's own workflows on ComfyUI servers."""
