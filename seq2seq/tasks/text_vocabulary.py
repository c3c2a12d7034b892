"""What a language model's ids mean: characters or subwords; EOS is a line's end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from seq2seq.data.tokenizer import Tokenizer
from seq2seq.errors import UserError
from seq2seq.tasks.labels import FIRST
from seq2seq.tasks.task import Vocabularies
from seq2seq.types import EOS, UNK
from seq2seq.utils.text import has_surrogate

CHARACTERS_FILE = "characters.json"
Ids = NDArray[np.int32]


class TextVocabulary:
    """Characters, or a tokenizer's subwords.

    Args:
        files: characters.json or target.model.

    Raises:
        UserError: If neither is there, or it is damaged.
    """

    def __init__(self, files: Vocabularies) -> None:
        self.tokenizer: Tokenizer | None = None
        self.characters: list[str] = []
        if CHARACTERS_FILE in files:
            try:
                self.characters = list(json.loads(files[CHARACTERS_FILE]))
            except (ValueError, TypeError) as error:
                raise UserError(f"{CHARACTERS_FILE} is damaged: {error}.") from error
        elif "target.model" in files:
            self.tokenizer = Tokenizer(files["target.model"])
        else:
            raise UserError(f"{CHARACTERS_FILE} is missing. Restore it from a copy.")
        self._ids = {c: i for i, c in enumerate(self.characters, FIRST)}

    def __len__(self) -> int:
        if self.tokenizer is not None:
            return len(self.tokenizer)
        return FIRST + len(self.characters)

    @staticmethod
    def characters_file(lines: Iterable[str]) -> bytes:
        """Collect the characters of a text, as the content of characters.json."""
        characters: set[str] = set()
        for line in lines:
            characters.update(line)
        return json.dumps("".join(sorted(characters))).encode()

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """Return the ids of each line, without EOS; UNK of unknown characters."""
        if self.tokenizer is not None:
            return self.tokenizer.encode(lines)
        return [[self._ids.get(c, UNK) for c in line] for line in lines]

    def stream(self, lines: Iterable[str]) -> Ids:
        """Return the ids of a text, EOS after each line, (T,)."""
        parts: list[Ids] = []
        chunk: list[str] = []
        for line in lines:
            chunk.append(line)
            if len(chunk) == 10_000:
                parts.append(self._join(chunk))
                chunk = []
        parts.append(self._join(chunk))
        return np.concatenate(parts)

    def _join(self, lines: Sequence[str]) -> Ids:
        ids = [i for tokens in self.encode(lines) for i in (*tokens, EOS)]
        return np.array(ids, dtype=np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; EOS is a line end."""
        lines: list[list[int]] = [[]]
        for i in ids:
            if i == EOS:
                lines.append([])
            elif i >= FIRST or i == UNK:
                lines[-1].append(int(i))
        if self.tokenizer is not None:
            return "\n".join(self.tokenizer.decode(lines))
        names = {UNK: "\N{REPLACEMENT CHARACTER}"}
        names |= dict(enumerate(self.characters, FIRST))
        return "\n".join("".join(names[i] for i in line) for line in lines)

    def require_known(self, text: str) -> None:
        """Check that a prompt holds known characters only.

        Raises:
            UserError: If one was not in the training text.
        """
        characters = sorted(set(text) - {"\n"})
        unknown = [
            c for c in characters if has_surrogate(c) or UNK in self.encode([c])[0]
        ]
        if unknown:
            raise UserError(
                f"the prompt holds {', '.join(map(repr, unknown[:5]))}, which the "
                "training text does not; leave that out."
            )
