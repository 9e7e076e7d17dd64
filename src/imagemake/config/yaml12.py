"""Reads YAML by the core schema of YAML 1.2, so that ``00123``, ``16:9``, ``NO``, and ``on`` keep their spelling.

Keys are texts. What a file could do to the memory or the stack is bounded before it is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import yaml
from yaml.events import AliasEvent, Event
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from imagemake.config.yaml_scalars import KINDS, RESOLVERS, TOO_LARGE, WRONG
from imagemake.config.yaml_text import YamlError, decoded

MOST_LEVELS = 100
MOST_NODES = 1_000_000  # with the content of every alias counted again

_TAG = "tag:yaml.org,2002:"
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_yaml(data: bytes | str) -> Any:
    """Read one document.

    Returns:
        Dicts with texts as keys, lists, texts, numbers, truth values, and None. Numbers and truth values that are
        spelled otherwise than Python does are those of `imagemake.config.spelled`.

    Raises:
        YamlError: If it is not YAML, repeats a key, or exceeds a bound.
    """
    text = data if isinstance(data, str) else decoded(data)
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        column = len(before) - before.rfind("\n")
        what = f"the character U+{ord(text[error.position]):04X} is not allowed."
        raise YamlError(before.count("\n") + 1, column, what, "Remove it, or escape it in double quotes.") from None
    except yaml.MarkedYAMLError as error:
        raise _told(error) from None
    except (ValueError, OverflowError):  # an escape such as \UFFFFFFFF
        mark = loader.get_mark()  # type: ignore[union-attr]
        raise YamlError(mark.line + 1, mark.column + 1, "this escape is not a character.", "Correct it.") from None


def _told(error: yaml.MarkedYAMLError) -> YamlError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    if isinstance(error, _Mistake):
        return YamlError(line, column, str(error.problem), error.remedy)
    words = ", ".join(part for part in (error.context, error.problem) if part)
    remedy = "Correct it; text that contains a colon, a hash, or a bracket belongs in quotes."
    return YamlError(line, column, f"invalid YAML: {words}.", remedy)


class _Mistake(yaml.MarkedYAMLError):
    """A mistake that PyYAML does not know."""

    def __init__(self, place: Any, problem: str, remedy: str) -> None:
        super().__init__(problem=problem, problem_mark=place.start_mark)
        self.remedy = remedy


class _Loader(yaml.SafeLoader):
    """PyYAML's loader with the types of YAML 1.2 only, and with bounds."""

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}  # type: ignore[misc]
    yaml_constructors: ClassVar[dict[Any, Any]] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._level = 0
        self._sizes: dict[int, int] = {}  # of finished nodes, with the content of aliases

    def compose_node(self, parent: Node | None, index: int) -> Node:
        """Compose one node, within the bounds."""
        event: Event = self.peek_event()  # type: ignore[no-untyped-call]
        if self._level > MOST_LEVELS:
            what = f"this is nested more than {MOST_LEVELS} levels deep."
            raise _Mistake(event, what, "Use fewer levels.")
        self._level += 1
        node: Any = super().compose_node(parent, index)
        self._level -= 1
        if isinstance(event, AliasEvent):
            if id(node) not in self._sizes:
                raise _Mistake(event, f"*{event.anchor} stands for something that contains it.", "Remove it.")
            return node  # type: ignore[no-any-return]
        if isinstance(node, ScalarNode):
            node.value = _with_whole_characters(node.value)
        elif isinstance(node, MappingNode):
            _check_keys(node)
        self._sizes[id(node)] = size = 1 + sum(self._sizes[id(child)] for child in _children(node))
        if size > MOST_NODES:
            what = f"with its aliases, this has more than {MOST_NODES:,} values."
            raise _Mistake(event, what, "Use fewer aliases (*name), or move values into the catalog.")
        return node  # type: ignore[no-any-return]

    def mapping(self, node: Node) -> Iterator[dict[str, Any]]:
        """Build a mapping."""
        if not isinstance(node, MappingNode):
            raise _Mistake(node, "this is not a mapping.", "Remove the tag.")
        built: dict[str, Any] = {}
        yield built
        self.flatten_mapping(node)
        for key, value in node.value:
            built[key.value] = self.construct_object(value, deep=True)

    def sequence(self, node: Node) -> Iterator[list[Any]]:
        """Build a list."""
        if not isinstance(node, SequenceNode):
            raise _Mistake(node, "this is not a list.", "Remove the tag.")
        built: list[Any] = []
        yield built
        built.extend(self.construct_object(item, deep=True) for item in node.value)

    def scalar(self, node: Node) -> Any:
        """Build a text, a number, a truth value, or None, by its tag."""
        kind, text = node.tag.removeprefix(_TAG), node.value
        if not isinstance(text, str):
            raise _Mistake(node, f"this is not of the type {kind}.", "Remove the tag.")
        if kind in ("str", "merge"):
            return text
        built = KINDS[kind](text)
        if built is TOO_LARGE:
            what = f"the number {_shortened(text)} does not fit 64 bits."
            raise _Mistake(node, what, "Put it in quotes if it is text.")
        if built is WRONG:
            raise _Mistake(node, f"{_shortened(text)} is not of the type {kind}.", "Remove the tag.")
        return built

    def unknown(self, node: Node) -> Any:
        """Refuse a tag."""
        raise _Mistake(node, f"the tag {_shortened(node.tag)} is not known.", "Remove the tag, or quote the text.")


def _check_keys(node: MappingNode) -> None:
    keys = set()
    for key, _ in node.value:
        if not isinstance(key, ScalarNode):
            raise _Mistake(key, "a key is a list or a mapping.", "Write text before the colon; quote {placeholders}.")
        if key.value in keys and key.tag != _TAG + "merge":
            raise _Mistake(key, f"the key {_shortened(key.value)!r} appears twice.", "Remove one of them.")
        keys.add(key.value)


def _with_whole_characters(text: str) -> str:
    """Join surrogates: JSON escapes a character beyond U+FFFF as two."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, SequenceNode) else []


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


for _kind, _pattern, _first in RESOLVERS:
    _Loader.add_implicit_resolver(_TAG + _kind, _pattern, _first)
_Loader.add_implicit_resolver(_TAG + "merge", re.compile(r"<<\Z"), ["<"])
for _kind in ("str", "merge", *KINDS):
    _Loader.add_constructor(_TAG + _kind, _Loader.scalar)
_Loader.add_constructor(_TAG + "seq", _Loader.sequence)
_Loader.add_constructor(_TAG + "map", _Loader.mapping)
_Loader.add_constructor(None, _Loader.unknown)
