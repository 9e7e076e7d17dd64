"""The SDK's errors as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imagemake.plugins.providers import ProviderError
from imagemake.plugins.providers.http import connecting, errors

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError

KEY_VARIABLE = "OPENAI_API_KEY"


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise the SDK's errors as ours."""
    import openai

    try:
        yield
    except openai.APIStatusError as error:
        raise status_error(error) from None
    except openai.APIConnectionError as error:
        raise connection_error(error) from None


def status_error(error: APIStatusError) -> ProviderError:
    """Turn the SDK's error about a status into ours."""
    response = error.response
    headers = {name.lower(): value for name, value in response.headers.items()}
    return errors.error_of(error.status_code, response.content, headers)


def connection_error(error: APIConnectionError) -> ProviderError:
    """Turn the SDK's error about a connection into ours, unless it is ours."""
    if isinstance(error.__cause__, ProviderError):
        return error.__cause__
    url = error.request.url
    return connecting.connection_error(error.__cause__ or error, f"{url.scheme}://{url.netloc.decode()}")
