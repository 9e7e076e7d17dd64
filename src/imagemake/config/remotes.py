"""Where images go to and come from beside this project: the team's store, and where releases are published."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, Strict

from imagemake.config.fields import Section, Text
from imagemake.core.mistakes import mistake

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


_EXAMPLE = "Write one such as s3://bucket/prefix."


def fault_of_address(address: str) -> tuple[str, str] | None:
    """Say what is wrong with an address, and what to do about it; None where nothing is.

    The fault never repeats the address: it may hold a secret.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return "this is no address.", _EXAMPLE
    is_folder = parts.scheme == "file"
    names_none = not (parts.path if is_folder else parts.netloc + parts.path).strip("/")
    faults = (
        (
            not address.strip() or _CONTROL.search(address),
            "the address is empty or holds control characters.",
            _EXAMPLE,
        ),
        ("::" in address, "addresses are not chained with '::'.", _EXAMPLE),
        (
            "://" not in address or not _SCHEME.fullmatch(parts.scheme),
            "an address begins with a scheme.",
            "Write s3://bucket/prefix, gs://..., or file:///folder for a folder.",
        ),
        (
            "@" in parts.netloc or "?" in address or "#" in address,
            "the address holds '@', '?' or '#', where secrets would be.",
            "Give secrets by the environment: AWS_ACCESS_KEY_ID and so on, or AWS_PROFILE.",
        ),
        (
            is_folder and (parts.netloc or names_none),
            "a folder's address has three slashes and an absolute path.",
            "Write one such as file:///mnt/team/images.",
        ),
        (".." in parts.path.split("/"), "the address climbs with '..'.", "Write where the place is."),
        (names_none, "the address names no bucket.", _EXAMPLE),
    )
    return next(((what, remedy) for is_so, what, remedy in faults if is_so), None)


def _checked(address: str) -> str:
    address = address.strip()
    fault = fault_of_address(address)
    if fault is not None:
        raise mistake(*fault)
    return address.rstrip("/")


Address = Annotated[str, AfterValidator(_checked)]


LONG_LIVED = "public, max-age=31536000, immutable"
SHORT_LIVED = "public, max-age=300"


class SharedStore(Section):
    """Images that a team shares, so that nobody pays for what another one has. Changing this moves no key."""

    remote: Address | None = Field(
        None,
        description="Address of the team's store: s3://bucket/prefix, file:///mnt/team/store, or any other that fsspec "
        "knows. Before a call it is asked for the key, and after it the image is put there; null shares nothing. "
        "Secrets and the endpoint come from the environment: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL_S3, AWS_PROFILE.",
        examples=["s3://our-images/store"],
    )
    timeout_s: float = Field(
        20.0,
        gt=0,
        description="Longest wait for an answer of the team's store, in seconds, and more for large images; then the "
        "image is asked for at the provider.",
    )
    remote_recipes: bool = Field(
        True,
        description="Whether the recipe (prompt, model, parameters, seed) is put beside each shared image, so that "
        "others can check that it belongs to the key. false keeps prompts out of the team's store.",
    )


class CacheControl(Section):
    """Cache-Control headers of what is published."""

    images: Text | None = Field(
        None,
        description=f"Of images. Null is {LONG_LIVED!r} where names hold digests, and {SHORT_LIVED!r} where a name "
        "can get another image.",
    )
    tables: Text = Field("no-cache", description="Of everything else: manifest, metrics, contact sheet, sidecars.")


class Publish(Section):
    """Where `imagemake publish` puts a release. Changing this builds nothing."""

    url: Address | None = Field(
        None,
        description="Address that a release is published to when the command line names none. Secrets come from the "
        "environment only.",
        examples=["s3://our-shop/catalog"],
    )
    names: Literal["digest", "plain"] = Field(
        "digest",
        description="digest: an image's name holds 12 digits of its SHA-256, and the published manifest leads there, "
        "so that readers see all of one release or all of the next. plain: the names of results/, one after the other "
        "replaced in place; addresses stay the same, and readers can see a mixture for as long as it takes.",
    )
    parallel: int = Field(16, ge=1, le=256, description="Most files that are sent at once, a whole number to 256.")
    timeout_s: float = Field(
        60.0,
        gt=0,
        description="Longest wait for an answer, in seconds, and more for large files; then it is tried again.",
    )
    cache_control: CacheControl = Field(
        default_factory=CacheControl, description="Cache-Control headers of what is published; only S3 takes them."
    )
    leave_out: Annotated[tuple[Text, ...], Strict(False)] = Field(
        ("release.json", "review.csv", "*.dvc"),
        description="Files of the release's folder that are not published: patterns, where * stands for anything.",
        examples=[["release.json", "review.csv", "*.dvc", "*.parquet"]],
    )
