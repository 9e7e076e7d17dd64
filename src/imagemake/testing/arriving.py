"""Claims on calls that succeed: what arrives at the server, and what comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import ImageResponse, ProviderError, ReferenceProvider, SeedUse, ServerCheck
from imagemake.testing.api import Request, Response, Sent
from imagemake.testing.base import by_digest, picture
from imagemake.testing.served import Served

ODD_PROMPT = 'A “red” mug, 5 % off:\n<b>Ünïcode</b> & "quotes" \\ {braces} 🫖'


class ArrivingClaims(Served):
    """Claims on calls that succeed."""

    def _made(self, recipe: Recipe, images: dict[str, bytes] | None = None) -> tuple[Sent, ImageResponse]:
        """Make an image by one call; return what arrived, and what came back."""
        self.api.requests.clear()
        answer = self.make(recipe, images)
        (request,) = self._paid()
        return self.sent(request), answer

    @pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
    def test_one_call_makes_one_image_whose_bytes_are_untouched(self, file_format: str) -> None:
        """The file is evidence: its digest, its metadata, and its content credentials stay as the API sent them."""
        self._show(picture(file_format))
        answer = self.make(self.recipe())
        assert len(self._paid()) == 1
        assert answer.image == self.images.files[0]

    def test_all_images_of_a_response_are_kept_in_their_order(self) -> None:
        """They are paid for."""
        if not self.several:
            pytest.skip("a response has one image (several = False)")
        self._show(picture("PNG", "navy"), picture("PNG", "teal"), picture("JPEG", "red"))
        answer = self.make(self.recipe())
        assert (answer.image, *answer.more) == self.images.files

    def test_the_prompt_arrives_as_it_is(self) -> None:
        """What was sent is what the key and the manifest say."""
        assert self._made(self.recipe(prompt=ODD_PROMPT))[0].prompt == ODD_PROMPT

    @pytest.mark.parametrize("seed", [0, 7, 2**31 - 1])
    def test_the_seed_arrives_if_and_only_if_the_provider_says_so(self, seed: int) -> None:
        """The manifest tells users whether an image can be made again."""
        provider = self.provider(self.connection())
        said = provider.seed_use(self.model)
        asyncio.run(provider.close())
        sent, answer = self._made(self.recipe(seed=seed))
        assert sent.seed == (seed if (answer.seed_use or said) is SeedUse.SENT else None)

    def test_the_same_recipe_is_the_same_request(self) -> None:
        """An image is known by its recipe, so nothing else may change the request."""
        for _ in range(2):
            self.make(self.recipe())
        first, second = (_comparable(one) for one in self._paid())
        assert first == second

    def test_sizes_arrive_in_the_words_of_the_api(self) -> None:
        """Campaigns write 1024x1536, 2:3, or 2:3@2K, whatever the API calls it."""
        if not self.sizes:
            pytest.skip("the test class names no sizes")
        written = {size: self.recipe(parameters={**self.parameters, "size": size}) for size in self.sizes}
        assert {size: self._made(recipe)[0].size for size, recipe in written.items()} == dict(self.sizes)

    def test_reference_images_arrive_untouched_and_in_their_order(self) -> None:
        """Prompts speak of the first and the second image."""
        self._need_references()
        files = picture("PNG", "navy"), picture("JPEG", "teal")
        for order in (files, files[::-1]):
            images = by_digest(*order)
            assert self._made(self.recipe(references=tuple(images)), images)[0].references == order

    def test_a_mask_arrives_untouched_or_the_call_fails(self) -> None:
        """A mask that is silently left out pays for another image than the one that was asked for."""
        self._need_references()
        files = picture("PNG", "navy"), picture("PNG", mode="RGBA")
        images = by_digest(*files)
        reference, mask = images
        self._arrives_or_fails(self.recipe(references=(reference,), mask=mask), images, "mask", files[1])
        if self.takes_mask:
            assert self.sent(self._paid()[0]).mask == files[1]

    def test_a_negative_prompt_arrives_or_the_call_fails(self) -> None:
        """As for a mask."""
        self._arrives_or_fails(self.recipe(negative_prompt="text"), {}, "negative_prompt", "text")

    def _arrives_or_fails(self, recipe: Recipe, images: dict[str, bytes], name: str, value: object) -> None:
        try:
            self.make(recipe, images)
        except ProviderError:
            return
        arrived = [getattr(self.sent(one), name) for one in self._paid()]
        assert arrived == [value], f"{name} was left out: send it, or raise a ProviderError of CONFIGURATION"

    def _need_references(self) -> None:
        if not (self.takes_references and issubclass(self.provider, ReferenceProvider)):
            pytest.skip("the provider takes no reference images")

    def test_what_a_response_tells_is_passed_on(self) -> None:
        """Request ID, usage, and cost are what users compare with their bills."""
        responses: list[Response] = []
        as_ever = self.api.respond

        def respond(request: Request) -> Response:
            responses.append(as_ever(request))
            return responses[-1]

        self.api.respond = respond
        answer = self.make(self.recipe())
        told: dict[str, Any] = {}
        for response in responses:
            told |= self.told(response)
        assert {name: getattr(answer, name) for name in told} == told

    def test_a_check_costs_nothing_and_knows_the_model(self) -> None:
        """`imagemake check` calls it before anything is paid for."""
        said = self._checked(self.model)
        assert not self._paid()
        assert said is None or not said.is_fault, said
        if said is not None:
            assert self._is_missing("no-such-model"), "check finds a model that does not exist"

    def _is_missing(self, model: str) -> bool:
        """Return whether a check says that the server has no such model."""
        said = self._checked(model)
        return said is not None and said.is_fault

    def _checked(self, model: str) -> ServerCheck | None:
        """Check a model."""

        async def inside() -> ServerCheck | None:
            provider = self.provider(self.connection())
            try:
                return await provider.check(model)
            finally:
                await provider.close()

        return asyncio.run(inside())


def _comparable(request: Request) -> tuple[str, str, bytes]:
    """Return a request without what is random in a form."""
    boundary = request.headers.get("content-type", "").partition("boundary=")[2]
    return request.method, request.target, request.body.replace(boundary.encode(), b"") if boundary else request.body
