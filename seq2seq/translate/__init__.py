"""Translation of text with trained runs.

Lightning and the metrics are not imported: Lightning's import alone takes longer than
translating a page.
"""

from seq2seq.translate.constraints import TranslationRequest
from seq2seq.translate.options import (
    Translation,
    TranslationHypothesis,
    TranslationOptions,
)
from seq2seq.translate.translator import Translator

__all__ = [
    "Translation",
    "TranslationHypothesis",
    "TranslationOptions",
    "TranslationRequest",
    "Translator",
]
