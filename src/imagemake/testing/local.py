"""Claims on every provider, with or without a server."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from imagemake.images.formats import extension_of
from imagemake.plugins.providers import (
    FailureKind,
    Provider,
    ProviderError,
    ReferenceProvider,
    SeedUse,
    ServerCheck,
)
from imagemake.plugins.registry import contract_fault
from imagemake.testing.base import Conformance, by_digest, picture


class ContractClaims(Conformance):
    """Claims on the class itself."""

    def test_the_class_defines_what_the_contract_requires(self) -> None:
        """An incomplete class would be rejected when a campaign names it."""
        assert contract_fault(self.provider, Provider) is None


class ProviderConformance(ContractClaims):
    """Claims on a provider that makes images on this machine.

    Attributes:
        provider: The provider's class.
        model: Name of a model.
        parameters: Parameters of every recipe, such as a size that is quick.
        prompt: A prompt that the provider accepts.
        refused_prompt: A prompt that it refuses; None if there is none.
        takes_mask: Whether reference images can have a mask.
    """

    refused_prompt: ClassVar[str | None] = None

    def test_a_response_is_the_file_of_an_image(self) -> None:
        """The file is kept as it is; imagemake decodes it later, under limits."""
        assert extension_of(self.make(self.recipe()).image) != "bin"

    def test_a_seed_does_what_the_provider_says(self) -> None:
        """A seed that is used makes an image that can be made again, and another seed makes another image."""
        provider = self.provider(self.connection())
        uses_it = provider.seed_use(self.model) is SeedUse.SENT
        asyncio.run(provider.close())
        if not uses_it:
            pytest.skip("seed_use does not say that the seed is used")
        first, again, other = (self.make(self.recipe(seed=seed)).image for seed in (7, 7, 8))
        assert first == again
        assert first != other

    def test_a_refused_prompt_is_final(self) -> None:
        """A refused key is never asked for again."""
        if self.refused_prompt is None:
            pytest.skip("the test class names no refused_prompt")
        with pytest.raises(ProviderError) as caught:
            self.make(self.recipe(prompt=self.refused_prompt))
        assert caught.value.failure is FailureKind.REFUSED

    def test_reference_images_are_taken(self) -> None:
        """They are PNG, JPEG, or WebP; nothing was decoded before."""
        if not issubclass(self.provider, ReferenceProvider):
            pytest.skip("the provider takes no reference images")
        mask = picture("PNG", mode="RGBA")
        images = by_digest(picture("PNG"), picture("JPEG"), mask)
        first, second, masking = images
        recipe = self.recipe(references=(first, second), mask=masking if self.takes_mask else None)
        assert extension_of(self.make(recipe, images).image) != "bin"

    def test_a_check_says_something_or_nothing(self) -> None:
        """`imagemake check` calls it before anything is paid for."""

        async def checked() -> ServerCheck | None:
            provider = self.provider(self.connection())
            try:
                return await provider.check(self.model)
            finally:
                await provider.close()

        said = asyncio.run(checked())
        assert said is None or (isinstance(said, ServerCheck) and not said.is_fault)
