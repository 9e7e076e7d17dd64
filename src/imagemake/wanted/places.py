"""Where pictures go to and come from beside this project: the team's store, and where releases are published."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from imagemake.remote.address import Address
from imagemake.wanted.settings import Section, Text

LONG_LIVED = "public, max-age=31536000, immutable"
SHORT_LIVED = "public, max-age=300"


class SharedStore(Section):
    """Pictures that a team shares, so that nobody pays for what another one has. Changing this moves no key."""

    remote: Address | None = Field(
        None,
        description="Address of the team's store: s3://bucket/prefix, file:///mnt/team/store, or any other that fsspec "
        "knows. Before a call it is asked for the key, and after it the picture is put there; null shares nothing. "
        "Secrets and the endpoint come from the environment: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL_S3, AWS_PROFILE.",
        examples=["s3://our-pictures/store"],
    )
    timeout_s: float = Field(
        20.0,
        gt=0,
        description="Longest wait for an answer of the team's store, in seconds, and more for large pictures; then the "
        "picture is asked for at the provider.",
    )
    remote_recipes: bool = Field(
        True,
        description="Whether the recipe (prompt, model, parameters, seed) is put beside each shared picture, so that "
        "others can check that it belongs to the key. false keeps prompts out of the team's store.",
    )


class CacheControl(Section):
    """Cache-Control headers of what is published."""

    pictures: Text | None = Field(
        None,
        description=f"Of pictures. Null is {LONG_LIVED!r} where names hold digests, and {SHORT_LIVED!r} where a name "
        "can get another picture.",
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
        description="digest: a picture's name holds 12 digits of its SHA-256, and the published manifest leads there, "
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
