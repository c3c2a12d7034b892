"""Sample noun phrases and clauses of the phrasebook, and record word combinations.

The weights and the choice of words that fit each other are here, the word order in
grammar.py.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from seq2seq.data.phrasebook.function_words import (
    BARE,
    FURNITURE_PREPOSITIONS,
    LOCATION_PREPOSITIONS,
    NOT_A,
    NOT_BARE,
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
CONDITIONAL_TENSES = ("present", "present", "present", "can", "want")
"""Tenses of a condition and of its main clause, by weight."""
POSSESSIVE = tuple(POSSESSIVES.values())
_SINGULAR_DETERMINERS = (*(THE,) * 12, *(A,) * 7, THIS, THIS, *POSSESSIVE)
_PLURAL_DETERMINERS = (*(THE,) * 8, *(BARE,) * 8, THIS, THIS, *POSSESSIVE)
_MASS_DETERMINERS = (*(BARE,) * 6, *(THE,) * 3, THIS, *POSSESSIVE)
_LOCATION_DETERMINERS = (*(THE,) * 7, A, A, THIS)
_WEIGHTED_VERBS = tuple(
    verb
    for verb in VERBS
    for _ in range(4 if verb.frame == "give" or verb.prefix else 3)
    if verb.frame not in ("that", "price")
)
EVENT_VERBS = tuple(verb for verb in _WEIGHTED_VERBS if not verb.stative)
LOCATION_PROBABILITY = {
    verb.infinitive: 0.8 if verb.frame == "none" else 0.5
    for verb in EVENT_VERBS
    if verb.frame in ("none", "accusative")
}
_LOCATIONS = NOUNS["room"] * 2 + NOUNS["home"] + NOUNS["spot"]
DEFINITE = (THE, THE, THE, THIS, *POSSESSIVE)
# Twice I and you, whose verb forms nothing else has.
PRONOUNS = (*SUBJECT_PRONOUNS, "I", "you")
_NAMES = tuple(NAMES)
_CITIES = tuple(CITIES.items())
_ADVERBS = tuple(ADVERBS.items())


class Sampler:
    """Samples phrases and clauses.

    Attributes:
        random: Returns a number uniform in [0, 1).
        combinations: Pairs of English head and dependent sampled so far.
    """

    def __init__(self, seed: str) -> None:
        # Seeding by text and random() itself are stable across Python versions.
        self.random = Random(seed).random
        self.combinations: list[tuple[str, str]] = []

    def pick(self, options: Sequence[T]) -> T:
        """Sample an option, earlier ones more often: word frequencies are skewed."""
        return options[int(self.random() ** _SKEW * len(options))]

    def combine(self, head: str, dependent: str) -> None:
        """Record that a sentence combines two English words."""
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
        singular: bool = False,
        adjectives: float = 0.3,
    ) -> Phrase:
        """Sample a noun phrase that depends on the word `head`."""
        noun = self.pick(nouns)
        while noun.english[0] == avoid:
            noun = self.pick(nouns)
        name, uniform = noun.english[0], self.random()
        self.combine(head, name)
        plural = (
            noun.english[1] != ""
            and not (singular or noun.is_location)
            and uniform < 0.25
        )
        if uniform < 0.04 and plural and not (negated or determiners):
            numeral = self.pick(NUMBERS[1:12])
            self.combine(name, numeral[0])
            return counted(numeral, noun, case=case)
        usual = (
            _PLURAL_DETERMINERS
            if plural
            else _SINGULAR_DETERMINERS
            if noun.english[1]
            else _MASS_DETERMINERS
        )
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
            self.combine(name, adjective.english)
        return noun_phrase(
            determiner, noun, adjective=adjective, plural=plural, case=case
        )

    def name(self, head: str, avoid: str = "") -> Phrase:
        """Sample a name other than `avoid` that depends on the word `head`."""
        name = self.pick(_NAMES)
        while name == avoid:
            name = self.pick(_NAMES)
        self.combine(head, name)
        return Phrase(name, name, head=name)

    def subject(self, verb: Verb) -> Phrase:
        """Sample a subject: a pronoun, a name, two names or a noun phrase."""
        head = verb.english[0]
        if verb.subjects[0].is_person:
            uniform = self.random()
            if uniform < 0.36:
                return pronoun(self.pick(PRONOUNS))
            if uniform < 0.48:
                return self.name(head)
            if uniform < 0.51:
                first = self.name(head)
                second = self.name(head, first.english)
                both = f"{first.english} and {second.english}"
                return Phrase(both, both.replace(" and ", " und "), MANY)
        return self.noun(verb.subjects, NOMINATIVE, head)

    def object(
        self, verb: Verb, case: int, subject: Phrase, negated: bool = False
    ) -> Phrase:
        """Sample an object that fits the verb and is not its subject."""
        nouns, head = verb.objects, verb.english[0]
        determiners: tuple[Determiner, ...] = ()
        if verb.frame == "give" and case == DATIVE:
            # "gibt die Uhr einem Kind": an indefinite receiver would come last.
            nouns, negated, determiners = NOUNS["person"], False, DEFINITE
        if nouns[0].is_person:
            uniform = self.random()
            if uniform < 0.3:
                word = self.pick(PRONOUNS)
                # Not "I see me" or "we see me", and "he sees him" would be ambiguous.
                if word != subject.head and {word, subject.head} != {"I", "we"}:
                    return pronoun(word, case)
            elif uniform < 0.42:
                return self.name(head, subject.head)
        return self.noun(
            nouns,
            case,
            head,
            avoid=subject.head,
            negated=negated,
            determiners=determiners,
        )

    def location(self, verb: Verb, case: int) -> Phrase:
        """Sample a location (dative) or direction (accusative) that fits the verb."""
        head = verb.english[0]
        if verb.frame in ("beside", "onto"):
            nouns = NOUNS["furniture"]
            preposition = self.pick(FURNITURE_PREPOSITIONS)
        elif verb.frame == "to":
            nouns, preposition, case = NOUNS["spot"], ("to", "zu"), DATIVE
            if self.random() < 0.4:
                city, german = self.pick(_CITIES)
                self.combine(head, city)
                return Phrase(f"to {city}", f"nach {german}")
        else:
            nouns = verb.objects if verb.frame in ("in", "into") else _LOCATIONS
            preposition = ("in" if case == DATIVE else "into", "in")
            if verb.frame == "in" and self.random() < 0.3:
                city, german = self.pick(_CITIES)
                self.combine(head, city)
                return Phrase(f"in {city}", f"in {german}")
        phrase = self.noun(
            nouns, case, head, determiners=_LOCATION_DETERMINERS, singular=True
        )
        if preposition[1] == "in":
            preposition = LOCATION_PREPOSITIONS.get(phrase.head, preposition)
        return prepositional(*preposition, phrase)

    def time(self, tense: str) -> Pair:
        """Sample a time adverbial that fits the tense."""
        group = tense if tense in TIMES else "modal"
        text, combination = self.pick(self.pick(TIMES[group]))
        if combination:
            self.combine(*combination)
        return text

    def clause(
        self,
        verb: Verb | None = None,
        *,
        interrogative: bool = False,
        plain: bool = False,
        tenses: Sequence[str] = TENSES,
    ) -> tuple[Clause, str]:
        """Sample a clause and its tense; a plain one has no adjuncts."""
        verb = verb or self.pick(_WEIGHTED_VERBS)
        subject = self.subject(verb)
        tense = "present" if verb.stative else self.pick(tenses)
        if interrogative and tense in ("must", "perfect"):
            tense = "present"
        base, _, past, _ = verb.english
        if base == past and tense == "past" and subject.person != THIRD:
            tense = "present"  # "they read" would be both
        negated = not interrogative and tense != "must" and self.random() < 0.14
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
            complement = self.location(verb, ACCUSATIVE)
        elif frame == "object":
            english, german, case = verb.preposition
            complement = prepositional(
                english, german, self.object(verb, case, subject)
            )
        elif frame != "none":
            complement = self.location(verb, ACCUSATIVE if frame == "into" else DATIVE)
        adverb, time = ("", ""), ("", "")
        if tense == "perfect":
            adverb = ("yet", "noch") if negated else ("already", "schon")
        elif not plain:
            uniform = self.random()
            if uniform < 0.22 and not verb.stative:
                time = self.time(tense)
            elif uniform < 0.34 and tense == "present" and not negated:
                adverb = self.pick(_ADVERBS)
            elif uniform < LOCATION_PROBABILITY.get(verb.infinitive, 0) and not negated:
                complement = self.location(verb, DATIVE)
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
                interrogative=interrogative,
            ),
            tense,
        )
