"""The user's files that models are made of, such as weights or a workflow: their digests are part of each key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from imagemake.config.several_models import settings_of
from imagemake.config.workflow import template
from imagemake.core.fingerprint import fingerprint
from imagemake.core.problems import NotReadyError
from imagemake.core.recipe import WORKFLOW
from imagemake.plugins.providers import provider_class

if TYPE_CHECKING:
    from imagemake.config.campaign import Campaign
    from imagemake.config.model import ModelSettings
    from imagemake.plan.requests.request import Parameters, Request
    from imagemake.plan.requests.wording import Report

NONE: Mapping[str, str] = {}


class ModelFiles:
    """Finds the digests of the files that a request's model is made of; each question is answered once.

    Args:
        main: Name of the main model.
        report_key: Called with each mistake in the section of a model.
    """

    def __init__(self, main: str, report_key: Report) -> None:
        self._main, self._report_key = main, report_key
        self._known: dict[tuple[str, str], Mapping[str, str]] = {}

    def of(self, label: str, model: ModelSettings, parameters: Parameters) -> Mapping[str, str]:
        """Return the digests by what the files are; after a reported mistake, they must not be used.

        Args:
            label: Label of the model.
            model: Its settings.
            parameters: The parameters of the request.
        """
        provider = provider_class(model.provider)
        if model.workflow is None and not provider.uses_files:
            return NONE
        question = label, "" if model.workflow else fingerprint(parameters)
        if question not in self._known:
            try:
                if model.workflow is not None:
                    self._known[question] = {WORKFLOW: sha256(template(model.workflow)).hexdigest()}
                else:
                    self._known[question] = provider.model_files(model.name, model.files, parameters)
            except NotReadyError as error:
                self._report_key("model" if label == self._main else f"more_models.{label}", error.what, error.remedy)
                return NONE
        return self._known[question]


def models_with_files(requests: Iterable[Request]) -> dict[str, list[Any]]:
    """Return each model with files that makes some of these: its label, its parameters, and the digests of its files.

    They are plain data, by a digest of the first two.
    """
    found: dict[str, list[Any]] = {}
    known: set[tuple[str, int]] = set()
    for request in requests:
        for label, recipe in zip(request.labels, request.recipes, strict=True):
            if not recipe.model_files or (label, id(recipe.parameters)) in known:
                continue
            known.add((label, id(recipe.parameters)))
            one = [label, dict(recipe.parameters), dict(recipe.model_files)]
            found[fingerprint(one[:2])] = one
    return found


def are_as_before(models: Mapping[str, list[Any]], campaign: Campaign) -> bool:
    """Return whether the files of models, as from `models_with_files`, have the content that they had.

    Args:
        models: The models.
        campaign: The campaign, which says where the files are.
    """
    files = ModelFiles(campaign.model.name, lambda *_: None)  # one that is missing is not as before
    known = models.values()
    return all(files.of(label, settings_of(label, campaign), given) == digests for label, given, digests in known)
