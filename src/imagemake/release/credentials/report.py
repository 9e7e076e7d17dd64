"""The content credentials of a file: whether they are valid, the signer, the actions, and the ingredients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from imagemake.images.metadata.c2pa import has_manifest
from imagemake.release.credentials.certificate import INSTALL, packages_missing
from imagemake.release.credentials.library import INVALID, TRUSTED, CredentialsError, active_manifest, read_credentials

State = Literal["trusted", "valid", "expired", "misused", "tampered", "unreadable", "unread"]

# Failures that concern the signer, not the signed content.
_OF_THE_SIGNER = ("signingCredential.", "timeStamp.", "claimSignature.outsideValidity")
_UNTRUSTED = "signingCredential.untrusted"
_EXPIRED = ("signingCredential.expired", "claimSignature.outsideValidity")


@dataclass(frozen=True, slots=True)
class Ingredient:
    """An ingredient of the image.

    Attributes:
        relationship: ``parentOf``, ``componentOf``, or ``inputTo``.
        title: Its title.
        signer: Signer of its own credentials; None if it has none.
        generator: Program that made these credentials.
        actions: Actions in these credentials.
        failures: Failed checks of these credentials when the ingredient was added, except for trust.
    """

    relationship: str
    title: str
    signer: str | None = None
    generator: str | None = None
    actions: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Credentials:
    """The content credentials of a file.

    Attributes:
        state: trusted: valid, and issued under one of your trusted roots; valid: valid, but the signer is not trusted;
            expired: intact, but the signer's certificate expired, and no time stamp proves an earlier signature;
            misused: intact, but the certificate must not sign images; tampered: the file or the credentials changed
            after signing; unreadable: they cannot be read; unread: the library is not installed.
        signer: Organization and name in the certificate.
        generator: The program that made the claim.
        signed_at: Time of the time stamp; None without one.
        actions: The actions, in order.
        ingredients: The ingredients.
        failures: Failed checks, in the library's words.
    """

    state: State
    signer: str | None = None
    generator: str | None = None
    signed_at: str | None = None
    actions: tuple[str, ...] = ()
    ingredients: tuple[Ingredient, ...] = field(default_factory=tuple)
    failures: tuple[str, ...] = ()


def credentials_of(data: bytes, anchors: str = "") -> Credentials | None:
    """Read a file's content credentials.

    Args:
        data: Any file, which may be hostile.
        anchors: PEM of the trusted root certificates.

    Returns:
        The credentials; None if the file has none.
    """
    if not has_manifest(data):
        return None
    if packages_missing():
        return Credentials("unread", failures=(f"the C2PA library is not installed: {INSTALL}",))
    try:
        report = read_credentials(data, anchors)
        return _told(report)
    except CredentialsError as error:
        return Credentials("unreadable", failures=(str(error),))
    except (
        AttributeError,
        KeyError,
        TypeError,
    ) as error:  # the file can malform its report
        return Credentials("unreadable", failures=(f"their report is malformed: {error!r}",))


def _told(report: Mapping[str, Any]) -> Credentials:
    manifest = active_manifest(report)
    failures = {one["code"]: str(one.get("explanation") or "") for one in report.get("validation_status", ())}
    failures.pop(_UNTRUSTED, None)
    of_content = [code for code in failures if not code.startswith(_OF_THE_SIGNER)]
    state: State = "trusted" if report.get("validation_state") == TRUSTED else "valid"
    if of_content or (report.get("validation_state") == INVALID and not failures):
        state = "tampered"
    elif report.get("validation_state") == INVALID:
        state = "expired" if any(code in _EXPIRED for code in failures) else "misused"
    return Credentials(
        state,
        signer=_signer(manifest),
        generator=_generator(manifest),
        signed_at=manifest.get("signature_info", {}).get("time"),
        actions=tuple(_actions(manifest)),
        ingredients=tuple(_ingredient(one, report) for one in manifest.get("ingredients", ())),
        failures=tuple(f"{code}: {words}" if words else code for code, words in failures.items()),
    )


def _signer(manifest: Mapping[str, Any]) -> str | None:
    info = manifest.get("signature_info") or {}
    names = [str(info[name]) for name in ("issuer", "common_name") if info.get(name)]  # organization, own name
    return ", ".join(dict.fromkeys(names)) or None


def _generator(manifest: Mapping[str, Any]) -> str | None:
    for info in manifest.get("claim_generator_info") or ():
        return " ".join(str(info[name]) for name in ("name", "version") if info.get(name))
    return manifest.get("claim_generator")


def _actions(manifest: Mapping[str, Any]) -> Iterator[str]:
    for assertion in manifest.get("assertions") or ():
        if str(assertion.get("label")).startswith("c2pa.actions"):
            for one in assertion["data"].get("actions", ()):
                source = str(one.get("digitalSourceType", "")).rpartition("/")[2]
                more = ", ".join(filter(None, (source, one.get("description"))))
                yield f"{one['action']} ({more})" if more else str(one["action"])


def _ingredient(ingredient: Mapping[str, Any], report: Mapping[str, Any]) -> Ingredient:
    own = report.get("manifests", {}).get(ingredient.get("active_manifest"))
    found = (ingredient.get("validation_results") or {}).get("activeManifest", {}).get("failure", ())
    failures = [one["code"] for one in (*found, *(ingredient.get("validation_status") or ()))]
    return Ingredient(
        relationship=str(ingredient.get("relationship")),
        title=str(ingredient.get("title") or ingredient.get("description") or ""),
        signer=_signer(own) if own else None,
        generator=_generator(own) if own else None,
        actions=tuple(_actions(own)) if own else (),
        failures=tuple(dict.fromkeys(code for code in failures if code != _UNTRUSTED)),
    )
