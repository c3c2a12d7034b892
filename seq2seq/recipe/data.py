"""Recipe sections data and tokenizer: which text, and how it is cut."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from seq2seq.recipe.base import RecipeSection

Language = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=32)]
SplitName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$", max_length=100)]


class SplitOptions(RecipeSection):
    """Which split of the data serves as what."""

    train: SplitName = "train"
    valid: SplitName = "valid"
    test: SplitName = "test"


class ExtraCorpus(RecipeSection):
    """Another corpus to train on, beside the one that is validated and tested on."""

    path: str = Field(min_length=1, description="As data.path.")
    config: str | None = None
    revision: str | None = None
    streaming: bool = False
    split: SplitName = "train"
    weight: float = Field(
        1.0,
        gt=0,
        le=1000,
        description="How often an epoch takes each pair: 2 is twice, 0.5 every second "
        "one, the same ones in all epochs.",
    )


class DataOptions(RecipeSection):
    """Where sentence pairs come from and which of them are kept."""

    path: str = Field(
        min_length=1,
        description="A folder, a dataset on the Hugging Face Hub, or 'phrasebook', "
        "the corpus that is built in.",
    )
    config: str | None = Field(None, description="A Hub dataset's configuration.")
    revision: str | None = Field(None, description="A Hub dataset's revision.")
    streaming: bool = Field(
        False,
        description="Read a Hub dataset over the network instead of fetching it whole. "
        "Only what is encoded is kept, so the first run reads it two or three times.",
    )
    source: Language = Field(description="The language to translate from.")
    target: Language = Field(description="The language to translate into.")
    splits: SplitOptions = SplitOptions()
    mix: list[ExtraCorpus] = Field(
        [],
        description="More corpora to train on; the one at data.path has weight 1.",
    )
    temperature: float | None = Field(
        None,
        ge=1,
        le=100,
        description="Instead of weights in data.mix: each corpus's share is as the "
        "number of its pairs to the power of 1/T. 1 takes each pair once; with 5, "
        "common in multilingual translation, small corpora come much oftener. The "
        "largest one's pairs come once in any case.",
    )
    max_pairs: int | None = Field(
        None, ge=1, description="Train on the first so many pairs only."
    )
    max_length: int = Field(
        100, ge=1, description="Longer sentences are not trained on, in pieces."
    )
    max_length_ratio: float = Field(
        5.0,
        gt=1.0,
        description="Pairs whose longer side has more than so many times the pieces "
        "of the shorter side, and over 10 more, are not trained on.",
    )
    drop_duplicates: bool = Field(True, description="Train on each distinct pair once.")
    drop_copies: bool = Field(
        True, description="Do not train on pairs whose target is the source."
    )

    def with_path(self, path: str | None) -> DataOptions:
        """Return these options with the data at another path; None keeps the path."""
        return self if path is None else self.model_copy(update={"path": path})

    def split_name(self, role: str) -> str:
        """Return the data's name of train, valid or test; others stay as they are."""
        return str(self.splits.model_dump().get(role, role))

    @model_validator(mode="after")
    def _languages_differ(self) -> DataOptions:
        if self.source == self.target:
            raise ValueError(
                f"data.source and data.target are both {self.source!r}; "
                "a translation needs two languages"
            )
        return self

    @model_validator(mode="after")
    def _one_way_to_mix(self) -> DataOptions:
        if self.temperature is None:
            return self
        if not self.mix:
            raise ValueError(
                "data.temperature mixes several corpora, but data.mix names no other; "
                "name some, or leave it out"
            )
        if any(mixed.weight != 1 for mixed in self.mix):
            raise ValueError(
                "data.temperature and a weight in data.mix both say how often a corpus "
                "comes; leave one of them out"
            )
        return self


class TokenizerOptions(RecipeSection):
    """How SentencePiece cuts text into pieces (Kudo and Richardson 2018)."""

    model_type: Literal["unigram", "bpe", "char"] = "unigram"
    vocab_size: int = Field(
        4000, ge=8, le=65_536, description="Pieces, the four control pieces included."
    )
    joint: bool = Field(
        True, description="One vocabulary for both languages, or one for each."
    )
    character_coverage: float | None = Field(
        None,
        ge=0.98,
        le=1.0,
        description="Share of the text's characters that get a piece. Left out: all "
        "of them, unless they would fill over half of the vocabulary.",
    )
