"""The report about two releases, as a table for terminals, JSON, or CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import StringIO

from imagemake.config.fields import MAIN
from imagemake.core.spreadsheet import safe_cell
from imagemake.versions.diff.compare import KINDS, Change, Comparison
from imagemake.versions.diff.image_changes import ImageChange
from imagemake.versions.diff.numbers import NewAttempts, Number
from imagemake.versions.diff.table import OF_OUTPUT, is_output
from imagemake.versions.diff.words import word_diff

FORMATS = ("table", "json", "csv")
NUMBER_NAMES = {
    "requests": "requests",
    "accepted": "accepted",
    "rejected": "rejected",
    "review": "awaiting review",
    "refused": "refused",
    "failed": "failed",
    "pending": "not generated",
    "success_rate": "success rate",
    "attempts": "attempts",
    "cost_usd_images": "cost USD of images",
    "cost_unknown": "attempts, cost unknown",
    "mean_cost_usd_per_image": "mean cost USD",
    "mean_seconds_per_image": "mean seconds",
}
_ALWAYS = {"requests", "accepted", "success_rate", "cost_usd_images"}
_TEXTS = ("prompt", "negative_prompt")
_LONGEST = 160  # characters of a value in the table
_DIGITS = 12  # of a digest
_CONTEXT = 24  # characters kept on each side of a change of a long text
_COLORS = {"-": "\x1b[31m", "+": "\x1b[32m", "bold": "\x1b[1m", "end": "\x1b[0m"}
_CSV = ("name", "change", "reasons", "name_before", "verdict_before", "verdict_after", "hash_bits", "delta_e", "ssim")


@dataclass(frozen=True, slots=True)
class DiffReport:
    """The differences between two releases.

    Attributes:
        before: Label of the earlier release.
        after: Label of the later release.
        comparison: The changes.
        numbers_before: Summary numbers of the earlier release.
        numbers_after: Summary numbers of the later release.
        new: Attempts that were paid for since the earlier release.
        image_changes: Images and distances by name, for the changes whose images were opened.
        verdicts: Verdicts before and after, by name; empty if the release does not have the name.
    """

    before: str
    after: str
    comparison: Comparison
    numbers_before: Mapping[str, Number]
    numbers_after: Mapping[str, Number]
    new: NewAttempts
    image_changes: Mapping[str, ImageChange] = field(default_factory=dict)
    verdicts: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def distance(self, change: Change) -> dict[str, float | int | None]:
        """Return the known perceptual distances between the images of a change."""
        image_change = self.image_changes.get(change.name)
        distance = image_change.distance if image_change else None
        bits = change.hash_bits if distance is None else distance.hash_bits
        return {
            "hash_bits": bits,
            "delta_e": distance.delta_e if distance else None,
            "ssim": distance.ssim if distance else None,
        }

    def lines(self, form: str, *, most: int, color: bool = False) -> Iterator[str]:
        """Yield the lines of the report.

        Args:
            form: One of `FORMATS`.
            most: Largest number of changes per kind in a table. The other formats contain all changes.
            color: Whether to use terminal colors in the table.
        """
        if form == "json":
            return self._json()
        return self._csv() if form == "csv" else _Table(self, most, color).lines()

    def _json(self) -> Iterator[str]:
        sides = {"before": (self.before, self.numbers_before), "after": (self.after, self.numbers_after)}
        facts = {
            **{side: {"label": label, "numbers": numbers} for side, (label, numbers) in sides.items()},
            "new": asdict(self.new),
            "counts": self.comparison.counts(),
            "reasons": self.comparison.reasons(),
        }
        yield json.dumps(facts, indent=1)[:-2] + ',\n "changes": ['
        last = len(self.comparison.changes) - 1
        for place, change in enumerate(self.comparison.changes):
            before, after = self.verdicts.get(change.name, ("", ""))
            entry = {
                "name": change.name,
                "change": change.kind,
                "reasons": change.reasons,
                "name_before": self._name_before(change),
                "verdict_before": before or None,
                "verdict_after": after or None,
                "differences": change.differences,
                "distance": self.distance(change),
                "output_shown": self._output_shown(change),
            }
            yield f"  {json.dumps(entry)}{'' if place == last else ','}"  # escapes everything except ASCII
        yield " ]\n}"

    def _csv(self) -> Iterator[str]:
        columns = sorted({column for change in self.comparison.changes for column in change.differences})
        yield _csv_line([*_CSV, *(f"{column}.{side}" for column in columns for side in ("before", "after"))])
        for change in self.comparison.changes:
            before, after = self.verdicts.get(change.name, ("", ""))
            cells = [
                change.name,
                change.kind,
                "; ".join(change.reasons),
                self._name_before(change) or "",
                before,
                after,
            ]
            cells += ["" if value is None else str(value) for value in self.distance(change).values()]
            for column in columns:
                cells += change.differences.get(column, ("", ""))
            yield _csv_line(cells)

    def _output_shown(self, change: Change) -> str | None:
        """Return the label of the output whose distances were measured; None if no image was opened."""
        image_change = self.image_changes.get(change.name)
        return None if image_change is None else image_change.output or MAIN

    def _name_before(self, change: Change) -> str | None:
        return change.differences["name"][0] if "name" in change.differences else None


class _Table:
    """The report as lines for a terminal."""

    def __init__(self, report: DiffReport, most: int, color: bool) -> None:
        self._report, self._most, self._color = report, most, color

    def lines(self) -> Iterator[str]:
        """Yield numbers, counts, and the changes by kind."""
        report = self._report
        yield self._bold(f"{printable(report.before)} → {printable(report.after)}")
        yield ""
        yield from self._numbers()
        yield ""
        counts, reasons = report.comparison.counts(), report.comparison.reasons()
        yield ", ".join(f"{number:,} {kind}" for kind, number in counts.items() if number) or "no image"
        if reasons:
            yield "reasons: " + ", ".join(f"{reason} {number:,}" for reason, number in reasons.items())
        for kind in KINDS:
            yield from self._kind(kind, [change for change in report.comparison.changes if change.kind == kind])

    def _numbers(self) -> Iterator[str]:
        rows = [("", "before", "after", "")]
        for name, heading in NUMBER_NAMES.items():
            before, after = self._report.numbers_before[name], self._report.numbers_after[name]
            if name in _ALWAYS or before or after:
                rows.append(
                    (heading, number_words(name, before), number_words(name, after), difference(name, before, after))
                )
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        for heading, *cells in rows:
            aligned = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
            yield f"{heading.ljust(widths[0])}  {'  '.join(aligned)}".rstrip()
        yield new_words(self._report.new)

    def _kind(self, kind: str, changes: Sequence[Change]) -> Iterator[str]:
        if not changes:
            return
        yield ""
        yield self._bold(f"{kind} ({len(changes):,})")
        for change in changes[: self._most]:
            yield from self._change(change)
        if len(changes) > self._most:
            yield f"  … and {len(changes) - self._most:,} more; to see them, use --most, --format json, or --html"

    def _change(self, change: Change) -> Iterator[str]:
        known = {name: value for name, value in self._report.distance(change).items() if value is not None}
        words = {"hash_bits": "hash {}/64", "delta_e": "ΔE {:.1f}", "ssim": "SSIM {:.2f}"}
        far = ", ".join(words[name].format(value) for name, value in known.items())
        before, after = self._report.verdicts.get(change.name, ("", ""))
        about = ", ".join(change.reasons) or after or before
        image_change = self._report.image_changes.get(change.name)
        of = f"{printable(image_change.output)}: " if image_change and image_change.output else ""
        yield f"  {printable(change.name)}: {about}{f'  [{of}{far}]' if far else ''}"
        for column, (old, new) in shown_values(change):
            yield f"      {printable(column)}: {self._difference(column, old, new)}"

    def _difference(self, column: str, old: str, new: str) -> str:
        if column in _TEXTS and old and new:
            return "".join(self._part(mark, text) for mark, text in word_diff(old, new))
        return f"{shortened(old) or '(none)'} → {shortened(new) or '(none)'}"

    def _part(self, mark: str, text: str) -> str:
        text = printable(text)
        if mark == "=":
            return text if len(text) <= 3 * _CONTEXT else f"{text[:_CONTEXT]} … {text[-_CONTEXT:]}"
        framed = f"[-{shortened(text)}-]" if mark == "-" else f"{{+{shortened(text)}+}}"
        return f"{_COLORS[mark]}{framed}{_COLORS['end']}" if self._color else framed

    def _bold(self, text: str) -> str:
        return f"{_COLORS['bold']}{text}{_COLORS['end']}" if self._color else text


def shown_values(change: Change) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the values of a change that reports show. Digests are shortened and shown for outputs only."""
    for column, (old, new) in change.differences.items():
        if is_output(column):
            yield column.removesuffix(OF_OUTPUT), (old[:_DIGITS], new[:_DIGITS])
        elif column not in ("reference_digests", "mask_digest"):
            yield column, (old, new)


