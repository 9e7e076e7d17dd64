"""A campaign whose images are words on disk: a run takes milliseconds, and chance decides what becomes of each.

`EDITS` are what users and disks do to it.
"""

from __future__ import annotations

import csv
import hashlib
import random
from io import BytesIO
from pathlib import Path

from imagemake.config.campaign import load_campaign
from imagemake.plan.batches import open_states
from imagemake.plan.inventory import Inventory
from imagemake.plan.policy import policy_of
from imagemake.plan.requests.catalog import Catalog
from imagemake.plan.reviews import COLUMNS, REVIEWS
from imagemake.plan.state import Stage
from imagemake.plan.target import Target
from imagemake.release.writer import Release
from imagemake.stages.validate.answers import kept_values
from imagemake.store.answers import answer_key
from imagemake.store.items import FurtherFile, Item, write_table
from imagemake.store.journal_lines import line_of
from imagemake.store.store import Store

MODEL = "preview-1"
CAMPAIGN = {
    "campaign": "paper",
    "catalog": "config/catalog.csv",
    "prompt": "A {product}, {color}",
    "name": "{sku}",
    "model": {"provider": "preview", "name": MODEL},
    "attempts": {"max": 2},
    "metadata": {"sidecar": "json"},
    "validation": {"checks": {"tone.contrast": {"reject": {"min": 5}, "review": {"min": 20}}}},
}


# Campaigns whose rows belong together.
VARIANTS = {
    "rules": {
        "exclude": [{"product": ["mug 1", "mug 2"], "size": "small"}],
        "include": [{"product": "mug 4", "size": "large"}],
        "variables": {"size": ["small", "big"]},
        "model_rules": [{"when": {"product": ["mug 5", "mug 6", "hat"]}, "model": "preview-2"}],
        "name": "{sku}_{size}",
    },
    "only": {"only": ["S00*", "S01*"]},
    "overrides": {
        "validation": {
            "checks": {
                "tone.contrast": {
                    "reject": {"min": 5},
                    "overrides": [{"when": {"color": ["red", "gold"]}, "reject": {"min": 2}}],
                }
            }
        }
    },
    "outputs": {"postprocess": {"more_outputs": {"web": {"name": "{color}-{product}", "format": "webp"}}}},
    "sheets": {"postprocess": {"sheets": {"kind": {"by": ["product"]}}}},
    "exports": {"release": {"exports": {"training": {"format": "folders", "path": "{color}/{product}"}}}},
    "colors": {"validation": {"consistency": {"by": ["group"], "outcome": "reject"}}},
    "families": {"references": [{"image": "{hero}"}], "defaults": {"hero": ""}},
    "candidates": {"candidates": {"n": 2, "best": {"tone.contrast": 1}}},
    "judged": {
        "validation": {
            "measures": {"judge": {"model": "gpt-6-luna", "questions": [{"ask": "Is it a {product}?", "name": "it"}]}}
        }
    },
    "models": {"model_rules": [{"model": ["preview-1", "preview-2", "preview-3"]}]},
    "next model": {
        "model_rules": [{"model": ["preview-1", "preview-2"]}],
        "attempts": {"max": 2, "policy": {"tone": "next_model", "near_duplicate": "next_model"}},
        "candidates": {"n": 2, "best": {"tone.contrast": 1}},
    },
}


