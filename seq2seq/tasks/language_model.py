"""Language model: the decoder alone, trained by truncated BPTT on a stream of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seq2seq.errors import UserError
from seq2seq.models.encoder_decoder import rnn_stack
from seq2seq.nn.decoder import Decoder
from seq2seq.nn.dropout import SequenceDropout, WordDropout
from seq2seq.nn.loss import LossOutput, chunked_cross_entropy
from seq2seq.recipe.language_model import LanguageModelOptions, LanguageModelRecipe
from seq2seq.tasks.task import Score, Vocabularies
from seq2seq.tasks.text_vocabulary import TextVocabulary
from seq2seq.types import BOS, EOS, PAD, UNK, Batch, DecoderState, Memory, RNNState


class LanguageModelNetwork(nn.Module):
    """p(y_t | y_<t) by the decoder, without a source.

    Args:
        options: The recipe's model section.
        vocab_size: V.
    """

    def __init__(self, options: LanguageModelOptions, vocab_size: int) -> None:
        super().__init__()
        size = options.embedding_size
        embedding = nn.Embedding(vocab_size, size)
        nn.init.normal_(embedding.weight, std=size**-0.5)
        self.decoder = Decoder(
            embedding,
            rnn_stack(options, options.decoder, size),
            dropout=SequenceDropout(options.dropout, locked=options.locked_dropout),
            word_dropout=WordDropout(options.word_dropout),
            tied=options.tie_embeddings,
        )

    def forward(
        self, inputs: Tensor, state: RNNState | None
    ) -> tuple[Tensor, RNNState]:
        """Read tokens, (N, T), from a state; None: zeros.

        Returns:
            Features for the output layer, (N, T, E), and the state after the last one.
        """
        state = self.init_state(len(inputs)) if state is None else state
        output = self.decoder(inputs, DecoderState(state), Memory())
        return output.features, output.state.hidden

    def init_state(self, num_rows: int) -> RNNState:
        """Return the state of zeros, each component (N, L, H)."""
        components, layers, size = self.decoder.shape
        zeros = self.decoder.embedding.weight.new_zeros(num_rows, layers, size)
        return (zeros,) * components

    def log_probs(
        self, inputs: Tensor, state: RNNState | None
    ) -> tuple[Tensor, RNNState]:
        """Return log p of every next token, (N, T, V), and the state after the last."""
        features, state = self(inputs, state)
        return F.log_softmax(self.decoder.logits(features).float(), dim=-1), state


class LanguageModel:
    """The task of predicting text, as `task.Task` describes it.

    Args:
        recipe: The recipe.
        vocabularies: characters.json or target.model.

    Raises:
        UserError: If it is missing or damaged.
    """

    example = "token"
    score_names: Sequence[str] = ()

    def __init__(self, recipe: LanguageModelRecipe, vocabularies: Vocabularies) -> None:
        self.recipe = recipe
        self.vocabularies = vocabularies
        self.text = TextVocabulary(vocabularies)
        self.num_classes: int | None = len(self.text)

    def network(self) -> LanguageModelNetwork:
        """Build the network with random weights."""
        return LanguageModelNetwork(self.recipe.model, len(self.text))

    def loss(
        self, network: LanguageModelNetwork, batch: Batch, state: RNNState | None
    ) -> tuple[LossOutput, RNNState]:
        """Compute the cross-entropy of a window, going on from the one before it.

        Raises:
            UserError: If the window was split because memory is full.
        """
        options = self.recipe.train
        if not int(batch.source_lengths[0]) or not options.carry_state:
            state = None  # Streams begin here.
        if state is not None and len(state[0]) != len(batch.inputs):
            raise UserError(
                "a window does not fit in memory, and its streams cannot be split, "
                "since each goes on from its state; lower train.batch_tokens."
            )
        features, state = network(batch.inputs, state)
        output = chunked_cross_entropy(
            features.flatten(0, 1),
            network.decoder.output_layer,
            batch.targets.flatten(),
            smoothing=options.label_smoothing if network.training else 0.0,
        )
        return output, tuple(part.detach() for part in state)

    def predict(self, network: LanguageModelNetwork, batch: Batch) -> list[str]:
        """Return the most probable next token at each position of a window."""
        log_probs, _ = network.log_probs(batch.inputs, None)
        best = log_probs[:, :, EOS:].argmax(dim=2) + EOS
        best = best.masked_fill(batch.targets == PAD, PAD)
        return [self.text.decode(row) for row in best.tolist()]

    def references(self, batch: Batch) -> list[str]:
        """Return the text of a window."""
        return [self.text.decode(row) for row in batch.targets.tolist()]

    def scores(
        self, predictions: Sequence[str], references: Sequence[str]
    ) -> dict[str, Score]:
        """Return none but the loss: `metrics.language_modelling` has the others."""
        return {}


def generate(
    network: LanguageModelNetwork,
    prompt: Sequence[int],
    *,
    temperature: float = 1.0,
    greedy: bool = False,
    max_length: int = 500,
    seed: int = 1,
) -> Iterator[int]:
    """Draw token after token from a language model, as if a line end came before.

    PAD, UNK and BOS are never drawn.

    Args:
        network: The network, in evaluation mode.
        prompt: Ids to go on from; may be empty.
        temperature: Divides the log-probabilities: below 1 likelier tokens are
            preferred more; above 0.
        greedy: Whether to take the most probable token instead.
        max_length: Tokens at most.
        seed: Seed of the draws.

    Yields:
        The tokens after the prompt.
    """
    generator = torch.Generator().manual_seed(seed)
    state: RNNState | None = None
    inputs = torch.tensor([[EOS, *prompt]])
    with torch.inference_mode():
        for _ in range(max_length):
            log_probs, state = network.log_probs(inputs, state)
            scores = log_probs[0, -1].double()
            scores[[PAD, UNK, BOS]] = -torch.inf
            if greedy:
                token = int(scores.argmax())
            else:
                # The best is 0, so that no temperature makes infinity of all.
                scores = (scores - scores.max()) / temperature
                weights = torch.softmax(scores, dim=0)
                token = int(torch.multinomial(weights, 1, generator=generator))
            yield token
            inputs = torch.tensor([[token]])
