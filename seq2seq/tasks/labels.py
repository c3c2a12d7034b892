"""Labels as ids, behind the control tokens that padding and losses know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seq2seq.errors import UserError
from seq2seq.types import EOS, UNK
from seq2seq.utils.text import with_noun

FIRST = EOS + 1
"""Id of the first label."""

LABELS_FILE = "labels.txt"


class Labels:
    """All labels of the training data, in alphabetical order.

    Args:
        names: The labels.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = sorted(set(names))
        self._ids = {name: i for i, name in enumerate(self.names, FIRST)}

    def __len__(self) -> int:
        """Return V: the labels and the control tokens before them."""
        return FIRST + len(self.names)

    def encode(self, labels: Iterable[str]) -> list[int]:
        """Return ids; UNK of a label that training did not have."""
        return [self._ids.get(label, UNK) for label in labels]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the labels of ids from FIRST on."""
        return [self.names[i - FIRST] for i in ids]

    def __contains__(self, label: str) -> bool:
        return label in self._ids

    def to_bytes(self) -> bytes:
        """Serialise, a line each."""
        return "".join(f"{name}\n" for name in self.names).encode()

    @classmethod
    def from_bytes(cls, content: bytes | None) -> Labels:
        """Read what `to_bytes` returned.

        Raises:
            UserError: If it is missing or no text.
        """
        if content is None:
            raise UserError(f"{LABELS_FILE} is missing. Restore it from a copy.")
        try:
            return cls(content.decode().split("\n")[:-1])
        except UnicodeDecodeError as error:
            raise UserError(f"{LABELS_FILE} is damaged: {error}.") from error


def check_labels(labels: Sequence[str], origin: str) -> None:
    """Check the labels of a training split.

    Raises:
        UserError: If there are fewer than two, or one holds a line end.
    """
    names = set(labels)
    if len(names) < 2:
        raise UserError(
            f"{origin} has {with_noun(len(names), 'different label')}, and to choose "
            "takes at least two."
        )
    if any("\n" in name for name in names):
        raise UserError(f"{origin}: a label holds a line end; remove it.")
