"""A provider whose models are files of the user, for tests of plans."""

from functools import partial
from pathlib import Path

from imagemake.core.problems import NotReadyError
from imagemake.plugins import registry
from imagemake.plugins.providers import BUILT_IN, ImageResponse, Provider
from imagemake.plugins.weights import digest_of_content, remembered


class OwnProvider(Provider):
    """Makes images with files: the weights, and one that a parameter names."""

    paid = False
    uses_files = True

    @classmethod
    def model_files(cls, model, files, parameters, *, present=False):
        def digest(use):
            path = Path(files[use])
            if not path.exists():
                raise NotReadyError(f"{use} is missing.", "Put it there.")
            return digest_of_content({"weights": path})

        uses = ["weights", *filter(None, [parameters.get("style")])]
        return {use: remembered([model, use], partial(digest, use), present=present) for use in uses}

    async def generate(self, recipe):
        return ImageResponse(b"")


def install(monkeypatch):
    """Install the provider as `own`."""
    monkeypatch.setitem(BUILT_IN, "own", "own")
    resolve = registry.resolve_name
    monkeypatch.setattr(registry, "resolve_name", lambda name: OwnProvider if name == "own" else resolve(name))


WEIGHTS, NETWORK = Path("mug.safetensors"), Path("mug.onnx")


def sections_with_files(monkeypatch):
    """Return sections of a campaign whose model and one of whose steps are files in the current folder."""
    install(monkeypatch)
    WEIGHTS.write_bytes(b"weights")
    NETWORK.write_bytes(b"network")
    steps = [{"remove_background": {"model": str(NETWORK)}}]
    return {
        "model": {"provider": "own", "name": "mugs", "files": {"weights": str(WEIGHTS)}},
        "postprocess": {"steps": steps, "output": {"format": "png"}},
    }
