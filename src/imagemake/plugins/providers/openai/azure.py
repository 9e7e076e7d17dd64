"""Azure's servers: which they are, and tokens of Entra ID where no key is named."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from imagemake.core.known_secrets import know_value
from imagemake.core.text import printable
from imagemake.plugins.providers import FailureKind, ProviderError
from imagemake.plugins.providers.connection import is_of_domain

DOMAINS = ("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com")
SCOPE = "https://cognitiveservices.azure.com/.default"
SIGN_IN_S = 60
KEY_HEADER = "api-key"
REMEDY = "Sign in, for example with `az login`, or set model.key_from to the variable with the resource's key."


def is_azure(address: str) -> bool:
    """Return whether an address leads to one of Azure's own servers."""
    return any(is_of_domain(address, domain) for domain in DOMAINS)


def has_credentials(headers: Mapping[str, str]) -> bool:
    """Return whether headers that the user named hold a key or a token."""
    return any(name.lower() in (KEY_HEADER, "authorization") for name in headers)


class EntraTokens:
    """Tokens for whoever is signed in: a user, a managed identity, a service principal, or a workload.

    azure-identity keeps a token in memory and gets another one before it expires.

    Raises:
        ProviderError: If azure-identity is not installed, or its environment variables are wrong.
    """

    def __init__(self) -> None:
        try:
            from azure.identity import DefaultAzureCredential, get_bearer_token_provider
        except ImportError:
            remedy = "Run: pip install 'imagemake[azure]'; or set model.key_from to the variable with the key."
            message = "no key is named for this Azure address, and signing in needs a package"
            raise ProviderError(message, FailureKind.STOP, code="no_key", remedy=remedy) from None
        try:
            self._next = get_bearer_token_provider(DefaultAzureCredential(), SCOPE)
        except ValueError as error:
            message = f"azure-identity: {_first_line(error)}"
            raise ProviderError(message, FailureKind.STOP, code="no_key", remedy="Correct the variable.") from None

    async def __call__(self) -> str:
        """Return a token that is valid now.

        Raises:
            ProviderError: If nobody is signed in, or Entra ID does not answer.
        """
        from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError

        try:
            async with asyncio.timeout(SIGN_IN_S):
                token = await asyncio.to_thread(self._next)
        except (TimeoutError, ServiceRequestError, ServiceResponseError) as error:
            message = f"Entra ID gives no token: {_first_line(error) or 'no response'}"
            raise ProviderError(message, FailureKind.UNREACHABLE, code="not_connected", remedy=REMEDY) from None
        except AzureError as error:
            message = f"Entra ID gives no token: {_first_line(error)}"
            raise ProviderError(message, FailureKind.STOP, code="no_key", remedy=REMEDY) from None
        know_value(token)
        return token


def _first_line(error: BaseException) -> str:
    return printable(str(error).strip().partition("\n")[0])[:300]
