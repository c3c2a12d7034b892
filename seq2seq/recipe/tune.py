"""Recipe section tune: what `seq2seq tune` varies, by what it decides, how long."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field

from seq2seq.recipe.sections import RecipeSection

_FORMS = "[low, high], {log: [low, high]} or {of: [value, value, ...]}"


class SearchRange(NamedTuple):
    """The values that a key may have.

    Attributes:
        kind: linear and log for numbers between two ends, of for a choice.
        values: Both ends, or what to choose from.
    """

    kind: Literal["linear", "log", "of"]
    values: list[Any]


def parse_range(value: Any) -> SearchRange:
    """Parse the range of a key.

    Args:
        value: [low, high], {log: [low, high]} or {of: [value, ...]}.

    Raises:
        ValueError: If it is none of these, or has no two values in order.
    """
    kind, values = "linear", value
    if isinstance(value, dict) and len(value) == 1:
        ((kind, values),) = value.items()
    if not isinstance(values, list) or kind not in ("linear", "log", "of"):
        raise ValueError(f"{value} is not of the form {_FORMS}")
    if kind == "of":
        if len(values) < 2 or any(v in values[:i] for i, v in enumerate(values)):
            raise ValueError(f"{value} needs two values or more, all different")
        return SearchRange("of", values)
    numbers = all(type(end) in (int, float) for end in values)
    if len(values) != 2 or not numbers:
        raise ValueError(f"{value} is not of the form {_FORMS}")
    if not values[0] < values[1]:
        raise ValueError(f"{value} must rise from its low to its high end")
    if kind == "log" and values[0] <= 0:
        raise ValueError(f"{value}: a logarithmic range must lie above 0")
    return SearchRange("log" if kind == "log" else "linear", values)


def _check_range(value: Any) -> Any:
    parse_range(value)
    return value


class TuneOptions(RecipeSection):
    """What `seq2seq tune` varies, by what it decides, and how long."""

    metric: str | None = Field(
        None,
        description="Column of metrics.csv that decides, such as valid_bleu or "
        "valid_loss, at a trial's best checkpoint; null: that of train.monitor.",
    )
    trials: int = Field(20, ge=1, description="Number of trainings to try.")
    hours: float | None = Field(
        None,
        gt=0,
        description="Hours of training, summed over trials: once they are spent, no "
        "trial is begun. Null: no limit.",
    )
    prune: Literal["median", "none"] = Field(
        "median",
        description="median: from its second validation on, a trial ends whose best "
        "value is worse than the median of others after as many validations.",
    )
    space: dict[str, Annotated[Any, AfterValidator(_check_range)]] = Field(
        min_length=1,
        description="The keys to vary, in full: `model.dropout: [0.1, 0.5]`; with "
        "{log: [low, high]} on a logarithmic scale, with {of: [a, b]} from a list.",
    )
