"""Clauses of the embedded corpus drawn by chance, from a noun to a whole clause.

Knows how often what is said, and which words suit each other; notes every combination
of words that it draws. Knows no word order (`grammar`), no kinds of sentences
(`sentences`) and not which combinations are held out (`phrasebook`).
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from seq2seq.data.phrasebook.function_words import (
    BARE,
    BESIDE,
    NOT_A,
    NOT_BARE,
    PLACE_PREPOSITIONS,
    POSSESSIVES,
    SUBJECT_PRONOUNS,
    THE,
    THIS,
    A,
    Determiner,
)
from seq2seq.data.phrasebook.grammar import (
    NOTHING,
    Clause,
    Phrase,
    clause,
    counted,
    noun_phrase,
    prepositional,
    pronoun,
)
from seq2seq.data.phrasebook.lexicon import (
    ACCUSATIVE,
    CITIES,
    DATIVE,
    MANY,
    NAMES,
    NOMINATIVE,
    NOUNS,
    THIRD,
    VERBS,
    Noun,
    Pair,
    Verb,
)
from seq2seq.data.phrasebook.numbers_and_dates import ADVERBS, NUMBERS, TIMES

T = TypeVar("T")

_SKEW = 5  # The first of 50 options comes 46 times in 100, the last once in 250.

TENSES = (
    *("present",) * 14, *("past",) * 8, *("perfect",) * 3,
    "can", "can", "will", "will", "want", "want", "must", "should", "would",
)  # fmt: skip
TIMELESS = ("present", "present", "present", "can", "want")
"""Tenses of a condition and of what follows from it."""
OF_PERSON = tuple(POSSESSIVES.values())
_SINGULAR = (*(THE,) * 12, *(A,) * 7, THIS, THIS, *OF_PERSON)
_MANY = (*(THE,) * 8, *(BARE,) * 8, THIS, THIS, *OF_PERSON)
_MASS = (*(BARE,) * 6, *(THE,) * 3, THIS, *OF_PERSON)
_AT_PLACE = (*(THE,) * 7, A, A, THIS)
_CHOICES = tuple(
    verb
    for verb in VERBS
    for _ in range(4 if verb.frame == "give" or verb.prefix else 3)
    if verb.frame not in ("that", "price")
)
EVENTS = tuple(verb for verb in _CHOICES if not verb.stative)
ANYWHERE = {
    verb.infinitive: 0.8 if verb.frame == "none" else 0.5
    for verb in EVENTS
    if verb.frame in ("none", "accusative")
}
_PLACES = NOUNS["room"] * 2 + NOUNS["home"] + NOUNS["spot"]
DEFINITE = (THE, THE, THE, THIS, *OF_PERSON)
# Twice I and you, whose verb forms nothing else has.
PRONOUNS = (*SUBJECT_PRONOUNS, "I", "you")
_NAMES = tuple(NAMES)
_CITIES = tuple(CITIES.items())
_ADVERBS = tuple(ADVERBS.items())


class Draw:
    """Draws phrases and clauses; `combinations` gathers the English words in them."""

    def __init__(self, seed: str) -> None:
        # Seeding by text and random() itself are stable across Python versions.
        self.random = Random(seed).random
        self.combinations: list[tuple[str, str]] = []

    def pick(self, options: Sequence[T]) -> T:
        """Draw one, the first ones more often, as words are in any real text."""
        return options[int(self.random() ** _SKEW * len(options))]

    def note(self, head: str, dependent: str) -> None:
        """Note that a sentence combines two English words."""
        self.combinations.append((head, dependent))

    def noun(
        self,
        nouns: Sequence[Noun],
        case: int,
        head: str,
        *,
        avoid: str = "",
        negated: bool = False,
        determiners: Sequence[Determiner] = (),
        single: bool = False,
        adjectives: float = 0.3,
    ) -> Phrase:
        """Draw a noun phrase that depends on the word `head`."""
        noun = self.pick(nouns)
        while noun.english[0] == avoid:
            noun = self.pick(nouns)
        name, chance = noun.english[0], self.random()
        self.note(head, name)
        plural = noun.english[1] != "" and not (single or noun.place) and chance < 0.25
        if chance < 0.04 and plural and not (negated or determiners):
            numeral = self.pick(NUMBERS[1:12])
            self.note(name, numeral[0])
            return counted(numeral, noun, case=case)
        usual = _MANY if plural else _SINGULAR if noun.english[1] else _MASS
        determiner = self.pick(determiners or usual)
        if determiner is BARE and case == DATIVE and not plural:
            determiner = THE  # "mit kaltem Wasser" is too rare to be learned
        if negated:
            determiner = {"a": NOT_A, "": NOT_BARE}.get(
                determiner.english[plural], determiner
            )
        adjective = None
        if self.random() < adjectives:
            adjective = self.pick(noun.adjectives)
            self.note(name, adjective.english)
        return noun_phrase(
            determiner, noun, adjective=adjective, plural=plural, case=case
        )

    def name(self, head: str, avoid: str = "") -> Phrase:
        """Draw a name other than `avoid` that depends on the word `head`."""
        name = self.pick(_NAMES)
        while name == avoid:
            name = self.pick(_NAMES)
        self.note(head, name)
        return Phrase(name, name, head=name)

    def subject(self, verb: Verb) -> Phrase:
        """Draw who does it: a pronoun, a name, two names or a noun."""
        head = verb.english[0]
        if verb.subjects[0].person:
            chance = self.random()
            if chance < 0.36:
                return pronoun(self.pick(PRONOUNS))
            if chance < 0.48:
                return self.name(head)
            if chance < 0.51:
                first = self.name(head)
                second = self.name(head, first.english)
                both = f"{first.english} and {second.english}"
                return Phrase(both, both.replace(" and ", " und "), MANY)
        return self.noun(verb.subjects, NOMINATIVE, head)

    def object(
        self, verb: Verb, case: int, subject: Phrase, negated: bool = False
    ) -> Phrase:
        """Draw an object that suits the verb and is not its subject."""
        nouns, head = verb.objects, verb.english[0]
        determiners: tuple[Determiner, ...] = ()
        if verb.frame == "give" and case == DATIVE:
            # "gibt die Uhr einem Kind": an indefinite receiver would come last.
            nouns, negated, determiners = NOUNS["person"], False, DEFINITE
        if nouns[0].person:
            chance = self.random()
            if chance < 0.3:
                word = self.pick(PRONOUNS)
                # Not "I see me" or "we see me", and "he sees him" would be ambiguous.
                if word != subject.head and {word, subject.head} != {"I", "we"}:
                    return pronoun(word, case)
            elif chance < 0.42:
                return self.name(head, subject.head)
        return self.noun(
            nouns,
            case,
            head,
            avoid=subject.head,
            negated=negated,
            determiners=determiners,
        )

    def place(self, verb: Verb, case: int) -> Phrase:
        """Draw a place (dative) or the way there (accusative) that suits the verb."""
        head = verb.english[0]
        if verb.frame in ("beside", "onto"):
            nouns = NOUNS["furniture"]
            preposition = self.pick(BESIDE)
        elif verb.frame == "to":
            nouns, preposition, case = NOUNS["spot"], ("to", "zu"), DATIVE
            if self.random() < 0.4:
                city, german = self.pick(_CITIES)
                self.note(head, city)
                return Phrase(f"to {city}", f"nach {german}")
        else:
            nouns = verb.objects if verb.frame in ("in", "into") else _PLACES
            preposition = ("in" if case == DATIVE else "into", "in")
            if verb.frame == "in" and self.random() < 0.3:
                city, german = self.pick(_CITIES)
                self.note(head, city)
                return Phrase(f"in {city}", f"in {german}")
        phrase = self.noun(nouns, case, head, determiners=_AT_PLACE, single=True)
        if preposition[1] == "in":
            preposition = PLACE_PREPOSITIONS.get(phrase.head, preposition)
        return prepositional(*preposition, phrase)

    def time(self, tense: str) -> Pair:
        """Draw a time that goes with the tense."""
        group = tense if tense in TIMES else "modal"
        text, combination = self.pick(self.pick(TIMES[group]))
        if combination:
            self.note(*combination)
        return text

    def clause(
        self,
        verb: Verb | None = None,
        *,
        ask: bool = False,
        plain: bool = False,
        tenses: Sequence[str] = TENSES,
    ) -> tuple[Clause, str]:
        """Draw a clause and its tense; a plain one has no adjuncts."""
        verb = verb or self.pick(_CHOICES)
        subject = self.subject(verb)
        tense = "present" if verb.stative else self.pick(tenses)
        if ask and tense in ("must", "perfect"):
            tense = "present"
        base, _, past, _ = verb.english
        if base == past and tense == "past" and subject.person != THIRD:
            tense = "present"  # "they read" would be both
        negated = not ask and tense != "must" and self.random() < 0.14
        objects: list[Phrase] = []
        complement, frame = NOTHING, verb.frame
        if frame == "accusative":
            objects = [self.object(verb, ACCUSATIVE, subject, negated)]
        elif frame == "dative":
            objects = [self.object(verb, DATIVE, subject)]
        elif frame == "give":
            objects = [
                self.object(verb, DATIVE, subject),
                self.noun(verb.objects, ACCUSATIVE, base, negated=negated),
            ]
        elif frame == "onto":
            objects = [self.noun(verb.objects, ACCUSATIVE, base, negated=negated)]
            complement = self.place(verb, ACCUSATIVE)
        elif frame == "object":
            english, german, case = verb.preposition
            complement = prepositional(
                english, german, self.object(verb, case, subject)
            )
        elif frame != "none":
            complement = self.place(verb, ACCUSATIVE if frame == "into" else DATIVE)
        adverb, time = ("", ""), ("", "")
        if tense == "perfect":
            adverb = ("yet", "noch") if negated else ("already", "schon")
        elif not plain:
            chance = self.random()
            if chance < 0.22 and not verb.stative:
                time = self.time(tense)
            elif chance < 0.34 and tense == "present" and not negated:
                adverb = self.pick(_ADVERBS)
            elif chance < ANYWHERE.get(verb.infinitive, 0) and not negated:
                complement = self.place(verb, DATIVE)
        return (
            clause(
                subject,
                verb,
                *objects,
                complement=complement,
                tense=tense,
                time=time,
                adverb=adverb,
                negated=negated,
                ask=ask,
            ),
            tense,
        )