def number_words(name: str, value: Number) -> str:
    """Return a summary number as text."""
    if value is None:
        return "unknown"
    if name == "success_rate":
        return f"{100 * value:.1f}%"
    if name.endswith(("_usd_images", "_usd_per_image")):
        return f"{value:,.4f}" if 0 < value < 1 else f"{value:,.2f}"
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def difference(name: str, before: Number, after: Number) -> str:
    """Return the difference between two numbers as text; empty if they are equal or one is unknown."""
    if before is None or after is None or before == after:
        return ""
    size = abs(after - before)
    words = f"{100 * size:.1f} points" if name == "success_rate" else number_words(name, size)
    return ("+" if after > before else "-") + words if words.strip("0.") else ""


def new_words(new: NewAttempts) -> str:
    """Return what the later release cost in addition, as a sentence."""
    if not new.attempts:
        return "No new attempts: the earlier release has every key."
    attempts = f"{new.attempts:,} new attempt{'' if new.attempts == 1 else 's'}"
    unknown = f", cost unknown for {new.cost_unknown:,}" if new.cost_unknown else ""
    return f"New attempts cost {number_words('cost_usd_images', new.cost_usd)} USD ({attempts}{unknown})."


def shortened(text: str) -> str:
    """Shorten a value to fit a line of a table."""
    text = printable(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def printable(text: str) -> str:
    """Escape control characters for terminals."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def _csv_line(cells: Sequence[str]) -> str:
    buffer = StringIO()
    csv.writer(buffer, lineterminator="").writerow([safe_cell(cell) for cell in cells])
    return buffer.getvalue()
