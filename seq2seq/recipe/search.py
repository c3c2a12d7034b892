"""Recipe section search: beam search and sampling."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from seq2seq.recipe.base import RecipeSection


class SamplingOptions(RecipeSection):
    """Ancestral sampling, truncated by top-k, top-p and epsilon cutoffs.

    Each cutoff applies to the whole distribution after temperature, and the narrowest
    one counts, so their order does not matter. The likeliest token always stays.
    """

    temperature: float = Field(
        1.0,
        gt=0,
        description="Softmax temperature: divides log-probabilities; below 1 sharpens "
        "the distribution.",
    )
    top_k: int = Field(
        0, ge=0, description="Top-k: sample from the k likeliest tokens; 0: all."
    )
    top_p: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Nucleus: sample from the fewest tokens that together have this "
        "probability (Holtzman et al. 2020, section 3.1); 1: all.",
    )
    epsilon_cutoff: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Epsilon sampling: only tokens of at least this probability "
        "(Hewitt et al. 2022, section 3.2).",
    )
    seed: int = Field(
        1,
        ge=0,
        lt=2**32,
        description="Random seed; samples do not depend on the batch size.",
    )


class SearchOptions(RecipeSection):
    """Beam search or sampling, its constraints and the ranking of hypotheses."""

    method: Literal["beam", "sample"] = Field(
        "beam",
        description="beam: beam search for the best hypothesis; sample: sampling by "
        "the section sampling.",
    )
    beam_size: int = Field(
        5, ge=1, le=1000, description="Beam width; 1: greedy search."
    )
    length_penalty: float = Field(
        1.0,
        ge=0,
        description="Length penalty: hypotheses are ranked by log-probability / "
        "length ** length_penalty; 0: not normalised.",
    )
    length_penalty_type: Literal["power", "gnmt"] = Field(
        "power",
        description="gnmt: (5 + length) / 6 instead of the length (Wu et al. 2016, "
        "section 7).",
    )
    coverage_penalty: float = Field(
        0.0,
        ge=0,
        description="Coverage penalty (Wu et al. 2016, section 7): weight, in nats "
        "per e-fold, of source positions whose summed attention is below 1; needs "
        "attention.",
    )
    early_stopping: Literal[True, "never"] = Field(
        True,
        description="Stopping criterion. never: search on until no beam can overtake "
        "the finished hypotheses (Huang et al. 2017); true: stop also when beam_size "
        "hypotheses are finished, which is sooner and may miss a better one.",
    )
    max_length_ratio: float = Field(
        2.0,
        gt=0,
        description="Maximum length: max_length_ratio * (source tokens) + 10 tokens; "
        "the 10 is fixed.",
    )
    min_length_ratio: float = Field(
        0.0,
        ge=0,
        description="Minimum length: min_length_ratio * (source tokens) tokens.",
    )
    no_repeat_ngram_size: int = Field(
        0,
        ge=0,
        description="N-gram blocking: no n-gram of this many tokens occurs twice "
        "(Paulus et al. 2018, section 2.5); 0: off.",
    )
    allow_unknown: bool = Field(
        True, description="Whether a translation may contain the unknown token."
    )
    num_beam_groups: int = Field(
        1,
        ge=1,
        description="Diverse beam search (Vijayakumar et al. 2018): number of groups "
        "of the beam, each penalised for the tokens of the groups before it; 1: off.",
    )
    diversity_penalty: float = Field(
        0.5,
        ge=0,
        description="Diverse beam search: nats subtracted from a token for each beam "
        "of an earlier group that has it at the same step.",
    )
    sampling: SamplingOptions = SamplingOptions()

    @model_validator(mode="after")
    def _check_group_size(self) -> SearchOptions:
        if self.beam_size % self.num_beam_groups:
            raise ValueError(
                f"num_beam_groups: {self.num_beam_groups} does not divide beam_size: "
                f"{self.beam_size}"
            )
        return self

    @model_validator(mode="after")
    def _check_length_ratios(self) -> SearchOptions:
        if self.min_length_ratio > self.max_length_ratio:
            raise ValueError(
                f"min_length_ratio: {self.min_length_ratio} is more than "
                f"max_length_ratio: {self.max_length_ratio}"
            )
        return self
