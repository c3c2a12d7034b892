"""SentencePiece tokenization: train a model, encode text to ids, decode ids to text.

A SentencePiece "piece" is called a token here.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece

from seq2seq.data.control_tokens import SYNTHETIC, language_token
from seq2seq.errors import UserError
from seq2seq.recipe.data import SubwordOptions
from seq2seq.utils.files import atomic_file

# Must be the order of types.PAD, UNK, BOS, EOS; a test compares them.
PAD, UNK, BOS, EOS = CONTROL = (0, 1, 2, 3)
MAX_LINES = 500_000  # Training on 800,000 takes 1.9 GB.
MAX_LINE_BYTES = 4192

# Normalization: white space of every kind becomes a space; zero-width and terminal
# control characters are removed. Nothing else changes: NFKC would rewrite "…" and
# Chinese punctuation, which references keep.
_SPACES = [0x0, 0x9, 0xA, 0xB, 0xC, 0xD, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)]
_SPACES += [0x2028, 0x2029, 0x202F, 0x205F, 0x3000]
_REMOVED = [*range(0x1, 0x9), *range(0xE, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0)]
_REMOVED += [0xAD, 0x200B, 0x2060, 0xFEFF]
_MAPPING: dict[int, str | None] = dict.fromkeys(_SPACES, " ") | dict.fromkeys(_REMOVED)
_SPECIAL = re.compile("[" + re.escape("".join(map(chr, _MAPPING))) + "]")


class Tokenizer:
    """A trained SentencePiece model for one side of a translation.

    Tokens of languages and tags are control symbols of SentencePiece, which no text is
    ever segmented into: text that spells one has the tokens of its characters.

    Args:
        model: The serialised model.

    Attributes:
        prefix: Ids that `encode` puts before each line that is not blank.

    Raises:
        UserError: If these bytes are no SentencePiece model, or one with other control
            tokens.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self.prefix: tuple[int, ...] = ()
        if not model:
            raise UserError("this is no SentencePiece model: it is empty.")
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
            ids = [
                self._processor.pad_id(),
                self._processor.unk_id(),
                self._processor.bos_id(),
                self._processor.eos_id(),
            ]
        except (RuntimeError, ValueError) as error:
            raise UserError(f"this is no SentencePiece model: {error}") from error
        if ids != list(CONTROL):
            raise UserError(
                f"the tokenizer's control tokens are {ids}, but pad, unk, bos and eos "
                f"must be {list(CONTROL)}; train one with seq2seq train."
            )

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Read a model file.

        Raises:
            UserError: If the file is missing or no model.
        """
        try:
            model = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
        try:
            return cls(model)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error

    def save(self, path: Path) -> None:
        """Write the model file, whole or not at all."""
        with atomic_file(path) as file:
            file.write(self.model)

    def __len__(self) -> int:
        return int(self._processor.get_piece_size())

    def __reduce__(self) -> tuple[Callable[..., Tokenizer], tuple[Any, ...]]:
        return _with_prefix, (self.model, self.prefix)

    def has_control(self, token: str) -> bool:
        """Return whether a token is one of its control symbols."""
        return bool(self._processor.is_control(self._processor.piece_to_id(token)))

    def for_target(self, language: str, tag: str | None = None) -> Tokenizer:
        """Return this tokenizer with the prefix of sources that go into a language.

        Args:
            language: The target language; without a token of it there is no prefix.
            tag: The tag of these sources, if they have one.
        """
        tokens = [language_token(language)] + ([SYNTHETIC] if tag else [])
        known = filter(self.has_control, tokens)
        return self.with_prefix(map(self._processor.piece_to_id, known))

    def with_prefix(self, ids: Iterable[int]) -> Tokenizer:
        """Return this tokenizer with another prefix."""
        tokenizer = Tokenizer.__new__(Tokenizer)
        tokenizer.__dict__ |= self.__dict__ | {"prefix": tuple(ids)}
        return tokenizer

    def encode(self, lines: Sequence[str], threads: int = 1) -> list[list[int]]:
        """Encode lines to ids, without BOS and EOS; a blank line has none.

        The result does not depend on the number of threads.
        """
        normalized = list(map(normalize, lines))
        encoded: list[list[int]] = self._processor.encode(
            normalized, num_threads=threads
        )
        if not self.prefix:
            return encoded
        return [[*self.prefix, *ids] if ids else ids for ids in encoded]

    def surface_tokens(self, lines: Sequence[str]) -> list[list[str]]:
        """Tokenize lines, as `encode` does, into strings.

        "▁" begins a word; an unknown token is the text that it covers. The prefix is
        left out.
        """
        normalized = list(map(normalize, lines))
        tokens: list[list[str]] = self._processor.encode(
            normalized, out_type=str, num_threads=1
        )
        return tokens

    def id_to_tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the token of each id as a string; "▁" begins a word."""
        return [str(self._processor.id_to_piece(token)) for token in ids]

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """Detokenize each sequence of ids; an unknown token becomes "⁇"."""
        return [self._processor.decode(list(sequence)) for sequence in ids]


