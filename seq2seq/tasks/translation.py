"""Translation: an encoder-decoder over sentence pairs, scored by BLEU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from seq2seq.data.tokenizer import Tokenizers
from seq2seq.models.encoder_decoder import EncoderDecoder
from seq2seq.nn.loss import LossOutput
from seq2seq.recipe import Recipe
from seq2seq.recipe.data import LanguagePair
from seq2seq.tasks.generation import decode_targets, greedy_hypotheses
from seq2seq.tasks.task import Score
from seq2seq.types import Batch, Hypothesis, RNNState

if TYPE_CHECKING:  # sacreBLEU takes half a second.
    from seq2seq.tasks.minimum_risk import SentenceMetric


class Translation:
    """The task of translating, as `task.Task` describes it.

    Args:
        recipe: The recipe.
        tokenizers: Both sides' tokenizers.
    """

    example = "pair"

    def __init__(self, recipe: Recipe, tokenizers: Tokenizers) -> None:
        self.recipe = recipe
        self.tokenizers = tokenizers
        self.vocabularies: Mapping[str, bytes] = tokenizers.to_files()
        self.num_classes: int | None = len(tokenizers.target)
        self.sentence_metric: SentenceMetric | None = None
        if recipe.train.minimum_risk is not None:
            from seq2seq.tasks.minimum_risk import make_sentence_metric

            self.sentence_metric = make_sentence_metric(recipe, tokenizers.target)

    @property
    def score_names(self) -> Sequence[str]:
        """As `task.Task`; of several language pairs the mean, then each pair's."""
        pairs = self.recipe.data.pairs
        if len(pairs) == 1:
            return ("bleu", "bleu_low", "bleu_high")
        return ("bleu", *(f"bleu_{source}-{target}" for source, target in pairs))

    def network(self) -> EncoderDecoder:
        """Build the encoder-decoder with random weights."""
        return EncoderDecoder(
            self.recipe.model,
            source_vocab_size=len(self.tokenizers.source),
            target_vocab_size=len(self.tokenizers.target),
        )

    def into(self, target: str | None) -> Translation:
        """Return this task for one pair: its recipe, and the prefix of its sources.

        Args:
            target: The target language; the only one if None.

        Raises:
            UserError: As `DataOptions.into`.
        """
        data = self.recipe.data.into(target)
        return self.for_pair((data.source, data.target))

    def for_pair(self, pair: LanguagePair) -> Translation:
        """Return this task for one pair of a source and a target language."""
        data = self.recipe.data.for_pair(pair)
        recipe = self.recipe.model_copy(update={"data": data})
        source = self.tokenizers.source.for_target(data.target)
        return Translation(recipe, Tokenizers(source, self.tokenizers.target))

    def loss(
        self, network: EncoderDecoder, batch: Batch, state: RNNState | None = None
    ) -> tuple[LossOutput, None]:
        """Compute cross-entropy by teacher forcing and, in training, minimum risk."""
        options = self.recipe.train
        if not network.training:
            return network(batch), None
        output = network(
            batch,
            smoothing=options.label_smoothing,
            truncate=options.truncated_bptt_steps,
        )
        if options.minimum_risk is None or self.sentence_metric is None:
            return output, None
        from seq2seq.tasks.minimum_risk import expected_risk

        risk = expected_risk(
            network,
            batch,
            options.minimum_risk,
            self.sentence_metric,
            seed=torch.initial_seed(),  # Set for every batch.
            max_length_ratio=self.recipe.search.max_length_ratio,
        )
        loss = output.loss + options.minimum_risk.weight * risk
        return output._replace(loss=loss), None

    def predict(self, network: EncoderDecoder, batch: Batch) -> list[str]:
        """Translate greedily."""
        hypotheses = self.greedy_search(network, batch)
        return self.tokenizers.target.decode([h.tokens for h in hypotheses])

    def greedy_search(self, network: EncoderDecoder, batch: Batch) -> list[Hypothesis]:
        """Translate greedily, as validation does."""
        lengths = batch.source_lengths.to(batch.source.device)
        return greedy_hypotheses(network, batch, lengths, self.recipe.search)

    def references(self, batch: Batch) -> list[str]:
        """Decode the targets."""
        return decode_targets(batch, self.tokenizers.target)

    def scores(
        self, predictions: Sequence[str], references: Sequence[str]
    ) -> dict[str, Score]:
        """Score by BLEU."""
        from seq2seq.metrics.sacrebleu_scores import bleu_ci  # Takes half a second.

        language = self.recipe.data.target
        bleu, (low, high) = bleu_ci(predictions, references, language=language)
        return {"bleu": Score(bleu, "BLEU", low, high)}

    def scores_by_pair(
        self,
        predictions: Sequence[str],
        references: Sequence[str],
        languages: Sequence[LanguagePair],
    ) -> dict[str, Score]:
        """Score each language pair by BLEU, and their mean, which comes first.

        Args:
            predictions: Translations.
            references: Reference translations, as many.
            languages: The language pair of each.
        """
        from seq2seq.metrics.sacrebleu_scores import bleu_ci

        scores: dict[str, Score] = {}
        for pair in dict.fromkeys(languages):
            rows = [row for row, own in enumerate(languages) if own == pair]
            bleu, _ = bleu_ci(
                [predictions[row] for row in rows],
                [references[row] for row in rows],
                language=pair[1],
            )
            name = "-".join(pair)
            scores[f"bleu_{name}"] = Score(bleu, f"{name} BLEU")
        mean = sum(score.value for score in scores.values()) / len(scores)
        return {"bleu": Score(mean, "mean BLEU"), **scores}
