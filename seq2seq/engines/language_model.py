"""A language model as an engine, to add to a translation model's scores.

Source: Gulcehre et al. 2015, section 4.1 (shallow fusion).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from seq2seq.engines.engine import (
    RequiredTokens,
    make_step_network,
    target_log_probs,
)
from seq2seq.errors import UserError
from seq2seq.nn.loss import log_softmax
from seq2seq.runs.run import Run
from seq2seq.runs.task_run import TaskRun
from seq2seq.tasks.language_model import LanguageModel, LanguageModelNetwork
from seq2seq.types import BOS, EOS, Batch, DecoderState, Memory, StepOutput


class LanguageModelEngine:
    """A language model as an engine: log p(token | prefix), whatever the source.

    Every sentence is read by itself, as if a line end came before.

    Args:
        network: The trained network; its weights must not change after the first step.
    """

    def __init__(self, network: LanguageModelNetwork) -> None:
        self.network = network.eval()
        self._step_network: LanguageModelNetwork | None = None

    def start(
        self, source: Tensor, lengths: Tensor, required_tokens: RequiredTokens = ()
    ) -> tuple[DecoderState, Memory]:
        """Return the state before the first token, and an empty memory."""
        return DecoderState(self.network.init_state(len(source))), Memory()

    def step(
        self,
        last_tokens: Tensor,
        state: DecoderState,
        memory: Memory,
        *,
        unnormalized: bool = False,
    ) -> StepOutput[DecoderState]:
        """Take one decoding step."""
        if self._step_network is None:
            self._step_network = make_step_network(self.network)
        inputs = _begin_lines(last_tokens)[:, None]  # (R, 1)
        features, hidden = self._step_network(inputs, state.hidden)
        scores = self._step_network.decoder.logits(features[:, 0]).float()  # (R, V)
        return StepOutput(log_softmax(scores), DecoderState(hidden))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the prepacked weights, which cannot be pickled."""
        return {"network": self.network, "_step_network": None}

    def log_probs(self, batch: Batch) -> Tensor:
        """Score given targets, (N, T)."""
        features, _ = self.network(_begin_lines(batch.inputs), None)  # (N, T, E)
        return target_log_probs(self.network.decoder, features, batch.targets)


def _begin_lines(tokens: Tensor) -> Tensor:
    """Replace BOS by EOS: in a language model's text a line follows another's end."""
    return tokens.masked_fill(tokens == BOS, EOS)


def open_language_model(path: str | Path, *, tokens_of: Run | None = None) -> TaskRun:
    """Open the run of a language model.

    Args:
        path: The run folder, or a checkpoint in one.
        tokens_of: A translation whose target tokens it has to be over; any if None.

    Raises:
        UserError: If it is no run of a language model, or one over other tokens.
    """
    run = TaskRun.open(path)
    if not isinstance(run.task, LanguageModel):
        raise UserError(
            f"{path} is a run of task: {run.recipe.task}, but --language-model needs "
            "one of task: language_model."
        )
    model = run.task.vocabularies.get("target.model")
    if tokens_of is not None and model != tokens_of.target.model:
        folder = tokens_of.folder
        raise UserError(
            f"{path} has other tokens than the target side of {folder.path}, so their "
            "probabilities cannot be added. Train a language model over the same: "
            f"seq2seq train lecture/multi30k-de -o data.path=FOLDER -o data.language="
            f"{tokens_of.recipe.data.target} "
            f"-o tokenizer.path={folder.vocabulary_folder / 'target.model'}"
        )
    return run
