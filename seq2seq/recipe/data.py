"""Recipe sections data and tokenizer: corpora, filtering and subword segmentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from seq2seq.errors import UserError
from seq2seq.recipe.base import RecipeSection

Language = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=32)]
LanguagePair = tuple[str, str]
SplitName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$", max_length=100)]


class SplitOptions(RecipeSection):
    """Names of the corpus's splits."""

    train: SplitName = Field("train", description="Split to train on.")
    valid: SplitName = Field("valid", description="Split to validate on.")
    test: SplitName = Field("test", description="Split to evaluate on.")

    def name_of(self, role: str) -> str:
        """Map train, valid or test to the corpus's split; return others unchanged."""
        return str(self.model_dump().get(role, role))


class ExtraCorpus(RecipeSection):
    """An additional training corpus.

    The first corpus of each language pair has the pair's validation and test splits,
    which data.splits names.
    """

    path: str = Field(min_length=1, description="As data.path.")
    source: Language | None = Field(
        None, description="Source language; null: that of data.source."
    )
    target: Language | None = Field(
        None,
        description="Target language; null: that of data.target. With several target "
        "languages each source starts with the token of its own (Johnson et al. 2017).",
    )
    tag: Literal["synthetic"] | None = Field(
        None,
        description="synthetic: its sources start with a token that says that they are "
        "machine translations (tagged back-translation, Caswell et al. 2019).",
    )
    config: str | None = Field(None, description="As data.config.")
    revision: str | None = Field(None, description="As data.revision.")
    streaming: bool = Field(False, description="As data.streaming.")
    header: bool | None = Field(None, description="As data.header.")
    quoted: bool | None = Field(None, description="As data.quoted.")
    split: SplitName = Field("train", description="Split to train on.")
    weight: float = Field(
        1.0,
        gt=0,
        le=1000,
        description="Sampling weight: how often an epoch uses each pair. 2: twice; "
        "0.5: every second pair, the same ones in all epochs.",
    )


