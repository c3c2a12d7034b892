"""The LightningModule of translation, for any Lightning Trainer.

data = TranslationDataModule(recipe)
model = TranslationModule(recipe, data.tokenizers)
Trainer(max_steps=600, callbacks=[ModelCheckpoint(monitor="valid_bleu", mode="max")]
).fit(model, data)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from seq2seq.data.collate import collate
from seq2seq.data.tokenizer import Tokenizers
from seq2seq.errors import require_list
from seq2seq.recipe import Recipe
from seq2seq.tasks.task import Vocabularies
from seq2seq.tasks.translation import Translation
from seq2seq.training.module import TrainingModule
from seq2seq.types import Batch, Hypothesis

TRANSLATE_BATCH_SIZE = 64


class TranslationModule(TrainingModule):
    """Train an encoder-decoder on batches of sentence pairs, and translate with it.

    Args:
        recipe: As in `TrainingModule`.
        vocabularies: Both sides' tokenizers, or as in `TrainingModule`.
        total_steps: As in `TrainingModule`.
    """

    task: Translation

    def __init__(
        self,
        recipe: Recipe | Mapping[str, Any],
        vocabularies: Tokenizers | Vocabularies | Mapping[str, Tensor],
        *,
        total_steps: int | None = None,
    ) -> None:
        if isinstance(vocabularies, Tokenizers):
            vocabularies = vocabularies.to_files()
        super().__init__(recipe, vocabularies, total_steps=total_steps)

    @property
    def tokenizers(self) -> Tokenizers:
        """Both sides' tokenizers."""
        return self.task.tokenizers

    def greedy_search(self, batch: Batch) -> list[Hypothesis]:
        """Translate a batch greedily, as validation does."""
        return self.task.greedy_search(self.network, batch)

    @torch.inference_mode()
    def translate(self, lines: Sequence[str], *, to: str | None = None) -> list[str]:
        """Translate lines greedily; blank ones stay blank.

        For beam search, long lines, files and speed use `seq2seq.translate`.

        Args:
            lines: Source text.
            to: The target language, of a recipe with several.

        Raises:
            UserError: If lines are a single text, or there is no such language.
        """
        require_list(lines, "lines")
        training = self.training
        self.eval()
        encoded = self.task.into(to).tokenizers.source.encode(lines)
        order = sorted(
            (index for index, tokens in enumerate(encoded) if tokens),
            key=lambda index: len(encoded[index]),
        )
        translations = [""] * len(encoded)
        for first in range(0, len(order), TRANSLATE_BATCH_SIZE):
            indices = order[first : first + TRANSLATE_BATCH_SIZE]
            batch = collate([encoded[index] for index in indices], [()] * len(indices))
            hypotheses = self.greedy_search(batch.to(self.device))
            texts = self.tokenizers.target.decode([h.tokens for h in hypotheses])
            for index, text in zip(indices, texts, strict=True):
                translations[index] = text
        self.train(training)
        return translations
