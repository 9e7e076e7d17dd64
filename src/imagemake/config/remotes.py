"""The sections `store` and `publish`: the team store, and where releases are published."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, Strict, model_validator

from imagemake.config.fields import Section, Text
from imagemake.core.mistakes import mistake

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


_EXAMPLE = "Write one such as s3://bucket/prefix."


def as_address(text: str) -> str:
    """Return the address of a folder that is written as a path, such as ``/mnt/team``; other texts stay as they are."""
    text = text.strip()
    return f"file://{text}" if text.startswith("/") and not text.startswith("//") else text


def fault_of_address(address: str) -> tuple[str, str] | None:
    """Return what is wrong with an address and the remedy; None if it is valid.

    The message never repeats the address, which may contain a secret.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return "this is not an address.", _EXAMPLE
    is_folder = parts.scheme == "file"
    names_none = not (parts.path if is_folder else parts.netloc + parts.path).strip("/")
    faults = (
        (
            not address.strip() or _CONTROL.search(address),
            "the address is empty or contains control characters.",
            _EXAMPLE,
        ),
        ("::" in address, "addresses cannot be chained with '::'.", _EXAMPLE),
        (
            "://" not in address or not _SCHEME.fullmatch(parts.scheme),
            "the address has no scheme.",
            "Write s3://bucket/prefix, gs://..., or the absolute path of a folder.",
        ),
        (
            "@" in parts.netloc or "?" in address or "#" in address,
            "the address contains '@', '?', or '#', where secrets could be.",
            "Set secrets in the environment: AWS_ACCESS_KEY_ID and so on, or AWS_PROFILE.",
        ),
        (
            is_folder and (parts.netloc or names_none),
            "a folder's address needs an absolute path.",
            "Write one such as /mnt/team/images or file:///mnt/team/images.",
        ),
        (".." in parts.path.split("/"), "the address contains '..'.", "Write the full path."),
        (names_none, "the address has no bucket.", _EXAMPLE),
    )
    return next(((what, remedy) for is_so, what, remedy in faults if is_so), None)


def _checked(address: str) -> str:
    address = as_address(address)
    fault = fault_of_address(address)
    if fault is not None:
        raise mistake(*fault)
    return address.rstrip("/")


Address = Annotated[str, AfterValidator(_checked)]


LONG_LIVED = "public, max-age=31536000, immutable"
SHORT_LIVED = "public, max-age=300"


class SharedStore(Section):
    """A store that a team or the machines of a cluster share. A change here moves no key."""

    remote: Address | None = Field(
        None,
        description="Address of the shared store: s3://bucket/prefix, a folder such as /mnt/team/store, or another one "
        "that fsspec supports. Images are looked up there before a call, and copied there after it. Null: no sharing. "
        "Secrets and the endpoint come from the environment: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL_S3, AWS_PROFILE.",
        examples=["s3://our-images/store"],
    )
    share: Literal["images", "everything"] = Field(
        "images",
        description="images: paid images are copied to and from `remote`, and each project has a store of its own. "
        "everything: the store is in `remote`, with journal, claims, answers, and finished images, and store/ is a "
        "copy of it, so jobs need no shared disk; if `remote` cannot be read and written, nothing is paid for.",
    )
    timeout_s: float = Field(
        20.0,
        gt=0,
        description="Longest wait for a response of the remote, in seconds; longer for large images. With `share: "
        "images`, the provider is called after that.",
    )
    remote_recipes: bool = Field(
        True,
        description="Whether each shared image comes with its recipe (prompt, model, parameters, seed), so that others "
        "can verify its key. false keeps prompts out of the team store. The journal of `share: everything` has them.",
    )

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if self.share == "everything" and self.remote is None:
            raise mistake("store.share is 'everything', but store.remote is not set.", "Set store.remote.")
        return self

    @property
    def team(self) -> str | None:
        """Address of a store whose images are shared, beside a store of this project; None without one."""
        return self.remote if self.share == "images" else None

    @property
    def whole(self) -> str | None:
        """Address of the store itself; None if it is in the project's folder alone."""
        return self.remote if self.share == "everything" else None


class CacheControl(Section):
    """Cache-Control headers of published files."""

    images: Text | None = Field(
        None,
        description=f"For images. Null: {LONG_LIVED!r} if names contain digests, otherwise {SHORT_LIVED!r}.",
    )
    tables: Text = Field("no-cache", description="For all other files: manifest, metrics, contact sheet, sidecars.")


class Publish(Section):
    """Where and how `imagemake publish` uploads a release. A change here builds nothing."""

    url: Address | None = Field(
        None,
        description="Default destination: s3://bucket/prefix, a folder such as /srv/shop, or another address that "
        "fsspec supports. The command line overrides it. Secrets come from the environment only.",
        examples=["s3://our-shop/catalog"],
    )
    names: Literal["digest", "plain"] = Field(
        "digest",
        description="digest: image names contain 12 digits of the SHA-256, and the manifest lists them, so readers see "
        "either the new release or the previous one, never a mix. plain: names as in results/, replaced in place; "
        "addresses stay the same, but readers may see a mix during the upload.",
    )
    parallel: int = Field(16, ge=1, le=256, description="Most concurrent uploads, a whole number.")
    timeout_s: float = Field(
        60.0,
        gt=0,
        description="Longest wait for a response, in seconds; longer for large files. After that, the upload is "
        "retried.",
    )
    cache_control: CacheControl = Field(
        default_factory=CacheControl, description="Cache-Control headers of published files; S3 only."
    )
    leave_out: Annotated[tuple[Text, ...], Strict(False)] = Field(
        ("release.json", "review.csv", "*.dvc"),
        description="Patterns of files in the release that are not published; * matches anything.",
        examples=[["release.json", "review.csv", "*.dvc", "*.parquet"]],
    )
