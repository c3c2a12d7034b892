"""LibreTranslate's API: its fields, languages, settings and answers.

Weblate, Lingarr, Zotero's plugins and Mastodon speak it (docs.libretranslate.com).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from starlette.exceptions import HTTPException

from seq2seq.serve.limits import Fields, Limits, invalid, number_of, texts_of
from seq2seq.translate import Translation, TranslationOptions, Translator
from seq2seq.translate.line_pipeline import LinePipeline, replace_surrogates
from seq2seq.utils.languages import language_name, primary_subtag
from seq2seq.utils.text import is_blank

_LINE_END = re.compile(r"(\r?\n)")


class Model:
    """A model that is served.

    Args:
        translator: The model.
        options: Translation options of all requests.

    Attributes:
        languages: The codes of source and target.
        max_n_best: Maximal number of translations of a text.
        pipeline: Returns the pipeline for so many translations of a line, the same each
            time: requests with one pipeline share batches.
    """

    def __init__(self, translator: Translator, options: TranslationOptions) -> None:
        self.translator = translator
        data, search = translator.recipe.data, translator.recipe.search
        self.languages = data.source, data.target
        self.max_n_best = search.beam_size if search.method == "beam" else 1
        self.pipeline = cache(
            lambda n_best: LinePipeline(translator, replace(options, n_best=n_best))
        )


@dataclass(frozen=True)
class TranslateRequest:
    """A valid request to /translate.

    Attributes:
        model: The model of its languages.
        texts: The texts, each as its lines and, between them, the line ends.
        is_list: Whether q was a list, so that the answer has lists.
        n_best: Translations of a text, the alternatives included.
        is_auto: Whether the source is to be detected.
    """

    model: Model
    texts: list[list[str]]
    is_list: bool
    n_best: int
    is_auto: bool

    @classmethod
    def parse(
        cls, fields: Fields, models: Sequence[Model], limits: Limits
    ) -> TranslateRequest:
        """Check the fields of a request.

        Raises:
            HTTPException: 400 if one is wrong.
        """
        texts = texts_of(fields, limits)
        for name in ("source", "target"):
            if name not in fields:
                raise invalid(f"missing {name} parameter")
        model = choose_model(fields, models)
        markup = fields.get("format") == "html" and any("<" in text for text in texts)
        if markup or fields.get("format", "text") not in ("text", "html"):
            raise invalid("format must be text")
        most = model.max_n_best - 1
        number = number_of(fields, "alternatives", default=0, low=0, high=most)
        parts = [_LINE_END.split(replace_surrogates(text)) for text in texts]
        is_list, is_auto = isinstance(fields["q"], list), fields["source"] == "auto"
        return cls(model, parts, is_list, number + 1, is_auto)

    def lines(self) -> list[str]:
        """Return the lines of all texts that are not blank."""
        lines = (line for parts in self.texts for line in parts[::2])
        return [line for line in lines if not is_blank(line)]

    def answer(self, translations: Sequence[Translation]) -> dict[str, Any]:
        """Return the answer, from the translations of the lines.

        Raises:
            HTTPException: 500 if a line could not be translated.
        """
        errors = [
            translation.error for translation in translations if translation.error
        ]
        if errors:
            raise HTTPException(500, errors[0])
        remaining = iter(translations)
        ranked = []
        for parts in self.texts:
            lines = [
                []
                if is_blank(line)
                else [hypothesis.translation for hypothesis in next(remaining).n_best]
                for line in parts[::2]
            ]
            count = max(1, *map(len, lines))
            ranked.append([_join(lines, parts[1::2], rank) for rank in range(count)])
        answer: dict[str, list[Any]] = {"translatedText": [r[0] for r in ranked]}
        if self.n_best > 1:
            answer["alternatives"] = [r[1:] for r in ranked]
        if self.is_auto:
            detected = {"language": self.model.languages[0]}
            answer["detectedLanguage"] = [detected] * len(ranked)
        return answer if self.is_list else {name: v[0] for name, v in answer.items()}


def _join(lines: list[list[str]], ends: list[str], rank: int) -> str:
    """Join lines' translations of a rank, or their last, by the text's line ends."""
    texts = [ranked[: rank + 1][-1] if ranked else "" for ranked in lines]
    return "".join(text + end for text, end in zip(texts, [*ends, ""], strict=True))


def choose_model(fields: Fields, models: Sequence[Model]) -> Model:
    """Return the model for the fields source and target.

    A source of auto and a field that is missing match any language.

    Raises:
        HTTPException: 400 if no model matches, or more than one.
    """
    matching = list(models)
    wanted = [fields.get(name) for name in ("source", "target")]
    for side, code in enumerate(wanted):
        if code is None or (code == "auto" and side == 0):
            continue
        if not isinstance(code, str):
            raise invalid("source and target must be language codes")
        exact = [model for model in matching if model.languages[side] == code]
        matching = exact or [
            model
            for model in matching
            if primary_subtag(model.languages[side]) == primary_subtag(code)
        ]
    if len(matching) == 1:
        return matching[0]
    problem = "is ambiguous" if matching else "is not supported"
    pair = " to ".join(str(code or "any language")[:20] for code in wanted)
    pairs = ", ".join(" to ".join(model.languages) for model in models)
    raise HTTPException(400, f"{pair} {problem}; there is {pairs}")


def list_languages(models: Sequence[Model]) -> list[dict[str, Any]]:
    """Return what /languages answers: every language with its targets."""
    return [
        {
            "code": code,
            "name": language_name(code),
            "targets": [m.languages[1] for m in models if m.languages[0] == code],
        }
        for code in sorted({code for model in models for code in model.languages})
    ]


def frontend_settings(
    models: Sequence[Model], limits: Limits, needs_key: bool
) -> dict[str, Any]:
    """Return what /frontend/settings answers."""
    sides = zip(("source", "target"), models[0].languages, strict=True)
    return {
        "apiKeys": needs_key,
        "charLimit": limits.characters,
        "filesTranslation": False,
        "frontendTimeout": 500,
        "keyRequired": needs_key,
        "language": {
            side: {"code": code, "name": language_name(code)} for side, code in sides
        },
        "suggestions": False,
        "supportedFilesFormat": [],
    }
