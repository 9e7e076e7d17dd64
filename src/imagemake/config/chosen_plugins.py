"""The measures and steps that a campaign uses: loaded by name, with their settings validated by their own types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from imagemake.config.fields import Section
from imagemake.config.verdict_codes import OTHER_PATCHABLE, RULES
from imagemake.core.fingerprint import fingerprint
from imagemake.core.mistakes import Mistake, mistake, mistakes, validated
from imagemake.core.secrets import shown
from imagemake.core.text import did_you_mean
from imagemake.images.decoded import DECODER_VERSION
from imagemake.plugins.measures import BUILT_IN as BUILT_IN_MEASURES
from imagemake.plugins.measures import measure_class
from imagemake.plugins.plugin import Plugin
from imagemake.plugins.steps import BUILT_IN as BUILT_IN_STEPS
from imagemake.plugins.steps import step_class
from imagemake.plugins.weights import with_weights

_DIGEST_DIGITS = 12


class ChosenPlugin(Section):
    """A measure or step with its settings: enough to compute keys without importing image libraries."""

    name: str
    version: int
    settings: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """The identity that kept values belong to, such as ``tone@1.2``: the versions of the measure and the decoder.

        A digest of the settings follows if there are any.
        """
        decisive = self._decisive
        settings = f"-{fingerprint(decisive)[:_DIGEST_DIGITS]}" if decisive else ""
        return f"{self.name}@{self.version}.{DECODER_VERSION}{settings}"

    @property
    def _decisive(self) -> Mapping[str, Any]:
        return self.settings


class ChosenMeasure(ChosenPlugin):
    """A measure; the content of its files, such as weights, is part of its identity."""

    @property
    def _decisive(self) -> Mapping[str, Any]:
        return with_weights(measure_class(self.name), self.name, self.settings)


def chosen_measure(name: str, settings: Any = None) -> ChosenMeasure:
    """Load a measure and validate its settings.

    Args:
        name: Its registered name.
        settings: What the user wrote, or a dumped `ChosenPlugin`; None for the defaults.

    Raises:
        PydanticCustomError: If the name or a setting is wrong; locations of mistakes start with the name.
    """
    chosen = _choose(measure_class, BUILT_IN_MEASURES, "measure", name, settings)
    return ChosenMeasure(name=chosen.name, version=chosen.version, settings=chosen.settings)


def chosen_step(name: str, settings: Any = None) -> ChosenPlugin:
    """Load a step and validate its settings; arguments and errors as in `chosen_measure`."""
    return _choose(step_class, BUILT_IN_STEPS, "step", name, settings)


def _choose(
    load: Callable[[str], type[Plugin]], built_in: Mapping[str, str], kind: str, name: str, settings: Any
) -> ChosenPlugin:
    try:
        plug_in = load(name)
    except LookupError as error:
        remedy = did_you_mean(name, built_in) or f"Use one of these {kind}s, or install the package that provides it."
        raise mistakes([Mistake((name,), f"{kind} {error}.", remedy)]) from error
    version = plug_in.version
    if isinstance(settings, Mapping) and set(settings) == set(ChosenPlugin.model_fields):  # as it was dumped
        version, settings = settings["version"], settings["settings"]
    if version != plug_in.version:
        what = f"{kind} {name!r} was planned with version {version}, but version {plug_in.version} is installed."
        raise mistakes([Mistake((name,), what, "Plan and run with one version of the package.")])
    valid = validated(plug_in.Settings, {} if settings is None else settings)
    if isinstance(valid, list):
        raise mistakes(one._replace(location=(name, *one.location)) for one in valid)
    dumped = valid.model_dump(mode="json")
    decisive = {name: value for name, value in dumped.items() if value is not None or name not in plug_in.came_later}
    return ChosenPlugin(name=name, version=plug_in.version, settings=decisive)


def _measures(raw: Any) -> Any:
    if not isinstance(raw, Mapping):
        return raw
    chosen, found = {}, list[Mistake]()
    for name, settings in raw.items():
        try:
            chosen[name] = chosen_measure(str(name), settings)
        except PydanticCustomError as error:
            found += (error.context or {})["mistakes"]
    if found:
        raise mistakes(found)
    return chosen


def _step(raw: Any) -> Any:
    if isinstance(raw, ChosenPlugin):
        return raw
    if isinstance(raw, Mapping) and set(raw) == set(ChosenPlugin.model_fields):  # as it was dumped
        return chosen_step(raw["name"], raw)
    if not isinstance(raw, Mapping) or len(raw) != 1:
        raise mistake(f"{shown(raw)} is not one step.", "Write each step as a separate item: `- crop: {...}`.")
    ((name, settings),) = raw.items()
    return chosen_step(str(name), settings)


def quantity(check: str) -> str:
    """Return the name of a check, which is that of a quantity, such as ``tone.contrast``.

    Raises:
        PydanticCustomError: If no measure has such a quantity.
    """
    measure, _, name = check.partition(".")
    try:
        kind = measure_class(measure)
        known = [f"{measure}.{name}" for name in {**kind.quantities, **kind.compared}]
    except LookupError as error:
        known = sorted(BUILT_IN_MEASURES)
        remedy = f"{did_you_mean(measure, known)} Write measure.quantity, such as tone.contrast."
        raise mistake(f"measure {error}.", remedy.strip()) from error
    if check not in known and not kind.names_quantities:
        raise mistake(
            f"measure {measure!r} has no quantity {name!r}.",
            f"{did_you_mean(check, known)} Known are {', '.join(known)}.".strip(),
        )
    return check


def reason(code: str) -> str:
    """Return the name of a reason that a prompt patch can address.

    Raises:
        PydanticCustomError: If no image is ever rejected for it.
    """
    known = [*BUILT_IN_MEASURES, *RULES, *OTHER_PATCHABLE]
    if code in known:
        return code
    if "." in code:
        return quantity(code)
    try:
        measure_class(code)
    except LookupError as error:
        remedy = f"{did_you_mean(code, known)} Use a check, a measure, or one of {', '.join(OTHER_PATCHABLE)}."
        raise mistake(f"no image is rejected for {code!r}.", remedy.strip()) from error
    return code


_SETTINGS_SCHEMA = {"title": "mapping of settings", "type": ["object", "null"]}
Measures = Annotated[
    Mapping[str, ChosenPlugin],
    BeforeValidator(_measures),
    WithJsonSchema({"type": "object", "additionalProperties": _SETTINGS_SCHEMA}),
]
Step = Annotated[
    ChosenPlugin,
    BeforeValidator(_step),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": _SETTINGS_SCHEMA,
            "minProperties": 1,
            "maxProperties": 1,
        }
    ),
]
Quantity = Annotated[str, AfterValidator(quantity)]
ReasonCode = Annotated[str, AfterValidator(reason)]
