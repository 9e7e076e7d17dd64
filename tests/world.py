"""An inventory in memory, for tests of the states of requests."""

from __future__ import annotations

from dataclasses import replace

from imagemake.config.checks import Check, Checks, Limit
from imagemake.config.similarity import NearDuplicates
from imagemake.core.recipe import Recipe
from imagemake.plan.inventory import JournalFacts
from imagemake.plan.requests.request import Request, Route
from imagemake.plan.resolve import resolve
from imagemake.plan.state import Policy
from imagemake.store.store import StoredFile

GOOD = {"contrast": 50.0}
BAD = {"contrast": 1.0}
MODELS = ("a", "b", "c")


class World:
    """An inventory in memory, with raw images and measures by request name and attempt."""

    def __init__(self, *names):
        self.requests = [
            Request(name=name, recipe=Recipe("preview", "preview-1", f"A {name}", n), row=n, variables={}, take=1)
            for n, name in enumerate(names)
        ]
        self.raw, self.finished, self.failed_outputs = {}, {}, {}
        self.postprocessed_before, self.damaged = {}, set()
        self.measures, self.submission_of, self.in_queues = {}, {}, set()
        self.journal = JournalFacts()
        self.reviews, self.kept = {}, set()
        self.since = "2026-11-27T10:00:00.000Z"
        self.policy = Policy(
            checks=Checks({"tone.contrast": Check(reject=Limit(min=5), review=Limit(min=20))}),
            formats=["png"],
            size_as_requested=True,
            measures=["file@1", "tone@1", "phash@1"],
            duplicates=NearDuplicates(max_distance_bits=4, max_color_levels=12),
            compares_models=False,
            most_attempts=3,
            patches={"tone": "Bright light."},
            hold_unknown=False,
            output_keys=lambda digest: {"main": f"finished-{digest}"},
        )

    def measured(self, digest):
        return self.measures.get(digest, {})

    def held(self, measured):
        return measured

    def make(self, state, tone=GOOD, phash=None, color="80"):
        digest = f"{len(self.raw):064x}"
        self.raw[state.key] = StoredFile(state.key, digest, "png")
        shown = f"{(len(self.raw) * 0x9E3779B97F4A7C15) % 2**64:016x}" if phash is None else phash
        self.measures[digest] = {
            "file@1": {"format": "png"},
            "tone@1": tone,
            "phash@1": {"hash": shown, "colors": color * 27},
        }
        return self.raw[state.key]

    def postprocess(self, state):
        key = self.policy.output_keys(state.raw.digest)["main"]
        self.finished[key] = StoredFile(key, "f" * 64, "jpg")

    def resolve(self):
        return resolve(self.requests, self, self.policy, self.reviews, self.since)

    def one(self):
        (state,) = self.resolve()
        return state


def routed(why_not=None):
    """A mug that three models may make; some of them cannot."""
    world = World("mug")
    (plain,) = world.requests
    routes = tuple(Route(name, replace(plain.recipe, model=name), (why_not or {}).get(name, "")) for name in MODELS)
    able = next((route for route in routes if not route.why_not), routes[0])
    world.requests = [replace(plain, routes=routes).by(able)]
    return world
