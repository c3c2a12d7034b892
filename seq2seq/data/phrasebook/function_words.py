"""Function words of the phrasebook: determiners, pronouns, modals, prepositions."""

from typing import NamedTuple

from seq2seq.data.phrasebook.lexicon import MANY, THIRD, YOU, I

Forms = tuple[tuple[tuple[str, str], ...], ...]


class Determiner(NamedTuple):
    """A determiner; the German table has (its form, the adjective's ending).

    A negated determiner carries the negation of its clause: not a, kein.
    """

    english: tuple[str, str]
    german: Forms  # [case][gender or PLURAL]
    definite: bool
    negated: bool = False


def _table(stem: str, forms: str, endings: str) -> Forms:
    cases = zip(forms.split(","), endings.split(","), strict=True)
    return tuple(
        tuple(
            ((stem + form).replace("-", ""), ending)
            for form, ending in zip(row.split(), ends.split(), strict=True)
        )
        for row, ends in cases
    )


_WEAK = "e e e en, en e e en, en en en en"
_MIXED = "er e es en, en e es en, en en en en"
_STRONG = "er e es e, en e es e, em er em en"
_EIN = "- e - e, en e - e, em er em en"
_NONE = "- - - -, - - - -, - - - -"
_POSSESSIVES = "my mein, your dein, his sein, her ihr, our unser, their ihr"

THE = Determiner(
    ("the", "the"), _table("d", "er ie as ie, en ie as ie, em er em en", _WEAK), True
)
THIS = Determiner(
    ("this", "these"), _table("dies", "er e es e, en e es e, em er em en", _WEAK), True
)
A = Determiner(("a", ""), _table("ein", _EIN, _MIXED), False)
BARE = Determiner(("", ""), _table("", _NONE, _STRONG), False)
POSSESSIVES = {
    english: Determiner((english, english), _table(german, _EIN, _MIXED), True)
    for english, german in (row.split() for row in _POSSESSIVES.split(","))
}
NOT_A = Determiner(("a", ""), _table("kein", _EIN, _MIXED), False, True)
NOT_BARE = Determiner(("", ""), _table("kein", _EIN, _MIXED), False, True)
SUBJECT_PRONOUNS = {
    "I": ("ich", I),
    "you": ("du", YOU),
    "he": ("er", THIRD),
    "she": ("sie", THIRD),
    "we": ("wir", MANY),
    "they": ("sie", MANY),
}
OBJECT_PRONOUNS = {
    "I": ("me", "mich", "mir"),
    "you": ("you", "dich", "dir"),
    "he": ("him", "ihn", "ihm"),
    "she": ("her", "sie", "ihr"),
    "we": ("us", "uns", "uns"),
    "they": ("them", "sie", "ihnen"),
}
"""English, accusative and dative, by the subject form."""
MODALS = {
    "can": ("can", "", ("kann", "kannst", "kann", "können")),
    "must": ("must", "", ("muss", "musst", "muss", "müssen")),
    "will": ("will", "", ("werde", "wirst", "wird", "werden")),
    "should": ("should", "", ("soll", "sollst", "soll", "sollen")),
    "would": ("would", "like to ", ("möchte", "möchtest", "möchte", "möchten")),
    "want": ("", "want to ", ("will", "willst", "will", "wollen")),
}
"""English auxiliary, link to the verb, and the German present by person."""
LOCATION_PREPOSITIONS = {
    "station": ("at", "an"),
    "lake": ("at", "an"),
    "beach": ("at", "an"),
    "river": ("at", "an"),
    "market": ("at", "auf"),
    "bridge": ("on", "auf"),
    "street": ("on", "auf"),
}
"""Prepositions of locations; every other one has "in" in both languages."""
FURNITURE_PREPOSITIONS = (
    ("on", "auf"),
    ("under", "unter"),
    ("next to", "neben"),
    ("behind", "hinter"),
)
"""Prepositions of furniture: a location with the dative, a direction with the
accusative."""
