"""Tokens that sources start with: of a target language, of machine translations.

They are control symbols of SentencePiece, which no text is ever segmented into.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seq2seq.errors import UserError
from seq2seq.recipe import DataOptions

if TYPE_CHECKING:
    from seq2seq.data.tokenizer import Tokenizer

SYNTHETIC = "<synthetic>"
"""The token of sources that are machine translations (Caswell et al. 2019)."""


def language_token(language: str) -> str:
    """Return the token of a target language (Johnson et al. 2017, section 3)."""
    return f"<2{language}>"


def control_tokens(data: DataOptions) -> list[str]:
    """Return the tokens that sources start with: of target languages, and of tags."""
    targets = data.targets if len(data.targets) > 1 else []
    tagged = any(corpus.tag for corpus in data.mix)
    return [*map(language_token, targets), *([SYNTHETIC] if tagged else [])]


def require_control_tokens(tokenizer: Tokenizer, control: Sequence[str]) -> None:
    """Check that given tokenizers have these tokens.

    Raises:
        UserError: If one is missing.
    """
    if missing := [token for token in control if not tokenizer.has_control(token)]:
        raise UserError(
            f"the initial run's tokenizer has no token {', '.join(missing)}, which "
            "sources of this recipe start with; train new ones: -o "
            "train.update_vocab=true"
        )