class PaperShop:
    """A project in the current folder.

    Args:
        chance: Decides what becomes of images.
        n: Number of rows.
        config: Sections that replace those of `CAMPAIGN`.
    """

    def __init__(self, chance, n=20, config=None):
        self.chance, self.config, self.n_jobs = chance, {**CAMPAIGN, **(config or {})}, 0
        self.made_at = "2026-11-27T12:00:00.000Z"
        self.rows = [
            {
                "sku": f"S{i:03}", "product": f"mug {i}", "color": "red", "group": f"g{i % 6}",
                "hero": f"S{i // 2 * 2:03}",
            }
            for i in range(n)
        ]  # fmt: skip
        self.reviews = {}
        self.without_quota = set()  # models
        self.store, self.work = Store(Path("store")), Path("work")
        Path("config").mkdir(exist_ok=True)
        self.write()

    def write(self):
        with Path("config/catalog.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["sku", "product", "color", "group", "hero"], restval="")
            writer.writeheader()
            writer.writerows(self.rows)
        with REVIEWS.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for key, decision in self.reviews.items():
                writer.writerow([key, decision, *[""] * (len(COLUMNS) - 2)])

    def target(self):
        campaign = load_campaign(self.config)
        return Target(campaign, Catalog.open(campaign.catalog), "all", self.made_at)

    def inventory(self):
        return Inventory(self.store, self.work)

    def run(self):
        """Make what is open until nothing is."""
        self.made_at = self._now()
        target = self.target()
        policy = policy_of(target.campaign)
        while todo := open_states(target.states(self.inventory()), target.names):
            self.n_jobs += 1
            for stage in (Stage.GENERATE, Stage.VALIDATE, Stage.JUDGE, Stage.POSTPROCESS):
                items = [self._done(state, policy) for state in todo if state.stage is stage]
                if items:
                    self._write_tables(stage, [item for item in items if item is not None])

    def _now(self):
        return f"2026-11-27T12:{self.n_jobs // 60:02}:{self.n_jobs % 60:02}.000Z"

    def release(self):
        """Write the release, and return whether it looked at a part only."""
        release = Release(self.target(), self.store, self.work)
        release.write()
        return bool(release.n_settled)

    def _write_tables(self, stage, items):
        folders = {Stage.POSTPROCESS: ("postprocessed",), Stage.JUDGE: ("judged",)}.get(stage, ("batches", "validated"))
        for folder in folders if items else ():
            name = hashlib.sha256(f"{self.n_jobs} {stage} {len(items)}".encode()).hexdigest()[:16]
            write_table(Path("work", folder, f"{stage}-{name}.jsonl"), items)

    def _done(self, state, policy):
        item = Item(state.request.name, state.attempt, state.recipe, state.key, "test", raw=state.raw)
        if state.stage is Stage.POSTPROCESS:
            keys = policy.output_keys(state.raw.digest)
            suffix = {label: "jpg" if label == "main" else "webp" for label in keys}
            made = {
                label: self.store.finished.put(key, jpeg_of(key), durable=False, extension=suffix[label])
                for label, key in keys.items()
            }
            fields = {"measures": state.measured, "output_key": keys["main"], "finished": made.pop("main")}
            fields["further"] = {label: FurtherFile(one.key, one) for label, one in made.items()}
            return Item(item.name, item.attempt, item.recipe, item.key, "test", raw=state.raw, **fields)
        raw = state.raw
        if state.stage is Stage.JUDGE:
            return Item(item.name, item.attempt, item.recipe, item.key, "test", raw=raw, measures=self._judged(state))
        if state.stage is Stage.GENERATE:
            refused = self.chance.random() < 0.03 or state.recipe.model in self.without_quota
            if not refused:
                raw = self.store.raw.put(state.key, f"{state.key}".encode(), durable=False, extension="png")
            self._record(state, raw)
            if refused:
                return None
        return Item(
            item.name, item.attempt, item.recipe, item.key, "test", raw=raw, measures=self.measured(raw, policy)
        )

    def _record(self, state, raw):
        how = {"cost_usd": 0.0, "seconds": len(state.request.name) + self.n_jobs / 10}
        if raw:
            how |= {"outcome": "made", "digest": raw.digest}
        elif state.recipe.model in self.without_quota:
            how |= {"outcome": "failed", "message": "none left", "quota": True}
        else:
            how |= {"outcome": "refused", "message": "no"}
        self._write_call(state, state.key, how)

    def _write_call(self, state, key, how, **more):
        call, at = hashlib.sha256(f"{self.n_jobs} {key}".encode()).hexdigest()[:32], self._now()
        sent = {
            "event": "sent", "call": call, "at": at, "campaign": "paper", "name": state.request.name, "key": key,
            "attempt": state.attempt, "tried": 0, "recipe": state.recipe.as_dict(), "worst_usd": 0.0, **more,
        }  # fmt: skip
        closed = {"event": "closed", "call": call, "at": at, "key": key, **how}
        path = self.store.journal_folder / "2026-11-27" / f"{self.n_jobs:06}-generate.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(line_of(sent) + line_of(closed))

    def _judged(self, state):
        """Ask a judge about an image, who says mostly that it is good, and return the answers."""
        key = answer_key(state.raw.digest, state.recipe)
        self._write_call(state, key, {"outcome": "made", "cost_usd": len(state.request.name) / 1000}, kind="judge")
        yes = random.Random(state.raw.digest).choice([1.0, 0.9, 0.8, 0.7, 0.1])
        return {**state.measured, **{one.identity: kept_values(one.scale, {"yes": yes}) for one in state.to_ask}}

    def measured(self, raw, policy):
        """Return what an image measures, by its digest: mostly a good one, sometimes one like another."""
        chance = random.Random(raw.digest)
        contrast = 50.0 if chance.random() < 0.85 else chance.choice([1.0, 10.0])
        shown = f"{chance.getrandbits(64):016x}" if chance.random() < 0.95 else "0123456789abcdef"
        values = {"format": "png", "contrast": contrast, "hash": shown, "colors": "80" * 27}
        values["palette"] = f"{chance.choice(['808080'] * 9 + ['ff0000'])}:1.0"
        return dict.fromkeys(policy.measures, values)


def jpeg_of(text):
    """Return a small JPEG with a comment that makes its bytes its own."""
    from PIL import Image

    data = BytesIO()
    Image.new("RGB", (8, 8)).save(data, "JPEG", comment=text.encode())
    return data.getvalue()


def facts(state):
    """Return what a plan tells of where a request stands."""
    past = [(one.key, one.raw, one.reasons) for one in state.past]
    files = (state.raw, state.finished, state.further)
    return {
        "key": state.key,
        "stage": state.stage,
        "why": str(state.why),
        "files": files,
        "reasons": state.reasons,
        "past": past,
        "review": state.review,
        "row": (state.request.row, dict(state.request.variables)),
    }


def standing(shop):
    """Return where each request stands, by a look at everything."""
    target = shop.target()
    assert target.names
    return {state.request.name: facts(state) for state in target.states(shop.inventory())}


def edit_cell(shop):
    row = shop.chance.choice(shop.rows)
    row["product"] = f"teapot {shop.chance.randrange(1000)}"


def edit_back(shop):
    for row in shop.rows[:2]:
        row["product"] = f"mug {int(row['sku'][1:])}"


def repeat_prompt(shop):
    one, other = shop.chance.sample(shop.rows, 2)
    one["product"], one["color"] = other["product"], other["color"]


def append_row(shop):
    shop.rows.append({"sku": f"T{shop.chance.randrange(10**6):06}", "product": "lamp", "color": "teal"})


def insert_row(shop):
    place = shop.chance.randrange(len(shop.rows))
    shop.rows.insert(place, {"sku": f"U{shop.chance.randrange(10**6):06}", "product": "hat", "color": "gold"})


def remove_row(shop):
    shop.rows.pop(shop.chance.randrange(len(shop.rows)))


def swap_rows(shop):
    one, other = shop.chance.sample(range(len(shop.rows)), 2)
    shop.rows[one], shop.rows[other] = shop.rows[other], shop.rows[one]


def shuffle_rows(shop):
    shop.chance.shuffle(shop.rows)


def review(shop):
    key = shop.chance.choice([one["key"] for one in standing(shop).values()])
    shop.reviews[key] = shop.chance.choice(["approve", "reject", "regenerate"])


def forget_reviews(shop):
    shop.reviews.clear()


def move_threshold(shop):
    least = shop.chance.choice([5, 15, 60])
    shop.config["validation"] = {"checks": {"tone.contrast": {"reject": {"min": least}}}}


def lose_file(shop):
    shop.chance.choice(sorted(Path("store").glob("[rf]*/*/*/*.*"))).unlink()


def lose_table(shop):
    shop.chance.choice(sorted(Path("work").glob("*/*.jsonl"))).unlink()


def double_file(shop):
    path = shop.chance.choice(sorted(Path("store/raw").glob("*/*/*")))
    key, digest, extension = path.name.split(".")
    path.with_name(f"{key}.{'0' * len(digest)}.{extension}").write_bytes(b"another")


def end_quota(shop):
    has_others = any(len(rule["model"]) > 1 for rule in shop.config.get("model_rules", ()) if rule["model"][0] == MODEL)
    shop.without_quota ^= {MODEL} if has_others else set()


EDITS = (
    edit_cell, edit_cell, edit_cell, edit_back, repeat_prompt, append_row, insert_row, remove_row, swap_rows,
    shuffle_rows, review, forget_reviews, move_threshold, lose_file, lose_table, double_file,
    end_quota,
)  # fmt: skip
