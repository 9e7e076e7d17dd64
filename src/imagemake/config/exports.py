"""The section `release`, with the forms that other programs load, and the section `report`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, Strict, model_validator

from imagemake.config.fields import MAIN, Section, TemplateText, Text
from imagemake.config.outputs import Label
from imagemake.core.mistakes import Mistake, mistake, mistakes

ExportFormat = Literal["huggingface", "kohya", "coco", "webdataset", "merchant", "shopify", "folders"]
Boxes = Literal["objects", "faces", "text", "subject"]
FEEDS = ("merchant", "shopify")
# The options of each format, besides `format` and `output`.
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "huggingface": ("caption", "columns"),
    "kohya": ("caption", "path"),
    "coco": ("boxes",),
    "webdataset": ("caption", "columns", "shards"),
    "merchant": ("columns", "base_url"),
    "shopify": ("columns", "base_url"),
    "folders": ("path",),
}
# Columns of feeds that only the shop knows, and those that the export writes itself.
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "merchant": ("id", "title", "description", "link", "price", "availability"),
    "shopify": ("Handle", "Title"),
}
WRITTEN: Mapping[str, tuple[str, ...]] = {
    "huggingface": ("file_name", "text"),
    "webdataset": ("text",),
    "merchant": ("image_link", "additional_image_link"),
    "shopify": ("Image Src", "Image Position", "Image Alt Text"),
}
ALT_TEXT = "Image Alt Text"


def _base(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or set(url) & set(" ,?#\"'<>\\"):
        raise mistake("this is not an address that links can begin with.", "Use one such as https://cdn.example.com.")
    if parts.username is not None or parts.password is not None:
        raise mistake("the address contains a user or a password, which the feed would show.", "Remove them.")
    return url.rstrip("/")


class Export(Section):
    """A release in another form, in the release's folder exports/LABEL. Unchanged files are not written again."""

    format: ExportFormat = Field(
        description="huggingface: an imagefolder with metadata.jsonl. kohya: images with captions in .txt files. coco: "
        "images with boxes in annotations.json. webdataset: shards in .tar files. merchant: a Google Merchant Center "
        "feed. shopify: a Shopify product file. folders: images in folders that path names."
    )
    output: str = Field(
        MAIN, description="Which file of each image to use: main, or a label of postprocess.more_outputs."
    )
    caption: TemplateText = Field(
        "{prompt}",
        description="For huggingface, kohya, and webdataset: the text of each image. {prompt} is the prompt that was "
        "sent, {name} the image's name, {take} the take; columns and variables as in prompt.",
        examples=["photo of {product}, {color}"],
    )
    columns: Mapping[Text, TemplateText] = Field(
        default_factory=dict,
        description="For huggingface and webdataset: further values by name; empty: all columns and variables. For "
        "merchant and shopify: the columns of the feed, without those of images. Placeholders as in caption; feeds "
        "have no {prompt}.",
        examples=[{"id": "{sku}", "title": "{title}", "price": "{price} EUR"}],
    )
    path: TemplateText = Field(
        "{name}",
        description="For kohya and folders: path of each image, without extension; / separates folders. Placeholders: "
        "{name}, {take}, columns, and variables. A / in a value becomes a dash.",
        examples=["{category}/{sku}", "10_mug/{name}"],
    )
    boxes: Annotated[tuple[Boxes, ...], Strict(False)] = Field(
        (),
        description="For coco: the measures whose boxes are exported. They must be in validation.measures. The "
        "output's steps must leave everything in its place: no crop, pad, or frame.",
        examples=[["objects", "text"]],
    )
    shards: int = Field(
        1,
        ge=1,
        le=100_000,
        description="For webdataset: number of .tar files with about as many images each. An image's name decides its "
        "shard, so a new image rewrites one shard.",
    )
    base_url: Annotated[Text, AfterValidator(_base)] | None = Field(
        None,
        description="For merchant and shopify: address of the published release, without the scope. Image links are "
        "this address and the name that `imagemake publish` gives the image.",
        examples=["https://cdn.example.com/catalog"],
    )

    @model_validator(mode="after")
    def _options_fit(self) -> Export:
        unused = sorted(self.model_fields_set - {"format", "output", *OPTIONS[self.format]})
        found = [Mistake((key,), f"{self.format} has no such option.", "Remove this key.") for key in unused]
        missing = [name for name in REQUIRED.get(self.format, ()) if name not in self.columns]
        if self.format == "coco" and not self.boxes:
            found.append(Mistake(("boxes",), "coco needs measures with boxes.", "Add boxes, such as [objects]."))
        if missing:
            what = f"{self.format} needs the columns {', '.join(missing)}."
            found.append(Mistake(("columns",), what, 'Add them, such as {title: "{title}"}.'))
        own = [name for name in self.columns if name in WRITTEN.get(self.format, ()) and name != ALT_TEXT]
        found += [
            Mistake(("columns", name), "the export writes this column itself.", "Remove this key.") for name in own
        ]
        if self.format in FEEDS and self.base_url is None:
            found.append(
                Mistake(("base_url",), "links need an address.", "Add base_url, such as https://cdn.example.com.")
            )
        if found:
            raise mistakes(found)
        return self

    @property
    def is_feed(self) -> bool:
        """Whether it has links to images and no images."""
        return self.format in FEEDS


class ReleaseSettings(Section):
    """What a release contains besides its images. A change here makes no call to a provider."""

    exports: Mapping[Label, Export] = Field(
        default_factory=dict,
        description="The release in forms that other programs load, by a label of your choice: one folder per label in "
        "the release's exports/.",
        examples=[{"training": {"format": "huggingface", "caption": "photo of {product}, {color}"}}],
    )

    @property
    def has_links(self) -> bool:
        """Whether an export has links, which depend on the names of published images."""
        return any(export.is_feed for export in self.exports.values())


class ReportSettings(Section):
    """The contact sheet of a release."""

    title: Text | None = Field(None, description="Heading of the contact sheet. Null: the campaign's name.")
    max_thumbnails: int = Field(
        2000, ge=0, description="Most images that the sheet shows; those that need attention come first."
    )
