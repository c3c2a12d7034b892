"""SentencePiece: train, encode, decode. Knows text and ids; not batches or tensors."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import sentencepiece

from seq2seq.errors import UserError
from seq2seq.recipe import TokenizerOptions
from seq2seq.utils.files import atomic_file

# Must be the order of types.PAD, UNK, BOS, EOS; a test compares them.
PAD, UNK, BOS, EOS = CONTROL = (0, 1, 2, 3)
LINES_AT_MOST = 500_000  # Training on 800,000 takes 1.9 GB.
LINE_BYTES_AT_MOST = 4192

# Every kind of white space becomes a blank; what has no width or steers a terminal
# goes. All else stays as it is: NFKC would rewrite "…" and Chinese punctuation, which
# references keep.
_SPACES = [0x0, 0x9, 0xA, 0xB, 0xC, 0xD, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)]
_SPACES += [0x2028, 0x2029, 0x202F, 0x205F, 0x3000]
_GONE = [*range(0x1, 0x9), *range(0xE, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0)]
_GONE += [0xAD, 0x200B, 0x2060, 0xFEFF]
_PLAIN: dict[int, str | None] = dict.fromkeys(_SPACES, " ") | dict.fromkeys(_GONE)
_SPECIAL = re.compile("[" + re.escape("".join(map(chr, _PLAIN))) + "]")


class Tokenizer:
    """A trained SentencePiece model for one side of a translation.

    Args:
        model: The serialised model.

    Raises:
        InputError: If these bytes are no SentencePiece model of ours.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
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
                f"the tokenizer's control pieces are {ids}, but pad, unk, bos and eos "
                f"must be {list(CONTROL)}; train one with seq2seq train."
            )

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Read a model file.

        Raises:
            InputError: If the file is missing or no model.
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

    def __reduce__(self) -> tuple[type[Tokenizer], tuple[bytes]]:
        return Tokenizer, (self.model,)

    def encode(self, lines: Sequence[str], threads: int = 1) -> list[list[int]]:
        """Cut lines into ids, without control pieces; a blank line has none.

        The number of threads changes nothing but the time it takes.
        """
        plain = list(map(_plain, lines))
        encoded: list[list[int]] = self._processor.encode(plain, num_threads=threads)
        return encoded

    def surface_tokens(self, lines: Sequence[str]) -> list[list[str]]:
        """Cut lines into the pieces behind `encode`'s ids, as text.

        "▁" begins a word; an unknown piece shows what stands in the line.
        """
        plain = list(map(_plain, lines))
        cut: list[list[str]] = self._processor.encode(
            plain, out_type=str, num_threads=1
        )
        return cut

    def id_to_tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the pieces with these ids, as text; "▁" begins a word."""
        return [str(self._processor.id_to_piece(piece)) for piece in ids]

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """Join ids to text; an unknown piece shows as "⁇"."""
        return [self._processor.decode(list(each)) for each in ids]


def train_tokenizer(lines: Iterable[str], options: TokenizerOptions) -> Tokenizer:
    """Train SentencePiece; the same lines and options give the same bytes.

    Args:
        lines: The text; of more than LINES_AT_MOST lines every k-th is used.
        options: The recipe's tokenizer section.

    Raises:
        InputError: If the text yields fewer pieces than asked, or is empty.

    Source: Kudo and Richardson 2018; Kudo 2018 (unigram); Sennrich et al. 2016 (bpe).
    """
    sample = _sample(lines)
    if not sample:
        raise UserError("there is no text to train a tokenizer on.")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sample),
            model_writer=model,
            model_type=options.model_type,
            vocab_size=options.vocab_size,
            character_coverage=_coverage(sample, options),
            normalization_rule_name="identity",  # _plain has done what we want.
            num_threads=2,  # Fixed: the number changes the result.
            max_sentence_length=LINE_BYTES_AT_MOST,
            minloglevel=2,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
        )
    except RuntimeError as error:
        raise UserError(_too_large(str(error), options.vocab_size)) from error
    return Tokenizer(model.getvalue())


def _plain(line: str) -> str:
    """Make white space blanks and drop what has no width."""
    return line.translate(_PLAIN) if _SPECIAL.search(line) else line


def _sample(lines: Iterable[str]) -> list[str]:
    """Keep every line, or every 2nd, 4th, ... once there are too many."""
    kept: list[str] = []
    step = 1
    for number, line in enumerate(lines):
        if number % step:
            continue
        # A longer line would be skipped with a warning.
        kept.append(_plain(line)[: LINE_BYTES_AT_MOST // 4])
        if len(kept) == LINES_AT_MOST:
            kept = kept[::2]
            step *= 2
    return kept


def _coverage(sample: list[str], options: TokenizerOptions) -> float:
    """Choose the share of characters that get a piece, where the recipe leaves it."""
    if options.character_coverage is not None:
        return options.character_coverage
    counts: Counter[str] = Counter()
    for line in sample:
        counts.update(line)
    room = options.vocab_size // 2
    if options.model_type == "char":
        room = options.vocab_size - len(CONTROL)
    if len(counts) <= room:
        return 1.0
    covered = sum(count for _, count in counts.most_common(room))
    return max(0.98, covered / counts.total())


def _too_large(message: str, asked: int) -> str:
    """Turn SentencePiece's complaint about the size into what to do."""
    tail = message.strip().splitlines()[-1]
    if "<=" in tail:
        most = tail.split("<=")[-1].strip(" .")
        if most.isdigit():
            return (
                f"tokenizer.vocab_size is {asked:,}, but this text yields at most "
                f"{int(most):,} pieces. Lower tokenizer.vocab_size or add text."
            )
    if "smaller than required_chars" in message or "required_chars" in message:
        return (
            f"tokenizer.vocab_size is {asked:,}, fewer than the text's characters need."
            " Raise tokenizer.vocab_size or lower tokenizer.character_coverage."
        )
    return f"SentencePiece cannot train on this text: {tail}"