class DataOptions(RecipeSection):
    """Parallel corpora, and the filtering of the training pairs."""

    path: str = Field(
        min_length=1,
        description="Corpus: a folder, a dataset on the Hugging Face Hub, or "
        "'phrasebook', the built-in corpus.",
    )
    config: str | None = Field(None, description="Configuration of a Hub dataset.")
    revision: str | None = Field(None, description="Revision of a Hub dataset.")
    streaming: bool = Field(
        False,
        description="Stream a Hub dataset over the network instead of downloading it. "
        "Only token ids are stored, so the first run reads it two or three times.",
    )
    header: bool | None = Field(
        None,
        description="Whether the first line of TSV files names their columns; those "
        "called after data.source and data.target are read, or the only two. null: no, "
        "and a file that seems to have one is refused.",
    )
    quoted: bool | None = Field(
        None,
        description="Whether cells of TSV files are in quotes that are not their text, "
        "doubled within, as spreadsheets write them. null: no, and a file that seems "
        "so is refused.",
    )
    source: Language = Field(description="Source language.")
    target: Language = Field(description="Target language.")
    splits: SplitOptions = SplitOptions()
    mix: list[ExtraCorpus] = Field(
        [],
        description="Additional training corpora; the one at data.path has weight 1.",
    )
    temperature: float | None = Field(
        None,
        ge=1,
        le=100,
        description="Temperature sampling of corpora, instead of weights in data.mix: "
        "a corpus's share is proportional to (its number of pairs) ** (1 / "
        "temperature). 1: each pair once; 5, common in multilingual translation, "
        "upsamples small corpora. Pairs of the largest corpus are used once in any "
        "case.",
    )
    max_pairs: int | None = Field(
        None, ge=1, description="Use only this many training pairs, the first ones."
    )
    max_length: int = Field(
        100, ge=1, description="Longer training sentences are dropped, in tokens."
    )
    max_length_ratio: float = Field(
        5.0,
        gt=1.0,
        description="Length ratio filter: training pairs whose longer side has more "
        "than max_length_ratio * (tokens of the shorter side) + 10 tokens are dropped.",
    )
    drop_duplicates: bool = Field(True, description="Drop duplicate training pairs.")
    drop_copies: bool = Field(
        True, description="Drop training pairs whose target equals the source."
    )

    @property
    def pairs(self) -> list[LanguagePair]:
        """Language pairs that are trained on, that of data.path first."""
        mixed = (self._languages_of(corpus) for corpus in self.mix)
        return list(dict.fromkeys([(self.source, self.target), *mixed]))

    @property
    def targets(self) -> list[str]:
        """Target languages, that of data.path first."""
        return list(dict.fromkeys(target for _, target in self.pairs))

    def _languages_of(self, corpus: ExtraCorpus) -> LanguagePair:
        return corpus.source or self.source, corpus.target or self.target

    def for_pair(self, pair: LanguagePair) -> DataOptions:
        """Return these options with a pair's first corpus at data.path.

        The others stay in data.mix. Of a pair that is not trained on (zero-shot), the
        corpus is the one that is at data.path now.
        """
        if pair == (self.source, self.target):
            return self
        mix = []
        for corpus in self.mix:
            source, target = self._languages_of(corpus)
            update = {"source": source, "target": target}
            mix.append(corpus.model_copy(update=update))
        first = next((c for c in mix if (c.source, c.target) == pair), None)
        changes: dict[str, Any] = {"source": pair[0], "target": pair[1], "mix": mix}
        if first is not None:
            keys = ("path", "config", "revision", "streaming", "header", "quoted")
            own = ExtraCorpus(
                **{key: getattr(self, key) for key in (*keys, "source", "target")},
                split=self.splits.train,
            )
            changes |= {key: getattr(first, key) for key in keys}
            changes |= {
                "mix": [own, *(corpus for corpus in mix if corpus is not first)],
                "splits": self.splits.model_copy(update={"train": first.split}),
                "max_pairs": None,
            }
        return self.model_copy(update=changes)

    def into(self, target: str | None) -> DataOptions:
        """Return these options for the first pair with a target language.

        Args:
            target: The language; the only one if None.

        Raises:
            UserError: If it is no target language, or None where there are several.
        """
        if target is None and len(self.targets) == 1:
            return self
        languages = ", ".join(self.targets)
        if target is None:
            raise UserError(
                f"this run translates into {languages}; name one: --to "
                f"{self.targets[-1]}, or in Python to={self.targets[-1]!r}."
            )
        if target not in self.targets:
            raise UserError(f"this run translates into {languages}, not {target!r}.")
        return self.for_pair(next(pair for pair in self.pairs if pair[1] == target))

    def with_path(self, path: str | None) -> DataOptions:
        """Return a copy with another path; None keeps the path."""
        return self if path is None else self.model_copy(update={"path": path})

    @model_validator(mode="after")
    def _check_languages(self) -> DataOptions:
        for source, target in self.pairs:
            if source == target:
                raise ValueError(
                    f"data.source and data.target are both {source!r}; "
                    "a translation needs two languages"
                )
        return self

    @model_validator(mode="after")
    def _check_mixture_weights(self) -> DataOptions:
        if self.temperature is None:
            return self
        if not self.mix:
            raise ValueError(
                "data.temperature mixes several corpora, but data.mix names no other; "
                "name some, or leave it out"
            )
        if any(corpus.weight != 1 for corpus in self.mix):
            raise ValueError(
                "data.temperature and a weight in data.mix both say how often a corpus "
                "comes; leave one of them out"
            )
        return self


class SubwordOptions(RecipeSection):
    """Subword segmentation by SentencePiece (Kudo and Richardson 2018)."""

    model_type: Literal["unigram", "bpe", "char"] = Field(
        "unigram", description="SentencePiece model type."
    )
    vocab_size: int = Field(
        4000,
        ge=8,
        le=65_536,
        description="Vocabulary size in tokens, the four control tokens included.",
    )
    character_coverage: float | None = Field(
        None,
        ge=0.98,
        le=1.0,
        description="Character coverage: share of the text's characters that get a "
        "token. null: all of them, unless they would fill over half of the vocabulary.",
    )


class TokenizerOptions(SubwordOptions):
    """Subword segmentation of two languages."""

    joint: bool = Field(
        True, description="Joint vocabulary of both languages, or one for each."
    )
