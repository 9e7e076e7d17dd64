"""The section `model.server`: a server that the build starts, waits for, and stops."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict, WithJsonSchema

from imagemake.config.fields import Section, Text
from imagemake.config.placeholders import parse_template
from imagemake.core.mistakes import mistake
from imagemake.core.secrets import is_secret_name, is_secret_value

PORT, MODEL = "port", "model"
_PLAIN = re.compile(r"[\w@%+=:,./{}-]+")  # words that a shell would not change, but for their placeholders
NOWHERE = "http://127.0.0.1:9"  # what a server that is not started has as its address; nothing listens there


def _words(command: Any) -> Any:
    if not isinstance(command, str):
        return command
    try:
        return shlex.split(command)
    except ValueError as error:
        remedy = "Close the quotation mark, or write the command as a list of words."
        raise mistake(f"the command cannot be split into words: {error}.", remedy) from None


def _command(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words or not words[0]:
        raise mistake("the command is empty.", "Write the program and its options.")
    for before, word in zip(("", *words), words, strict=False):
        name, _, value = word.partition("=")
        holds_secret = (is_secret_name(before) and before.startswith("-")) or (is_secret_name(name) and value)
        if is_secret_value(word) or holds_secret:
            what = "the command holds a secret, which everybody on the machine can read."
            raise mistake(what, "Set it in the environment, which the server gets, and remove it here.")
        if "\0" in word or "\n" in word:
            raise mistake("a word of the command has a line end or a null character.", "Remove it.")
    names = {name for word in words for name in _placeholders(word)}
    if unknown := sorted(names - {PORT, MODEL}):
        remedy = "Write {port} or {model}, and {{ or }} for a brace."
        raise mistake(f"the command has the unknown placeholder {{{unknown[0]}}}.", remedy)
    if PORT not in names:
        what = "the command does not say where the server listens."
        raise mistake(what, "Write {port} in place of the port number; a free port is filled in.")
    return words


def _placeholders(word: str) -> tuple[str, ...]:
    try:
        return parse_template(word).fields
    except ValueError as error:
        raise mistake(f"{error}.", "Write {port} or {model}, and {{ or }} for a brace.") from None


def _path(text: str) -> str:
    if not text.startswith("/") or not text.isascii() or not text.isprintable() or " " in text or "#" in text:
        raise mistake(f"{text!r} is not a path of a server.", "Begin it with a slash, as in /health.")
    return text


Command = Annotated[
    tuple[str, ...],
    Strict(False),
    BeforeValidator(_words),
    AfterValidator(_command),
    WithJsonSchema(
        {
            "title": "text or list of words",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        }
    ),
]
UrlPath = Annotated[Text, AfterValidator(_path)]


class StartedServer(Section):
    """A server that the build starts on the machine of its jobs, and stops at the end."""

    command: Command = Field(
        description="The program and its options. It is run without a shell, in the project's folder. {port} stands "
        "for a free port, and {model} for the model's name. Part of every key, with these placeholders and without "
        "the program's folder, unless identity is set.",
        examples=["vllm serve {model} --omni --host 127.0.0.1 --port {port}"],
    )
    ready: UrlPath | None = Field(
        None,
        description="Path that the server answers with a status below 400 once it is ready. Null: it is ready when it "
        "accepts connections. Not part of any key.",
        examples=["/health"],
    )
    path: UrlPath | Literal[""] = Field(
        "/v1", description="Path of the API at the server, which follows host and port. Not part of any key."
    )
    ready_s: float = Field(
        600.0, gt=0, description="Longest wait until the server is ready, in seconds. Not part of any key."
    )
    restarts: int = Field(
        3,
        ge=0,
        description="Most restarts of a server within an hour, after it was ready once, a whole number. Not part of "
        "any key.",
    )
    stop_s: float = Field(
        15.0,
        gt=0,
        description="How long the server may take to end after SIGTERM, in seconds; then it is killed. Not part of "
        "any key.",
    )
    gpus: int = Field(
        0,
        ge=0,
        description="GPUs of each server, a whole number; it sees only these (CUDA_VISIBLE_DEVICES), and nothing else "
        "of yours gets them. 0: it sees all. Not part of any key.",
    )
    copies: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        1,
        description="Servers to start, a whole number; calls are spread over them. auto: as many as the free GPUs "
        "of the machine allow. Not part of any key.",
    )

    @property
    def identity(self) -> str:
        """The command as a name of the server in keys: without the program's folder, the port, and the model."""
        return " ".join(_quoted(word) for word in (PurePath(self.command[0]).name, *self.command[1:]))

    def command_for(self, model: str) -> tuple[str, ...]:
        """Return the command for a model; only the port is left to fill in."""
        values = {MODEL: _doubled(model), PORT: "{port}"}
        return tuple(parse_template(word).with_literals(_doubled).render(values) for word in self.command)


def _quoted(word: str) -> str:
    return word if _PLAIN.fullmatch(word) else shlex.quote(word)


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
