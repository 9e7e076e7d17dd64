"""The user's files that models are made of, such as weights or a workflow: their digests are part of each key."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

from imagemake.config.workflow import template
from imagemake.core.fingerprint import fingerprint
from imagemake.core.problems import NotReadyError
from imagemake.core.recipe import WORKFLOW
from imagemake.plugins.providers import provider_class

if TYPE_CHECKING:
    from imagemake.config.model import ModelSettings
    from imagemake.plan.requests.request import Parameters
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
