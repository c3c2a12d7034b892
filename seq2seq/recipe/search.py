"""Recipe section search: how a translation is chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from seq2seq.recipe.base import RecipeSection


class SamplingOptions(RecipeSection):
    """How pieces are drawn where they are drawn by chance.

    Each cut is made on the whole distribution after temperature, and the narrowest
    counts, so their order does not matter. The likeliest piece always stays.
    """

    temperature: float = Field(
        1.0,
        gt=0,
        description="Log-probabilities are divided by it: below 1 the likely becomes "
        "likelier.",
    )
    top_k: int = Field(
        0, ge=0, description="Draw from so many likeliest pieces; 0 is all."
    )
    top_p: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Draw from the fewest pieces that together have this probability "
        "(Holtzman et al. 2020, section 3.1); 1 is all.",
    )
    epsilon_cutoff: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Draw from pieces of at least this probability (Hewitt et al. "
        "2022, section 3.2).",
    )
    seed: int = Field(
        1,
        ge=0,
        lt=2**32,
        description="The same seed draws the same, whatever the batch size.",
    )


class SearchOptions(RecipeSection):
    """How a translation is chosen."""

    method: Literal["beam", "sample"] = Field(
        "beam",
        description="beam looks for the likeliest, sample draws by chance as sampling "
        "says.",
    )
    beam_size: int = Field(5, ge=1, le=1000, description="1 is greedy search.")
    length_penalty: float = Field(
        1.0,
        ge=0,
        description="Hypotheses rank by log-probability / length ** length_penalty; 0 "
        "does not normalise.",
    )
    length_penalty_type: Literal["power", "gnmt"] = Field(
        "power",
        description="gnmt puts ((5 + length) / 6) in the place of the length (Wu et "
        "al. 2016, section 7).",
    )
    coverage_penalty: float = Field(
        0.0,
        ge=0,
        description="How much source positions that attention passed over cost, in "
        "nats for each e-fold (Wu et al. 2016, section 7); needs attention.",
    )
    early_stopping: Literal[True, "never"] = Field(
        True,
        description="bound searches on until no beam can overtake what was found "
        "(Huang et al. 2017); count stops also when beam_size hypotheses are finished, "
        "which is sooner and may miss a better one.",
    )
    max_length_ratio: float = Field(
        2.0,
        gt=0,
        description="A translation has at most so many times the source's pieces, "
        "and 10 more.",
    )
    min_length_ratio: float = Field(
        0.0,
        ge=0,
        description="A translation has at least so many times the source's pieces.",
    )
    no_repeat_ngram_size: int = Field(
        0,
        ge=0,
        description="No sequence of so many pieces comes twice (Paulus et al. 2018, "
        "section 2.5); 0 lets all repeat.",
    )
    allow_unknown: bool = Field(
        True, description="Whether a translation may hold the unknown piece."
    )
    num_beam_groups: int = Field(
        1,
        ge=1,
        description="Into how many groups a beam is cut, each kept from saying what "
        "those before say (diverse beam search, Vijayakumar et al. 2018).",
    )
    diversity_penalty: float = Field(
        0.5,
        ge=0,
        description="Nats that a piece loses for each time that an earlier group says "
        "it in the same place.",
    )
    sampling: SamplingOptions = SamplingOptions()

    @model_validator(mode="after")
    def _groups_are_of_one_size(self) -> SearchOptions:
        if self.beam_size % self.num_beam_groups:
            raise ValueError(
                f"num_beam_groups: {self.num_beam_groups} does not divide beam_size: "
                f"{self.beam_size}"
            )
        return self

    @model_validator(mode="after")
    def _some_length_is_left(self) -> SearchOptions:
        if self.min_length_ratio > self.max_length_ratio:
            raise ValueError(
                f"min_length_ratio: {self.min_length_ratio} is more than "
                f"max_length_ratio: {self.max_length_ratio}"
            )
        return self
