"""Recipe section search: how a translation is chosen."""

from __future__ import annotations

from pydantic import Field

from seq2seq.recipe.base import Options


class SearchOptions(Options):
    """How a translation is chosen."""

    beam_size: int = Field(5, ge=1, le=1000, description="1 is greedy search.")
    length_penalty: float = Field(
        1.0,
        ge=0,
        description="Hypotheses rank by log-probability / length ** length_penalty.",
    )
    max_length_ratio: float = Field(
        2.0,
        gt=0,
        description="A translation has at most so many times the source's pieces, "
        "and 10 more.",
    )
