"""Questions that users wrote in place of those derived from prompts: ``config/questions.csv``, one row per question."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

from imagemake.core.given_file import read_given
from imagemake.core.host_errors import reason_of
from imagemake.core.problems import Problem, UserError
from imagemake.core.spreadsheet import plain_cell
from imagemake.core.text import forbidden_character

QUESTIONS = Path("config/questions.csv")
COLUMNS = ("prompt", "question")
MOST_CHARACTERS = 2000


def read_edited(path: Path = QUESTIONS) -> Mapping[str, tuple[str, ...]]:
    """Read the questions, by the prompt that they are about; none if the file does not exist.

    Raises:
        UserError: If the file or rows are invalid; it lists each of them.
    """
    if not os.path.lexists(path):
        return {}
    problems: list[Problem] = []
    found: dict[str, dict[str, None]] = {}
    try:
        reader = csv.DictReader(io.StringIO(read_given(path).decode("utf-8-sig"), newline=""), strict=True)
        if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
            remedy = f"Make {','.join(COLUMNS)} its first line, or write the file with `imagemake questions --write`."
            raise UserError(Problem(str(path), f"the file has no column {' or '.join(missing)}.", remedy))
        for row in reader:
            prompt, question = (plain_cell(row.get(column) or "").strip() for column in COLUMNS)
            if not prompt or not question or len(question) > MOST_CHARACTERS or forbidden_character(question):
                what = "the prompt or the question is empty, too long, or has a control character."
                problems.append(Problem(f"{path}, row {reader.line_num}", what, "Correct or remove the row."))
            found.setdefault(prompt, {})[question] = None
    except OSError as error:
        what, remedy = reason_of(error)
        raise UserError(Problem(str(path), f"{what}.", remedy)) from None
    except csv.Error as error:
        raise UserError(Problem(str(path), f"invalid CSV: {error}.", "Check its quotes.")) from None
    except UnicodeDecodeError as error:
        raise UserError(Problem(str(path), f"byte {error.start} is not UTF-8.", "Save the file as UTF-8.")) from None
    if problems:
        raise UserError(problems)
    return {prompt: tuple(questions) for prompt, questions in found.items()}
