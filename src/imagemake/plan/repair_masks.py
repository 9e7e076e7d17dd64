"""Which parts of a rejected image its repair may change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from imagemake.images.repair_mask import Box, RepairMask
from imagemake.plan.parents import measured_file
from imagemake.plan.state import Policy, Stage, State
from imagemake.plugins.measures import Value, places_of
from imagemake.stages.validate.compare import values_of
from imagemake.stages.validate.expected import Expected
from imagemake.stages.validate.verdict import Reason
from imagemake.store.items import Measured

if TYPE_CHECKING:
    from imagemake.plan.inventory import Inventory


def mask_of_repair(state: State, reasons: Sequence[Reason], inventory: Inventory, policy: Policy) -> RepairMask | None:
    """Return the mask for the repair of a rejected image; None if the whole image may change.

    The first mask for an image and its reasons stays, whatever later versions of a measure say: it is in a key.

    Args:
        state: Where the request stands, with the rejected image.
        reasons: The reasons that have an instruction. If one of them has no place, there is no mask.
        inventory: Knows the masks that were sent before.
        policy: Says whether the model takes a mask.
    """
    file = measured_file(state)
    if file is None or not policy.takes_mask(state):
        return None
    boxes = [list(_boxes(state, reason.code, policy)) for reason in reasons]
    if not all(boxes):
        return None
    codes = tuple(dict.fromkeys(reason.code for reason in reasons))
    size_px = file.width_px, file.height_px
    known = inventory.masks.get((file.digest, codes))
    return known or RepairMask.around(file.digest, codes, size_px, (box for one in boxes for box in one))


def masks_to_send(states: Iterable[State]) -> list[RepairMask]:
    """Return the masks of images that are to be generated."""
    return [state.mask for state in states if state.mask is not None and state.stage is Stage.GENERATE]


def _boxes(state: State, code: str, policy: Policy) -> Iterable[Box]:
    measure, _, quantity = code.partition(".")
    request = state.request
    checks = policy.checks.of(request.variables, request.model or state.recipe.model)
    expected = Expected(state.recipe.prompt, request.variables)
    if (check := checks.get(code)) is None:
        return ()
    value = values_of(state.measured, checks, expected).get(code)
    highest = [limit.max for limit in (check.reject, check.review) if limit and limit.max is not None]
    is_high = not isinstance(value, str | None) and any(value > most for most in highest)
    return places_of(measure, quantity, _with_hidden(state.measured), expected.text_for(check), is_high=is_high)


def _with_hidden(measured: Measured) -> Mapping[str, Value]:
    """Return all values by quantity, also those that are for measures only."""
    return {
        f"{identity.partition('@')[0]}.{quantity}": value
        for identity, values in measured.items()
        for quantity, value in values.items()
    }
