"""Recipe section train: optimization, validation, checkpoints and stopping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from seq2seq.recipe.base import RecipeSection, Share, allow_kind_alone

LOWER_IS_BETTER = frozenset({"loss", "rmse"})
"""Metrics of `train.monitor` that are errors; of all others more is better."""

_WARMUP = "Optimizer steps of linear warm-up."


class Adam(RecipeSection):
    """Adam (Kingma and Ba 2015); AdamW decouples weight decay from the gradient."""

    kind: Literal["adam", "adamw"]
    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay.")


class SGD(RecipeSection):
    """Stochastic gradient descent."""

    kind: Literal["sgd"]
    learning_rate: float = Field(0.5, gt=0, description="Peak learning rate.")
    momentum: Share = Field(0.0, description="Momentum.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay.")


class Constant(RecipeSection):
    """Constant learning rate, after a linear warm-up."""

    kind: Literal["constant"]
    warmup_steps: int = Field(0, ge=0, description=_WARMUP)


class InverseSqrt(RecipeSection):
    """Linear warm-up, then falling with the square root of the step."""

    kind: Literal["inverse_sqrt"]
    warmup_steps: int = Field(1000, ge=1, description=_WARMUP)


class Cosine(RecipeSection):
    """Linear warm-up, then half a cosine down to `min_lr_ratio` times the rate."""

    kind: Literal["cosine"]
    warmup_steps: int = Field(0, ge=0, description=_WARMUP)
    min_lr_ratio: Share = Field(
        0.01, description="Final learning rate, as a share of the peak."
    )


class Plateau(RecipeSection):
    """Multiply the rate by `factor` when validation stops improving."""

    kind: Literal["plateau"]
    warmup_steps: int = Field(0, ge=0, description=_WARMUP)
    factor: float = Field(0.5, gt=0, lt=1, description="Of each reduction.")
    patience: int = Field(
        2, ge=1, description="Validations without improvement before a reduction."
    )


class MinimumRiskOptions(RecipeSection):
    """Minimum risk training (Shen et al. 2016): samples, cost and weight."""

    metric: Literal["chrf", "bleu"] = Field(
        "chrf", description="Sentence-level metric; a candidate's cost is 1 - metric."
    )
    weight: float = Field(
        1.0, gt=0, description="Weight of the risk; the cross-entropy has weight 1."
    )
    num_samples: int = Field(8, ge=2, description="Candidates sampled per sentence.")
    alpha: float = Field(
        0.05,
        gt=0,
        description="Sharpness of the candidates' distribution: their probabilities "
        "to this power, renormalised.",
    )


class TrainOptions(RecipeSection):
    """Optimization, validation, checkpoints and stopping: what all tasks share.

    A task's own section adds `monitor`: the metric that chooses the best checkpoint.
    """

    if TYPE_CHECKING:
        monitor: str

    max_steps: int | None = Field(
        None, ge=1, description="Stop after this many optimizer steps."
    )
    max_epochs: int | None = Field(
        None, ge=1, description="Stop after this many epochs."
    )
    batch_tokens: int = Field(
        4096,
        ge=1,
        description="Batch size: padded tokens of the longer side of a batch.",
    )
    accumulate_grad_batches: int = Field(
        1, ge=1, description="Gradient accumulation: batches per optimizer step."
    )
    optimizer: Adam | SGD = Field(
        Adam(kind="adam"), discriminator="kind", json_schema_extra=allow_kind_alone
    )
    schedule: Constant | InverseSqrt | Cosine | Plateau = Field(
        Constant(kind="constant"),
        discriminator="kind",
        json_schema_extra=allow_kind_alone,
    )
    clip_norm: float | None = Field(
        1.0,
        gt=0,
        description="Gradient clipping (Pascanu et al. 2013): maximum Euclidean norm; "
        "null: off.",
    )
    label_smoothing: Share = Field(
        0.1, description="Share of probability spread over the vocabulary."
    )
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field(
        "auto",
        description="Numeric precision. bf16-mixed: matrix products in bfloat16, for "
        "GPUs and CPUs that support it; weights and sums stay in 32 bits. auto: "
        "bf16-mixed where the hardware multiplies bfloat16 and a layer has 256 units "
        "or more, else 32-true; a run keeps what it was begun with.",
    )
    ema_decay: Share | None = Field(
        None,
        description="Decay per step of an exponential moving average of the weights, "
        "used for validation and translation; null: the weights themselves.",
    )
    init_from: str | None = Field(
        None,
        min_length=1,
        description="Run or model folder that provides the initial weights and the "
        "tokenizers, to fine-tune it on other text, in other languages or for another "
        "objective. Of a classification: of the same, or of a language model, whose "
        "tokens and layers the encoder gets.",
    )
    freeze: list[str] = Field(
        [],
        description="Parts of the network that are not trained, such as "
        "encoder.embedding; matrices that are tied to them are not either.",
    )
    validate_every: int = Field(
        500, ge=1, description="Optimizer steps between validations."
    )
    checkpoint_every: int = Field(
        500, ge=1, description="Optimizer steps between checkpoints."
    )
    on_nan: Literal["stop", "retry"] = Field(
        "stop",
        description="On a loss that is infinite or NaN: stop, or resume from the last "
        "checkpoint with half the learning rate, at most five times.",
    )
    loggers: list[Literal["tensorboard", "wandb", "mlflow"]] = Field(
        [],
        description="Experiment loggers to enable. Logs are written locally to the "
        "run folder (docs/reports.md); each needs the extra of its name.",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="Early stopping: validations without improvement; null: off.",
    )

    @model_validator(mode="after")
    def _check_stopping(self) -> TrainOptions:
        if self.max_steps is None and self.max_epochs is None:
            raise ValueError("train needs max_steps or max_epochs, or it never ends")
        return self


class TranslationTrainOptions(TrainOptions):
    """Optimization, validation, checkpoints and stopping."""

    diagnostics: bool = Field(
        False,
        description="Write gradients, gates and exposure bias to diagnostics.csv.",
    )
    truncated_bptt_steps: int | None = Field(
        None,
        ge=1,
        description="Truncated backpropagation through time: target positions per "
        "segment; null: whole sentences.",
    )
    minimum_risk: MinimumRiskOptions | None = Field(
        None, description="Minimum risk training beside cross-entropy; null: off."
    )
    update_vocab: bool = Field(
        False,
        description="With train.init_from: train new tokenizers on this recipe's data "
        "instead of keeping those of the initial run. The rows of tokens that both "
        "know are copied.",
    )
    monitor: Literal["bleu", "loss"] = Field(
        "bleu", description="Metric of the best checkpoint and early stopping."
    )

    @model_validator(mode="after")
    def _check_update_vocab(self) -> TranslationTrainOptions:
        if self.update_vocab and self.init_from is None:
            raise ValueError(
                "train.update_vocab needs train.init_from, the run whose vocabulary "
                "is to be updated"
            )
        return self
