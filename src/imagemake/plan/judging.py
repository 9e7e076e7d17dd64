"""What a run asks models about images: the calls, what they cost, and which earlier ones got no answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from imagemake.config.asked import MODERATION, Asked, Asker
from imagemake.config.models import ModelTable, asked_usd, asked_worst_usd, load_models
from imagemake.core.text import counted
from imagemake.plan.edited_questions import read_edited
from imagemake.plan.estimate import Estimate
from imagemake.plan.state import Policy, Stage, State
from imagemake.plugins.asking.deriving import MOST_QUESTIONS as MOST_DERIVED
from imagemake.stages.judge.calls import Call, call_to_derive, calls_about, questions_to_send
from imagemake.store.journal import Outcome
from imagemake.store.store import StoredFile

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.run import Budget
    from imagemake.core.recipe import Recipe
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.learned_costs import LearnedCosts

NO_IMAGE = StoredFile("0" * 64, "0" * 64, "png")  # stands for one that is not made yet
MOST_SHOWN = 3


def calls_of(state: State, asked: Asked, inventory: Inventory, edited: Sequence[str]) -> list[Call]:
    """Return the calls that a run makes about an image that is there, as far as the questions are known."""
    assert state.raw is not None
    questions = inventory.answers.open_questions(state.raw.digest, state.to_ask, edited)
    return list(calls_about(state.request.name, state.attempt, state.raw, questions, asked))


def calls_without_answer(state: State, inventory: Inventory, policy: Policy) -> int:
    """Return how many earlier calls about an image may have been billed and got no answer."""
    edited = policy.edited.get(state.request.recipe.prompt, ())
    calls = calls_of(state, policy.asked, inventory, edited)
    histories = (inventory.journal.keys.get(call.item.key) for call in calls)
    return sum(one.unknown for one in histories if one is not None and one.last is Outcome.UNKNOWN)


def judging_lines(states: Sequence[State], campaign: Campaign, inventory: Inventory) -> Iterator[str]:
    """Yield lines about what models are asked, and its cost.

    Args:
        states: What the run works on: images to judge, and those that are judged once they are made or measured.
        campaign: The campaign.
        inventory: What is in the store and the journal.
    """
    to_judge = [state for state in states if state.stage in (Stage.GENERATE, Stage.VALIDATE, Stage.JUDGE)]
    if not campaign.validation.asked.askers or not to_judge:
        return
    outlook = _Outlook(to_judge, campaign, inventory)
    yield from outlook.lines()
    if outlook.n_waiting:
        about = counted(outlook.n_waiting, "image")
        yield f"  Answers about {about} are on their way in a batch: collecting them costs nothing more."


def cost_of_asking(
    recipes: Sequence[tuple[Recipe, int]], table: ModelTable, learned: LearnedCosts, *, batch: bool = False
) -> Estimate:
    """Estimate what calls that ask cost.

    Args:
        recipes: What is asked, and in how many calls.
        table: The known models.
        learned: What earlier calls cost.
        batch: Whether it is asked in batches.
    """
    found = Estimate(images=sum(n for _, n in recipes))
    for recipe, n in recipes:
        model = table.of(recipe)
        mean_usd = learned.mean_usd(model, recipe, batch=batch) if model else None
        usd = mean_usd if mean_usd is not None else asked_usd(model, recipe, batch=batch)
        found.usd += n * (usd or 0.0)
        found.unknown += n * (usd is None)
    return found


def price_lines(asker: Asker, recipe: Recipe, table: ModelTable, budget: Budget, cost: Estimate) -> Iterator[str]:
    """Yield lines if a budget keeps a model from being asked, or its price is unknown, with the keys to set."""
    if cost.unknown:
        prices = "{as_of: 2026-11-27, usd_per_million_tokens: {text_in: 1, image_in: 1, image_out: 4}}"
        yield f"  The price of {recipe.model} is unknown. Set it, in USD, such as"
        yield f"    models: {{{asker.model.provider}: {{{recipe.model}: {{prices: {prices}}}}}}}"
    if asked_worst_usd(table.of(recipe), recipe) is None and budget.is_limited:
        yield f"  {asker.model.name} will NOT be asked, because the most that a call can cost is unknown and could"
        yield "  exceed the budget. Set it, in USD, such as"
        yield f"    models: {{{asker.model.provider}: {{{asker.model.name}: {{max_usd_per_image: 0.01}}}}}}"


class _Outlook:
    def __init__(self, to_judge: Sequence[State], campaign: Campaign, inventory: Inventory) -> None:
        self._campaign, self._inventory = campaign, inventory
        self._asked, self._table = campaign.validation.asked, load_models(campaign.models)
        self._edited = read_edited() if self._asked.derives else {}
        self._states = [state for state in to_judge if not self._waits(state)]
        self.n_waiting = len(to_judge) - len(self._states)

    def _waits(self, state: State) -> bool:
        """Return whether all that is asked about an image is in a batch at the provider already."""
        submitted = self._inventory.submission_of
        if not submitted or state.stage is not Stage.JUDGE:
            return False
        calls = calls_of(state, self._asked, self._inventory, self._edited.get(state.request.recipe.prompt, ()))
        return bool(calls) and all(call.item.key in submitted for call in calls)

    def lines(self) -> Iterator[str]:
        up_to = "" if all(state.stage is Stage.JUDGE for state in self._states) else "up to "
        groups = self._alike()
        for asker in self._asked.askers:
            of_asker = [(call, n) for state, n in groups for call in self._calls(state) if call.asker is asker]
            if of_asker:
                about = counted(sum(n for _, n in of_asker), "image")
                n_questions = sum(n * (call.item.recipe.prompt.count("\n") + 1) for call, n in of_asker)
                questions = "" if asker.name == MODERATION else f" {counted(n_questions, 'question')},"
                cost, way = self._cost(of_asker, batch=asker.in_batches), " in batches" if asker.in_batches else ""
                yield f"  {asker.model.name} is asked about {up_to}{about}{way}:{questions} {cost}."
                first = of_asker[0][0].item.recipe
                yield from price_lines(asker, first, self._table, self._campaign.budget_usd, cost)
            if asker.derives:
                yield from self._deriving(asker)

    def _alike(self) -> list[tuple[State, int]]:
        """Return one state for each set of questions to ask, with the number of those: their calls cost the same."""
        found: dict[tuple[object, ...], tuple[State, int]] = {}
        for state in self._states:
            prompt = state.request.recipe.prompt
            derived = self._edited.get(prompt) or self._derived(prompt)
            missing = [one.name for one in state.to_ask]
            first, n = found.get((*missing, len(derived or ())), (state, 0))
            found[*missing, len(derived or ())] = first, n + 1
        return list(found.values())

    def _calls(self, state: State) -> Iterable[Call]:
        prompt = state.request.recipe.prompt
        edited = self._edited.get(prompt, ())
        derived = edited or self._derived(prompt)
        if state.stage is Stage.JUDGE and derived is not None:
            return calls_of(state, self._asked, self._inventory, edited)
        wanted = state.to_ask or self._asked.wanted(prompt, state.request.variables, edited)
        known = derived or [f"question {number}" for number in range(1, MOST_DERIVED + 1)]
        image = replace(NO_IMAGE, digest=state.raw.digest if state.raw else state.key)
        return calls_about(state.request.name, state.attempt, image, questions_to_send(wanted, known), self._asked)

    def _derived(self, prompt: str) -> Sequence[str] | None:
        """Return the questions derived from a prompt; None if nobody has derived them."""
        identity = next((asker.identity for asker in self._asked.askers if asker.derives), None)
        found = () if identity is None else self._inventory.answers.derived(identity, prompt)
        return () if isinstance(found, str) else found

    def _cost(self, calls: Sequence[tuple[Call, int]], *, batch: bool = False) -> Estimate:
        recipes = [(call.item.recipe, n) for call, n in calls]
        return cost_of_asking(recipes, self._table, self._inventory.journal.costs, batch=batch)

    def _deriving(self, asker: Asker) -> Iterator[str]:
        prompts = {state.request.recipe.prompt: state.request.name for state in self._states}
        open_ones = [one for one in prompts if one not in self._edited and self._derived(one) is None]
        if open_ones:
            calls = [(call_to_derive(prompts[prompt], prompt, asker), 1) for prompt in open_ones]
            by = calls[0][0].item.recipe.model
            yield f"  Questions are derived from {counted(len(calls), 'prompt')} by {by}: {self._cost(calls)}."
        shown = [(prompt, self._edited.get(prompt) or self._derived(prompt) or ()) for prompt in prompts]
        for prompt, questions in [one for one in shown if one[1]][:MOST_SHOWN]:
            yield f"  Asked about {prompts[prompt]}: {' '.join(questions)}"
        if len([one for one in shown if one[1]]) > MOST_SHOWN:
            yield "  See the questions of all prompts with `imagemake questions`."
