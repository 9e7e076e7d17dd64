"""The commands of imagemake, from their argument parsers, for docs/reference/commands.md."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterator

from imagemake.cli.main import COMMANDS
from reference_pages.markdown import escaped, table

_ENTRY = re.compile(r"^  (?P<word>\S.*?)(?: {2,}(?P<meaning>.*))?$")
_PAGE = re.compile(r"docs/([\w/-]+\.md)")


def command_list() -> str:
    """Return the table of all commands, each with a link to its section."""
    return table(
        ["command", "does"], ([f"[`{name}`](#imagemake-{name})", words] for name, (_, words) in COMMANDS.items())
    )


def command_sections() -> str:
    """Return one section per command: what it does, its arguments and options, examples."""
    return "\n".join(part for name in COMMANDS for part in _section(name))


def parser_of(name: str) -> argparse.ArgumentParser:
    """Return the parser of a command."""
    parser = argparse.ArgumentParser(prog=f"imagemake {name}", add_help=False)
    getattr(COMMANDS[name][0], f"add_{name}_options")(parser)
    return parser


def _section(name: str) -> Iterator[str]:
    module, _ = COMMANDS[name]
    actions = parser_of(name)._actions
    arguments = [action for action in actions if not action.option_strings]
    shown = "".join(f" {_value(one)}" if one.nargs != "?" else f" [{_value(one)}]" for one in arguments)
    options = " [OPTIONS]" if len(arguments) < len(actions) else ""
    yield f"## `imagemake {name}`\n"
    yield f"```\nimagemake {name}{shown}{options}\n```\n"
    yield from map(_block, module.DESCRIPTION.strip("\n").split("\n\n"))
    if actions:
        rows = ([_name(action), _meaning(action, name)] for action in actions)
        yield table(["argument or option", "meaning"], rows)
    yield f"```bash\n{_examples(module.EXAMPLES)}```\n"


def _block(text: str) -> str:
    """Return a paragraph of a help text, or its aligned list of words and meanings."""
    if not text.startswith("  "):
        return _PAGE.sub(r"[\1](../\1)", escaped(text)) + "\n"
    entries: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        found = _ENTRY.match(line)
        if found:
            entries.append((found["word"], [found["meaning"] or ""]))
        else:
            entries[-1][1].append(line.strip())
    return "".join(f"- `{word}`: {escaped(' '.join(meaning))}\n" for word, meaning in entries)


def _name(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{_value(action)}`"
    value = "" if action.nargs == 0 else f" {_value(action)}" if action.nargs != "?" else f" [{_value(action)}]"
    return f"`{action.option_strings[0]}{value}`"


def _value(action: argparse.Action) -> str:
    return str(action.metavar or action.dest.upper()).replace("|", " or ")


def _meaning(action: argparse.Action, command: str) -> str:
    words = [f"{escaped(action.help or '')}."]
    if action.choices:
        words.append(f"One of {', '.join(f'`{choice}`' for choice in action.choices)}.")
    for group in parser_of(command)._mutually_exclusive_groups:
        others = [one.option_strings[0] for one in group._group_actions if one.dest != action.dest]
        if len(others) < len(group._group_actions):
            words.append(f"Not with {' or '.join(f'`{other}`' for other in others)}.")
    sentence = " ".join(words)
    return sentence[0].upper() + sentence[1:]


def _examples(text: str) -> str:
    """Return the examples of a help text as a script: each one's words are a comment, then its commands."""
    lines = textwrap.dedent(text.partition("\n")[2]).strip("\n").splitlines()
    return "".join(f"{line.strip()}\n" if line.startswith(" ") else f"# {line.strip()}\n" for line in lines if line)
