"""Lines become translations, in the order in which they came.

Knows runs, lines and searches; not Lightning, whose import takes longer than
translating a page, and not scores of quality.
"""

from seq2seq.translate.constraints import TranslationRequest
from seq2seq.translate.options import Translation, TranslationOptions
from seq2seq.translate.translator import Translator

__all__ = ["Translation", "TranslationOptions", "TranslationRequest", "Translator"]
