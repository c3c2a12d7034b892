"""LibreTranslate's API: its fields, languages, settings and answers.

Weblate, Lingarr, Zotero's plugins and Mastodon speak it (docs.libretranslate.com).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.exceptions import HTTPException

from seq2seq.serve.limits import Limits, require_number, require_texts
from seq2seq.translate import Translation, TranslationOptions, Translator
from seq2seq.translate.line_pipeline import LinePipeline, replace_surrogates
from seq2seq.utils.languages import language_name, primary_subtag

_LINE_END = re.compile(r"(\r?\n)")


@dataclass
class Model:
    """A model that is served.

    Attributes:
        translator: The model.
        options: Translation options of all requests.
    """

    translator: Translator
    options: TranslationOptions
    _pipelines: dict[int, LinePipeline] = field(default_factory=dict)

    @property
    def languages(self) -> tuple[str, str]:
        """The codes of source and target."""
        data = self.translator.recipe.data
        return data.source, data.target

    @property
    def max_n_best(self) -> int:
        """Maximal number of translations of a text."""
        search = self.translator.recipe.search
        return search.beam_size if search.method == "beam" else 1

    def pipeline(self, n_best: int) -> LinePipeline:
        """Return the pipeline for so many translations of a line, the same each time.

        Requests with the same pipeline share batches.
        """
        if n_best not in self._pipelines:
            options = replace(self.options, n_best=n_best)
            self._pipelines[n_best] = LinePipeline(self.translator, options)
        return self._pipelines[n_best]


@dataclass(frozen=True)
class TranslateRequest:
    """A valid request to /translate.

    Attributes:
        model: The model of its languages.
        texts: The texts.
        is_list: Whether q was a list, so that the answer has lists.
        n_best: Translations of a text, the alternatives included.
        is_auto: Whether the source is to be detected.
    """

    model: Model
    texts: list[str]
    is_list: bool
    n_best: int
    is_auto: bool

    @classmethod
    def parse(
        cls, fields: dict[str, Any], models: Sequence[Model], limits: Limits
    ) -> TranslateRequest:
        """Check the fields of a request.

        Raises:
            HTTPException: 400 if one is wrong.
        """
        texts = require_texts(fields, limits)
        model = choose_model(fields, models, required=True)
        if fields.get("format", "text") not in ("text", "html"):
            raise HTTPException(400, "Invalid request: format must be text")
        if fields.get("format") == "html" and any("<" in text for text in texts):
            raise HTTPException(
                400, "Invalid request: format html is not supported; send text"
            )
        most = model.max_n_best - 1
        number = require_number(fields, "alternatives", default=0, low=0, high=most)
        is_auto = fields.get("source") == "auto"
        return cls(model, texts, isinstance(fields["q"], list), number + 1, is_auto)

    def lines(self) -> list[str]:
        """Return the lines of all texts, which are translated one by one."""
        texts = map(replace_surrogates, self.texts)
        return [line for text in texts for line in _LINE_END.split(text)[::2]]

    def answer(self, translations: Sequence[Translation]) -> dict[str, Any]:
        """Return the answer.

        Args:
            translations: Of the lines.

        Raises:
            HTTPException: 500 if a line could not be translated.
        """
        for translation in translations:
            if translation.error:
                raise HTTPException(500, translation.error)
        remaining = iter(translations)
        ranked: list[list[str]] = []
        for text in self.texts:
            parts = _LINE_END.split(text)
            lines = [
                [h.translation for h in next(remaining).n_best] for _ in parts[::2]
            ]
            ranked.append(
                [
                    _join(lines, parts[1::2], rank)
                    for rank in range(max(1, *map(len, lines), 1))
                ]
            )
        answer: dict[str, Any] = {"translatedText": [texts[0] for texts in ranked]}
        if self.n_best > 1:
            answer["alternatives"] = [texts[1:] for texts in ranked]
        if self.is_auto:
            detected = {"language": self.model.languages[0]}
            answer["detectedLanguage"] = [detected] * len(ranked)
        if not self.is_list:
            answer = {name: values[0] for name, values in answer.items()}
        return answer


def choose_model(
    fields: dict[str, Any], models: Sequence[Model], *, required: bool = False
) -> Model:
    """Return the model of the languages that the fields source and target name.

    A source of auto, and both where they are not required, match any language.

    Raises:
        HTTPException: 400 if no model or more than one matches.
    """
    matching = list(models)
    for position, name in enumerate(("source", "target")):
        code = fields.get(name)
        if code is None and required:
            raise HTTPException(400, f"Invalid request: missing {name} parameter")
        if code is None or (code == "auto" and position == 0):
            continue
        if not isinstance(code, str):
            raise HTTPException(400, f"Invalid request: {name} must be a language code")
        exact = [model for model in matching if model.languages[position] == code]
        matching = exact or [
            model
            for model in matching
            if primary_subtag(model.languages[position]) == primary_subtag(code)
        ]
    if len(matching) != 1:
        pairs = ", ".join(" to ".join(model.languages) for model in models)
        words = [str(fields.get(name, "?"))[:20] for name in ("source", "target")]
        problem = "ambiguous" if matching else "not supported"
        raise HTTPException(400, f"{' to '.join(words)} is {problem}; here: {pairs}")
    return matching[0]


def list_languages(models: Sequence[Model]) -> list[dict[str, Any]]:
    """Return what /languages answers: every language with its targets."""
    codes = sorted({code for model in models for code in model.languages})
    return [
        {
            "code": code,
            "name": language_name(code),
            "targets": [m.languages[1] for m in models if m.languages[0] == code],
        }
        for code in codes
    ]


def frontend_settings(
    models: Sequence[Model], limits: Limits, *, needs_key: bool
) -> dict[str, Any]:
    """Return what /frontend/settings answers."""
    source, target = models[0].languages
    return {
        "apiKeys": needs_key,
        "charLimit": limits.characters,
        "filesTranslation": False,
        "frontendTimeout": 500,
        "keyRequired": needs_key,
        "language": {
            "source": {"code": source, "name": language_name(source)},
            "target": {"code": target, "name": language_name(target)},
        },
        "suggestions": False,
        "supportedFilesFormat": [],
    }


def _join(lines: list[list[str]], ends: list[str], rank: int) -> str:
    """Join lines' translations of a rank, or their last, by the text's line ends."""
    texts = [ranked[: rank + 1][-1] if ranked else "" for ranked in lines]
    return "".join(a + b for a, b in zip(texts, [*ends, ""], strict=True))
