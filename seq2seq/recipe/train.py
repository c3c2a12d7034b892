"""Recipe section train: how the network learns, and when it stops."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from seq2seq.recipe.base import RecipeSection, Share


class Adam(RecipeSection):
    """Adam (Kingma and Ba 2015); AdamW decays weights apart from the gradient."""

    kind: Literal["adam", "adamw"]
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)


class SGD(RecipeSection):
    """Stochastic gradient descent."""

    kind: Literal["sgd"]
    learning_rate: float = Field(0.5, gt=0)
    momentum: Share = 0.0
    weight_decay: float = Field(0.0, ge=0)


class Constant(RecipeSection):
    """One learning rate, after a linear warm-up."""

    kind: Literal["constant"]
    warmup_steps: int = Field(0, ge=0)


class InverseSqrt(RecipeSection):
    """Linear warm-up, then falling with the square root of the step."""

    kind: Literal["inverse_sqrt"]
    warmup_steps: int = Field(1000, ge=1)


class Cosine(RecipeSection):
    """Linear warm-up, then half a cosine down to `min_lr_ratio` times the rate."""

    kind: Literal["cosine"]
    warmup_steps: int = Field(0, ge=0)
    min_lr_ratio: Share = 0.01


class Plateau(RecipeSection):
    """Multiply the rate by `factor` when validation has not improved for a while."""

    kind: Literal["plateau"]
    warmup_steps: int = Field(0, ge=0)
    factor: float = Field(0.5, gt=0, lt=1)
    patience: int = Field(2, ge=1, description="In validations.")


class MinimumRiskOptions(RecipeSection):
    """Minimum risk training (Shen et al. 2016): what is drawn, and how it counts."""

    metric: Literal["chrf", "bleu"] = Field(
        "chrf", description="What a candidate's cost is: 1 less this, of a sentence."
    )
    weight: float = Field(
        1.0, gt=0, description="Of the risk; the cross-entropy has weight 1."
    )
    num_samples: int = Field(8, ge=2, description="Candidates of each sentence.")
    alpha: float = Field(
        0.05,
        gt=0,
        description="Candidates weigh by their probabilities to this power.",
    )


class TrainOptions(RecipeSection):
    """How the network learns, and when it stops."""

    max_steps: int | None = Field(None, ge=1, description="In optimizer steps.")
    max_epochs: int | None = Field(None, ge=1)
    batch_tokens: int = Field(
        4096, ge=1, description="Padded pieces of the longer side in a batch."
    )
    accumulate_grad_batches: int = Field(
        1, ge=1, description="Batches to an optimizer step."
    )
    optimizer: Adam | SGD = Field(Adam(kind="adam"), discriminator="kind")
    schedule: Constant | InverseSqrt | Cosine | Plateau = Field(
        Constant(kind="constant"), discriminator="kind"
    )
    clip_norm: float | None = Field(
        1.0,
        gt=0,
        description="Longest gradient, in its Euclidean norm; null leaves it as it is "
        "(Pascanu et al. 2013).",
    )
    truncated_bptt_steps: int | None = Field(
        None,
        ge=1,
        description="Target positions after which gradients do not come back "
        "(truncated backpropagation through time); null for whole sentences.",
    )
    label_smoothing: Share = 0.1
    precision: Literal["32-true", "bf16-mixed"] = Field(
        "32-true",
        description="bf16-mixed: products of matrices in bfloat16, for GPUs and CPUs "
        "that have it; weights and sums stay in 32 bits.",
    )
    ema_decay: Share | None = Field(
        None,
        description="Validate and translate by a moving average of the weights, of "
        "which so much stays at each step; null for the weights themselves.",
    )
    init_from: str | None = Field(
        None,
        min_length=1,
        description="A run whose weights and tokenizers training starts from, to tune "
        "it on other text or to another end.",
    )
    minimum_risk: MinimumRiskOptions | None = Field(
        None, description="Also lower the expected cost of what the model says."
    )
    validate_every: int = Field(500, ge=1, description="In optimizer steps.")
    checkpoint_every: int = Field(500, ge=1, description="In optimizer steps.")
    on_nan: Literal["stop", "retry"] = Field(
        "stop",
        description="When a loss is infinite or no number: stop, or go back to the "
        "last checkpoint and on with half the learning rate, five times at most.",
    )
    diagnostics: bool = Field(
        False,
        description="Measure gradients, gates and exposure bias into diagnostics.csv.",
    )
    loggers: list[Literal["tensorboard", "wandb", "mlflow"]] = Field(
        [],
        description="Who else is told metrics and translations, in a folder of the run "
        "and not over a network (docs/reports.md); each needs the extra of its name.",
    )
    monitor: Literal["bleu", "loss"] = Field(
        "bleu", description="What the best checkpoint and early stopping go by."
    )
    patience: int | None = Field(
        None, ge=1, description="Stop after so many validations without a better one."
    )

    @model_validator(mode="after")
    def _it_ends(self) -> TrainOptions:
        if self.max_steps is None and self.max_epochs is None:
            raise ValueError("train needs max_steps or max_epochs, or it never ends")
        return self
