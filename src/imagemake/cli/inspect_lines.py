"""What `imagemake inspect` prints about one image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from imagemake.config.fields import MAIN
from imagemake.core.text import printable
from imagemake.release.credentials.report import Credentials, credentials_of
from imagemake.release.manifest.tables import files_in
from imagemake.versions.inspect import Inspection, history_of

_WIDTH = 14
_MOST_CHARACTERS = 2_000
_NOT_SIGNED = "which has no content credentials"
_STATES = {
    "trusted": "valid, signed by {signer}, whom you trust through a root certificate",
    "valid": "valid, signed by {signer}, an untrusted signer: none of your root certificates covers it",
    "expired": "unchanged since {signer} signed, but the signature is no longer valid: {failures}",
    "misused": "unchanged since {signer} signed, but the certificate must not sign images: {failures}",
    "tampered": "TAMPERED with after {signer} signed: {failures}",
    "unreadable": "present, but CANNOT BE READ: {failures}",
    "unread": "present; {failures}",
}
_DETAILS = ("measure.", "variable.", "parameter.", "model_file.")


def json_of(found: Inspection) -> str:
    """Return an inspection as JSON."""
    return orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()


def lines_of(found: Inspection) -> Iterator[str]:
    """Yield an inspection as lines for people; text from files is escaped and cut."""
    row, recipe = found.row or {}, found.recipe or {}
    if found.file:
        yield _line("file", found.file.path)
        yield _line("digest", found.file.digest)
        yield from credentials_lines(found.file.credentials)
    yield _line("key", found.key)
    yield from _in_release(found, row)
    is_shown = row.get("key") == found.key  # else this is an earlier attempt, and the row describes a later one
    for column in ("prompt", "negative_prompt", "provider", "model", "seed"):
        value = recipe.get(column, row.get(column, "") if is_shown else "")
        if value != "":
            yield _line(column.replace("_", " "), value)
    if is_shown and row.get("made_by"):
        yield _line("made by", " ".join(filter(None, (row["made_by"], row.get("note", "")))))
    yield from _mask(found)
    yield _line("raw image", found.raw or "not in the store")
    yield from (_line("", note) for note in found.raw_notes)
    if found.raw_credentials:
        yield _line("", f"the provider's content credentials: {_state_words(found.raw_credentials)}")
    for column, value in row.items():
        if column.startswith(_DETAILS) and value and (is_shown or column.startswith("variable.")):
            yield _line("", f"{column} = {value}")
    if found.file and not row:
        yield from (_line("its XMP says", f"{name} = {value}") for name, value in found.file.xmp.items())
    for past in history_of(found.row):
        why = "; ".join(past["reasons"])
        made_by = f", {past['made_by']}" if past.get("made_by") else ""
        note = f" ({past['note']})" if past.get("note") else ""
        number = f"attempt {past['attempt'] + 1}{made_by}{note}, seed {past['seed']}"
        yield _line("earlier", f"{number}: {why}; key {past['key']}")
        if past.get("prompt", row.get("prompt")) != row.get("prompt"):
            yield _line("", f"its prompt: {past['prompt']}")
    yield from _calls(found)
    for review in found.reviews:
        words = (
            f"{review['decision']} by {review['reviewer'] or 'an unnamed reviewer'} {review['time']} {review['note']}"
        )
        yield _line("review", words)
    yield from (_line("DOES NOT MATCH", mismatch) for mismatch in found.mismatches)
    if not found.mismatches:
        yield _line("matches", "the file, manifest, store, and journal that are present agree")


def _in_release(found: Inspection, row: Mapping[str, str]) -> Iterator[str]:
    if not row:
        return
    yield _line("name", row["name"])
    yield _line("release", f"{found.release}/{row['file']}" if row["file"] else f"{found.release}, without a file")
    for output, file in files_in(row).items():
        if output != MAIN:
            yield _line("", f"{found.release}/{file['file']} (output {output})")
    yield _line("verdict", ": ".join(filter(None, (row["verdict"], row["reasons"]))))
    yield _line("catalog row", row["catalog_row"])


def _mask(found: Inspection) -> Iterator[str]:
    if found.mask:
        yield _line("mask", found.mask)
    if found.repair:
        boxes = "; ".join(",".join(map(str, box)) for box in found.repair["boxes_px"])
        size = "x".join(map(str, found.repair["size_px"]))
        yield _line("", f"for {', '.join(found.repair['reasons'])}; could change these of {size} px: {boxes}")


def lines_of_stranger(path: Path, anchors: str) -> Iterator[str]:
    """Yield the content credentials of a file that the project does not know; nothing if it has none.

    Args:
        path: The file; it need not exist.
        anchors: Trusted root certificates, in PEM format.
    """
    credentials = credentials_of(path.read_bytes(), anchors) if path.is_file() else None
    if credentials is not None:
        yield from credentials_lines(credentials)


def credentials_lines(credentials: Credentials | None) -> Iterator[str]:
    """Yield the content credentials of a file as lines for people."""
    if credentials is None:
        yield _line("credentials", "none")
        return
    yield _line("credentials", _state_words(credentials))
    if credentials.generator:
        stamp = f"time stamp {credentials.signed_at}" if credentials.signed_at else "no time stamp"
        yield _line("", f"claim made by {credentials.generator}; {stamp}")
    yield from (_line("action", action) for action in credentials.actions)
    for one in credentials.ingredients:
        title = f" {one.title}" if one.title else ""
        own = f"signed by {one.signer} ({one.generator}): {', '.join(one.actions)}" if one.signer else _NOT_SIGNED
        failed = f"; not valid when it was imported: {', '.join(one.failures)}" if one.failures else ""
        yield _line("made from", f"{one.relationship}{title}, {own}{failed}")


def _state_words(credentials: Credentials) -> str:
    failures = "; ".join(credentials.failures)
    return _STATES[credentials.state].format(signer=credentials.signer or "an unnamed signer", failures=failures)


def _calls(found: Inspection) -> Iterator[str]:
    if not found.calls:
        yield _line("calls", "none in the journal")
    for call in found.calls:
        yield _line("call", _call_words(call) + ("" if call["key"] == found.key else f"; key {call['key']}"))


def _call_words(call: Mapping[str, Any]) -> str:
    cost = "cost unknown" if call["cost_usd"] is None else f"${call['cost_usd']:.4f}"
    seconds = "" if call["seconds"] is None else f", {call['seconds']:.1f} s"
    why = "".join(f", {call[name]}" for name in ("code", "message") if call[name])
    request = f", request {call['request_id']}" if call["request_id"] else ""
    if call.get("origin"):
        origin = call["origin"]
        paid = "an unknown cost" if origin["cost_usd"] is None else f"${origin['cost_usd']:.4f}"
        made = origin["generated_at"] or "an unknown time"
        return f"{call['at']} came from {origin['store']}, made there for {paid} at {made}{request}"
    return f"{call['at']} attempt {call['attempt']}: {call['outcome']}{why}, {cost}{seconds}{request}"


def _line(heading: str, value: object) -> str:
    return f"{heading:<{_WIDTH}}  {_shown(value)}"


def _shown(value: object) -> str:
    text = str(value)
    text = text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
    return printable(text)