def _with_prefix(model: bytes, prefix: tuple[int, ...]) -> Tokenizer:
    return Tokenizer(model).with_prefix(prefix)


@dataclass(frozen=True)
class Tokenizers:
    """One tokenizer for each side; the same object twice if they are joint."""

    source: Tokenizer
    target: Tokenizer

    def to_files(self) -> dict[str, bytes]:
        """Serialise both, by the names of their files."""
        return {"source.model": self.source.model, "target.model": self.target.model}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Tokenizers:
        """Read what `to_files` returned.

        Raises:
            UserError: If a tokenizer is missing or damaged.
        """
        for name in ("source.model", "target.model"):
            if name not in files:
                raise UserError(f"{name} is missing. Restore it from a copy.")
        source, target = files["source.model"], files["target.model"]
        shared = Tokenizer(source)
        return cls(shared, shared if target == source else Tokenizer(target))


def train_tokenizer(
    lines: Iterable[str], options: SubwordOptions, control: Sequence[str] = ()
) -> Tokenizer:
    """Train SentencePiece; the same lines and options give the same bytes.

    Args:
        lines: The text; of more than MAX_LINES lines, every 2nd, 4th, ... is used.
        options: The recipe's tokenizer section.
        control: Tokens of languages and tags.

    Raises:
        UserError: If the text yields fewer tokens than vocab_size, or is empty.

    Source: Kudo and Richardson 2018; Kudo 2018 (unigram); Sennrich et al. 2016 (bpe).
    """
    sample = _sample(lines)
    if not any(line.strip() for line in sample):
        raise UserError("there is no text to train a tokenizer on.")
    try:
        return Tokenizer(_train(sample, options, control))
    except RuntimeError as error:
        message = str(error)
    # Fewer tokens cover fewer characters, of which there may be fewer tokens again.
    most = limit = _largest_size(message)
    while limit is not None:
        most = limit
        try:
            _train(sample, options.model_copy(update={"vocab_size": most}), control)
            limit = None
        except RuntimeError as error:
            limit = _largest_size(str(error))
    raise UserError(_vocab_size_error(message, options.vocab_size, most))


def _train(sample: list[str], options: SubwordOptions, control: Sequence[str]) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sample),
        model_writer=model,
        model_type=options.model_type,
        vocab_size=options.vocab_size,
        character_coverage=_coverage(sample, options, len(CONTROL) + len(control)),
        control_symbols=list(control),
        normalization_rule_name="identity",  # normalize replaces it.
        num_threads=2,  # Fixed: it changes the result.
        max_sentence_length=MAX_LINE_BYTES,
        minloglevel=2,
        pad_id=PAD,
        unk_id=UNK,
        bos_id=BOS,
        eos_id=EOS,
    )
    return model.getvalue()


def normalize(line: str) -> str:
    """Replace white space by spaces and remove zero-width characters."""
    return line.translate(_MAPPING) if _SPECIAL.search(line) else line


def _sample(lines: Iterable[str]) -> list[str]:
    """Take every line, or every 2nd, 4th, ... once there are too many."""
    sample: list[str] = []
    step = 1
    for number, line in enumerate(lines):
        if number % step:
            continue
        # SentencePiece would skip a longer line with a warning.
        sample.append(normalize(line)[: MAX_LINE_BYTES // 4])
        if len(sample) == MAX_LINES:
            sample = sample[::2]
            step *= 2
    return sample


def _coverage(sample: list[str], options: SubwordOptions, num_control: int) -> float:
    """Return the share of characters that get a token, unless the recipe sets it."""
    if options.character_coverage is not None:
        return options.character_coverage
    counts: Counter[str] = Counter()
    for line in sample:
        counts.update(line)
    max_characters = options.vocab_size // 2
    if options.model_type == "char":
        max_characters = options.vocab_size - num_control
    if len(counts) <= max_characters:
        return 1.0
    covered = sum(count for _, count in counts.most_common(max_characters))
    return max(0.98, covered / counts.total())


def _largest_size(message: str) -> int | None:
    """Return the vocabulary size that SentencePiece's error allows, if it names one."""
    size = message.strip().splitlines()[-1].partition("<=")[2].strip(" .")
    return int(size) if size.isdigit() else None


def _vocab_size_error(message: str, vocab_size: int, most: int | None) -> str:
    """Translate SentencePiece's error about the vocabulary size into what to do."""
    if most is not None:
        return (
            f"tokenizer.vocab_size is {vocab_size:,}, but this text yields at most "
            f"{most:,} tokens. Lower tokenizer.vocab_size or add text."
        )
    if "required_chars" in message:
        return (
            f"tokenizer.vocab_size is {vocab_size:,}, fewer than the text's characters "
            "need. Raise tokenizer.vocab_size or lower tokenizer.character_coverage."
        )
    return (
        f"SentencePiece cannot train on this text: {message.strip().splitlines()[-1]}"
    )
