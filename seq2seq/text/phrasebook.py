"""The embedded corpus: a weighted synchronous grammar of English and German.

Every English sentence is built together with its one German translation, so a model
can be exact. Gender, case, number, verb-second and verb-final order, separable verbs
and two perfects have to be learned. Knows word order, chance and which sentences are
held out; not single words (`lexicon`), files, pieces or tensors.

**What is held out.** A sentence is made of combinations: a verb with each noun that
depends on it (subject, object or place), a noun with its adjective, its numeral or the
noun it is compared with, an hour with its minutes, a month with its day. A CRC-32 of
the two English words puts 3 in 100 combinations aside for `test` and 3 for `valid`.
A `train` sentence holds none of those; a `test` sentence holds at least one for test
and none for valid, and the reverse. So the splits share every word and every
construction, but no sentence: what is tested is new combinations of known words.

**One translation.** "you" is always "du"; the English past is the German Perfekt (only
"be" keeps its Präteritum), and the English perfect always has "already" or "yet",
which is "schon" or "noch". A time stands first in German if it does in English.
"""

import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from random import Random
from typing import Literal, NamedTuple, TypeVar

from seq2seq.text.lexicon import (
    ACCUSATIVE,
    ADVERBS,
    BARE,
    BESIDE,
    CITIES,
    CLAIMS,
    COMPARATIVES,
    DATIVE,
    DAYS,
    FUTURE_TIMES,
    HOURS,
    MANY,
    MASCULINE,
    MINUTES,
    MODALS,
    MONTHS,
    NAMES,
    NEUTER,
    NOMINATIVE,
    NOT_A,
    NOT_BARE,
    NOUN,
    NOUNS,
    NUMBERS,
    OBJECT_PRONOUNS,
    ORDINALS,
    PAST_TIMES,
    PLACE_PREPOSITIONS,
    PLURAL,
    POSSESSIVES,
    PRESENT_TIMES,
    SEIN,
    SUBJECT_PRONOUNS,
    THE,
    THIRD,
    THIS,
    VERB,
    VERBS,
    YOU,
    A,
    Adjective,
    Determiner,
    Noun,
    Verb,
)

VERSION = 4
"""Raised whenever `phrase_pairs` yields other sentences than before."""

Split = Literal["train", "valid", "test"]
T = TypeVar("T")

_SPLITS: dict[str, int] = {"train": 0, "valid": 1, "test": 2}  # bits of a held-out mark
_HELD_PERCENT = 3
_MOST_WORDS = 12
_SKEW = 5  # The first of 50 options comes 46 times in 100, the last once in 250.


class Phrase(NamedTuple):
    """A noun phrase, pronoun or place in both languages, in its final case."""

    english: str
    german: str
    person: int = THIRD
    head: str = ""  # English noun, for combinations
    pronoun: bool = False
    definite: bool = True
    negated: bool = False


class Clause(NamedTuple):
    """A clause before its word order is chosen; empty parts are left out."""

    subject: Phrase
    auxiliary: str
    predicate: str  # the rest of the English clause
    finite: str
    middle: str
    end: str  # German verb parts that close a main clause
    last: str  # all German verb parts, as they close a subordinate clause


Pair = tuple[str, str]
NOTHING = Phrase("", "")
BE = Verb(
    ("be", "is", "was", "been"), "", SEIN, "", "sein", "gewesen", SEIN, (), "", (),
    ("", "", 0), True,
)  # fmt: skip


def held_out(head: str, dependent: str) -> int:
    """Say for which split two words in combination are kept: 0 train, 1 valid, 2 test.

    CRC-32 is the same on every platform and in every Python version.
    """
    bucket = zlib.crc32(f"{head} {dependent}".encode()) % 100
    if bucket < _HELD_PERCENT:
        return _SPLITS["test"]
    return _SPLITS["valid"] if bucket < 2 * _HELD_PERCENT else _SPLITS["train"]


_held = lru_cache(maxsize=None)(held_out)  # bounded by the lexicon


def words(*parts: str) -> str:
    """Join the parts that are not empty by one blank."""
    return " ".join(filter(None, parts))


def pronoun(word: str, case: int = NOMINATIVE) -> Phrase:
    """Build a personal pronoun from its English subject form."""
    german, person = SUBJECT_PRONOUNS[word]
    english = word
    if case != NOMINATIVE:
        english, *cases = OBJECT_PRONOUNS[word]
        german = cases[case - 1]
    return Phrase(english, german, person, word, pronoun=True)


def noun_phrase(
    determiner: Determiner,
    noun: Noun,
    *,
    adjective: Adjective | None = None,
    plural: bool = False,
    case: int = NOMINATIVE,
) -> Phrase:
    """Build a noun phrase; gender, number and case decide every German ending."""
    form, ending = determiner.german[case][PLURAL if plural else noun.gender]
    english, german = noun.english[plural], noun.german[plural][case]
    if adjective:
        english = f"{adjective.english} {english}"
        german = f"{adjective.stem}{ending} {german}"
    article = determiner.english[plural]
    if article:
        n = "n" if article == "a" and english[0] in "aeiou" else ""
        english = f"{article}{n} {english}"
    return Phrase(
        english,
        f"{form} {german}" if form else german,
        MANY if plural else THIRD,
        noun.english[0],
        definite=determiner.definite,
        negated=determiner.negated,
    )


def counted(numeral: Pair, noun: Noun, *, case: int = NOMINATIVE) -> Phrase:
    """Build a numeral from two up with its plural noun."""
    bare = noun_phrase(BARE, noun, plural=True, case=case)
    english, german = f"{numeral[0]} {bare.english}", f"{numeral[1]} {bare.german}"
    return bare._replace(english=english, german=german)


_CONTRACTED = {
    "in dem": "im", "in das": "ins", "an dem": "am", "zu dem": "zum", "zu der": "zur",
    "von dem": "vom",
}  # fmt: skip


def prepositional(english: str, german: str, phrase: Phrase) -> Phrase:
    """Put a preposition before a phrase that is already in the case it governs."""
    article, _, rest = phrase.german.partition(" ")
    joined = _CONTRACTED.get(f"{german} {article}")
    text = f"{joined} {rest}" if joined else f"{german} {phrase.german}"
    return phrase._replace(english=f"{english} {phrase.english}", german=text)


def _english_verb(verb: Verb, person: int, tense: str, ask: bool) -> Pair:
    """Give the auxiliary ("" for none) and the main verb; `ask` demands do-support."""
    base, third, past, participle = verb.english
    single = person == THIRD
    if verb is BE and tense == "present":
        return ("am", "are", "is", "are")[person], ""
    if verb is BE and tense == "past":
        return ("was", "were", "was", "were")[person], ""
    if tense == "perfect":
        return ("has" if single else "have"), participle
    if tense in MODALS and tense != "want":
        auxiliary, link, _ = MODALS[tense]
        return auxiliary, link + base
    if ask:
        base = "want to " + base if tense == "want" else base
        return ("did" if tense == "past" else "does" if single else "do"), base
    if tense == "want":
        return "", f"{'wants' if single else 'want'} to {base}"
    return "", past if tense == "past" else third if single else base


def _german_verb(verb: Verb, person: int, tense: str) -> tuple[str, str, str]:
    """Give the finite verb and what closes a main and a subordinate clause."""
    if tense in MODALS:
        finite, end = MODALS[tense][2][person], verb.infinitive
    elif tense == "present":
        finite = verb.german[person]
        return finite, verb.prefix, verb.prefix + finite
    elif verb is BE:
        finite = ("war", "warst", "war", "waren")[person]
        return finite, "", finite
    else:
        finite, end = verb.perfect[person], verb.participle
    return finite, end, f"{end} {finite}"


def clause(
    subject: Phrase,
    verb: Verb,
    *objects: Phrase,
    complement: Phrase = NOTHING,
    tense: str = "present",
    time: Pair = ("", ""),
    adverb: Pair = ("", ""),
    negated: bool = False,
    ask: bool = False,
) -> Clause:
    """Build a clause; the German middle field has one fixed order.

    Pronouns, time, definite nouns, adverb and "nicht", indefinite nouns, complement.

    Args:
        subject: In the nominative.
        verb: Agrees with the subject in both languages.
        objects: In their cases and in English order.
        complement: A place, an object with a preposition or a predicate.
        tense: present, past, perfect, or a key of MODALS.
        time: Stands at the end in English.
        adverb: Stands before the main verb in English.
        negated: Uses "nicht", unless an object is negated by "kein".
        ask: Uses the English do-support of a question.

    Returns:
        The parts, to be ordered by `statement`, `question` or `subordinate`.
    """
    auxiliary, main = _english_verb(verb, subject.person, tense, ask or negated)
    light: list[str] = []
    definite: list[str] = []
    other: list[str] = []
    english: list[str] = []
    kein = False
    for phrase in objects:
        english.append(phrase.english)
        kein = kein or phrase.negated
        place = light if phrase.pronoun else definite if phrase.definite else other
        place.append(phrase.german)
    if verb.particle:
        english.insert(1 if light else 0, verb.particle)
    denial = ""
    kein = kein or complement.negated
    if negated:
        auxiliary += "not" if auxiliary == "can" else " not"
        denial = "" if kein else "nicht"
    finite, end, last = _german_verb(verb, subject.person, tense)
    return Clause(
        subject,
        auxiliary,
        words(adverb[0], main, *english, complement.english, time[0]),
        finite,
        words(*light, time[1], *definite, adverb[1], denial, *other, complement.german),
        end,
        last,
    )


def statement(part: Clause, front: Pair = ("", "")) -> Pair:
    """Order a main clause; with `front`, the German verb comes before its subject."""
    subject, auxiliary, predicate, finite, middle, end, _ = part
    english = words(front[0], subject.english, auxiliary, predicate)
    if front[1]:
        return english, words(front[1], finite, subject.german, middle, end)
    return english, words(subject.german, finite, middle, end)


def question(part: Clause, word: Pair = ("", "")) -> Pair:
    """Order a question; `word` is what it begins with, such as (where, wo)."""
    subject, auxiliary, predicate, finite, middle, end, _ = part
    english = words(word[0], auxiliary, subject.english, predicate)
    return english, words(word[1], finite, subject.german, middle, end)


def subordinate(conjunction: Pair, part: Clause) -> Pair:
    """Order a subordinate clause: the German verb comes last."""
    subject = part.subject
    english = words(conjunction[0], subject.english, part.auxiliary, part.predicate)
    return english, words(conjunction[1], subject.german, part.middle, part.last)


def sentence(pair: Pair, mark: str = ".") -> Pair:
    """Give both sides a capital and the final mark."""
    english, german = pair
    return (
        f"{english[0].upper()}{english[1:]}{mark}",
        f"{german[0].upper()}{german[1:]}{mark}",
    )


def joined(main: Pair, conjunction: Pair, part: Clause) -> Pair:
    """Add a subordinate clause; only German sets a comma before it."""
    english, german = subordinate(conjunction, part)
    return f"{main[0]} {english}", f"{main[1]}, {german}"


def coordinated(first: Pair, second: Pair) -> Pair:
    """Join two main clauses by and; each keeps its order."""
    return f"{first[0]} and {second[0]}", f"{first[1]} und {second[1]}"


class Time(NamedTuple):
    """A point in time, and for which split its words are held out."""

    text: Pair
    mark: int = 0


def clock(hour: int, minutes: str = "") -> Pair:
    """Name a time of day by hour, 1 to 12; after "half past three" German says vier."""
    english, german = HOURS[hour - 1]
    if not minutes:
        return f"{english} o'clock", f"{german} Uhr"
    words_german, ahead = MINUTES[minutes]
    german = HOURS[(hour - 1 + ahead) % 12][1]
    german = "eins" if german == "ein" else german
    return f"{minutes} {english}", f"{words_german} {german}"


def date(day: int, month: int, *, case: int = DATIVE) -> Pair:
    """Name a date: on the third of May, "am dritten Mai"; nominative without "on"."""
    english, german = f"the {ORDINALS[day - 1][0]} of", ORDINALS[day - 1][1]
    name = MONTHS[month - 1]
    if case == DATIVE:
        return f"on {english} {name[0]}", f"am {german}en {name[1]}"
    return f"{english} {name[0]}", f"der {german}e {name[1]}"


_CLOCKS = tuple(
    Time(clock(hour, minutes), held_out(HOURS[hour - 1][0], minutes))
    for minutes in ("", "", *MINUTES)
    for hour in range(1, 13)
)
_AT = tuple(Time((f"at {e}", f"um {g}"), mark) for (e, g), mark in _CLOCKS)
_CALENDAR = tuple(
    (day, month, held_out(MONTHS[month - 1][0], ORDINALS[day - 1][0]))
    for month in range(1, 13)
    for day in range(1, 32 if month != 2 else 29)
    if day < 31 or month in (1, 3, 5, 7, 8, 10, 12)
)
_DATES = tuple(Time(date(day, month), mark) for day, month, mark in _CALENDAR)
_DAYS = tuple(Time((f"on {english}", f"am {german}")) for english, german in DAYS)
_AGO = tuple(
    Time((f"{word} {unit} ago", f"vor {numeral} {german}"), held_out(unit, word))
    for unit, german in (("days", "Tagen"), ("weeks", "Wochen"), ("years", "Jahren"))
    for word, numeral in NUMBERS[1:12]
)


def _times(named: dict[str, str]) -> tuple[Time, ...]:
    return tuple(map(Time, named.items()))


_TIMES: dict[str, tuple[tuple[Time, ...], ...]] = {
    "present": (_times(PRESENT_TIMES),) * 3 + (_AT, _DAYS),
    "past": (_times(PAST_TIMES),) * 2 + (_AT, _DAYS, _DATES, _AGO),
    "modal": (_times(FUTURE_TIMES),) * 2 + (_AT, _DAYS, _DATES),
}
_TENSES = (
    *("present",) * 14, *("past",) * 8, *("perfect",) * 3,
    "can", "can", "will", "will", "want", "want", "must", "should", "would",
)  # fmt: skip
_TIMELESS = ("present", "present", "present", "can", "want")  # of conditions
_OF_PERSON = tuple(POSSESSIVES.values())
_SINGULAR = (*(THE,) * 12, *(A,) * 7, THIS, THIS, *_OF_PERSON)
_MANY = (*(THE,) * 8, *(BARE,) * 8, THIS, THIS, *_OF_PERSON)
_MASS = (*(BARE,) * 6, *(THE,) * 3, THIS, *_OF_PERSON)
_AT_PLACE = (*(THE,) * 7, A, A, THIS)
_CHOICES = tuple(
    verb
    for verb in VERBS
    for _ in range(4 if verb.frame == "give" or verb.prefix else 3)
    if verb.frame not in ("that", "price")
)
_EVENTS = tuple(verb for verb in _CHOICES if not verb.stative)
_ALONE = tuple(verb for verb in VERBS if verb.frame == "none")
_ANYWHERE = {
    verb.infinitive: 0.8 if verb.frame == "none" else 0.5
    for verb in _EVENTS
    if verb.frame in ("none", "accusative")
}
_ACCUSATIVE_VERBS = tuple(verb for verb in VERBS if verb.frame == "accusative")
_PLACES = NOUNS["room"] * 2 + NOUNS["home"] + NOUNS["spot"]
_COUNTED = tuple(
    noun
    for name in ("person", "animal", "thing", "dish", "furniture", "text")
    for noun in NOUNS[name]
)
_COMPARED = ("person", "person", "animal", "animal", "vehicle", "transport", "home")
_ABOUT_THINGS = tuple(VERB[v] for v in ("buy", "look for", "take", "find", "carry"))
_PRICED = tuple(
    noun
    for name in ("thing", "clothes", "furniture", "vehicle", "text", "fruit", "dish")
    for noun in NOUNS[name]
)
_PRICES = (*NUMBERS, NUMBERS[0])  # twice, since only it is followed by euro
_AGED = NOUNS["person"] + NOUNS["animal"] + NOUNS["transport"] + NOUNS["home"]
_DEFINITE = (THE, THE, THE, THIS, *_OF_PERSON)
_DESCRIBED = (NOUNS["person"], *NOUNS.values())
_HE_OR_SHE = tuple(noun for noun in NOUNS["person"] if noun.gender != NEUTER)
_WHY = (VERB["like"], VERB["need"])
_REASONS = (("because", "weil"), ("because", "weil"), ("although", "obwohl"))
_WHEN = (("when", "wann"), ("why", "warum"))
_WHERE = (*_WHEN, ("where", "wo"))
# Twice I and you, whose verb forms nothing else has.
_PRONOUNS = (*SUBJECT_PRONOUNS, "I", "you")
_NAMES = tuple(NAMES)
_CITIES = tuple(CITIES.items())
_ADVERBS = tuple(ADVERBS.items())
_IT = ("ihn", "sie", "es")  # by gender, in the accusative


class _Draw:
    """Draws sentences; `marks` gathers the splits their combinations belong to."""

    def __init__(self, split: str, seed: int) -> None:
        # Seeding by text and random() itself are stable across Python versions.
        self.random = Random(f"{seed}/{split}/{VERSION}").random
        self.marks = 0

    def pick(self, options: Sequence[T]) -> T:
        """Draw one, the first ones more often, as words are in any real text."""
        return options[int(self.random() ** _SKEW * len(options))]

    def mark(self, head: str, dependent: str) -> None:
        self.marks |= _held(head, dependent)

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
        self.mark(head, name)
        plural = noun.english[1] != "" and not (single or noun.place) and chance < 0.25
        if chance < 0.04 and plural and not (negated or determiners):
            numeral = self.pick(NUMBERS[1:12])
            self.mark(name, numeral[0])
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
            self.mark(name, adjective.english)
        return noun_phrase(
            determiner, noun, adjective=adjective, plural=plural, case=case
        )

    def name(self, head: str, avoid: str = "") -> Phrase:
        name = self.pick(_NAMES)
        while name == avoid:
            name = self.pick(_NAMES)
        self.mark(head, name)
        return Phrase(name, name, head=name)

    def subject(self, verb: Verb) -> Phrase:
        head = verb.english[0]
        if verb.subjects[0].person:
            chance = self.random()
            if chance < 0.36:
                return pronoun(self.pick(_PRONOUNS))
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
        nouns, head = verb.objects, verb.english[0]
        determiners: tuple[Determiner, ...] = ()
        if verb.frame == "give" and case == DATIVE:
            # "gibt die Uhr einem Kind": an indefinite receiver would come last.
            nouns, negated, determiners = NOUNS["person"], False, _DEFINITE
        if nouns[0].person:
            chance = self.random()
            if chance < 0.3:
                word = self.pick(_PRONOUNS)
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
                self.mark(head, city)
                return Phrase(f"to {city}", f"nach {german}")
        else:
            nouns = verb.objects if verb.frame in ("in", "into") else _PLACES
            preposition = ("in" if case == DATIVE else "into", "in")
            if verb.frame == "in" and self.random() < 0.3:
                city, german = self.pick(_CITIES)
                self.mark(head, city)
                return Phrase(f"in {city}", f"in {german}")
        phrase = self.noun(nouns, case, head, determiners=_AT_PLACE, single=True)
        if preposition[1] == "in":
            preposition = PLACE_PREPOSITIONS.get(phrase.head, preposition)
        return prepositional(*preposition, phrase)

    def time(self, tense: str) -> Pair:
        group = tense if tense in _TIMES else "modal"
        text, mark = self.pick(self.pick(_TIMES[group]))
        self.marks |= mark
        return text

    def clause(
        self,
        verb: Verb | None = None,
        *,
        ask: bool = False,
        plain: bool = False,
        tenses: Sequence[str] = _TENSES,
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
            elif chance < _ANYWHERE.get(verb.infinitive, 0) and not negated:
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

    def told(self) -> Pair:
        return sentence(statement(self.clause()[0]))

    def fronted(self) -> Pair:
        part, tense = self.clause(self.pick(_EVENTS), plain=True)
        time = ("", "") if tense == "perfect" else self.time(tense)
        return sentence(statement(part, time))

    def asked(self) -> Pair:
        return sentence(question(self.clause(ask=True)[0]), "?")

    def asked_when(self) -> Pair:
        verb = self.pick(_EVENTS)
        free = verb.infinitive in _ANYWHERE
        part, _ = self.clause(verb, ask=True, plain=True)
        return sentence(question(part, self.pick(_WHERE if free else _WHEN)), "?")

    def asked_who(self) -> Pair:
        """Ask for the subject, which keeps the order of a statement."""
        verb, who = self.pick(_ACCUSATIVE_VERBS), Phrase("who", "wer")
        tense = "present" if verb.stative else self.pick(("present", "past"))
        part = clause(who, verb, self.object(verb, ACCUSATIVE, who), tense=tense)
        return sentence(statement(part), "?")

    def asked_what(self) -> Pair:
        """Ask for the object: what, whom or how many."""
        verb = self.pick(_ACCUSATIVE_VERBS)
        tense = "present" if verb.stative else self.pick(("present", "past", "can"))
        part = clause(self.subject(verb), verb, tense=tense, ask=True)
        noun = self.pick(verb.objects)
        if noun.english[1] and not noun.place and self.random() < 0.6:
            self.mark(verb.english[0], noun.english[0])
            many = noun_phrase(BARE, noun, plural=True, case=ACCUSATIVE)
            how_many = (f"how many {many.english}", f"wie viele {many.german}")
            return sentence(question(part, how_many), "?")
        word = ("who", "wen") if noun.person else ("what", "was")
        return sentence(question(part, word), "?")

    def reasoned(self) -> Pair:
        main, reason = self.clause(plain=True)[0], self.content()
        return sentence(joined(statement(main), self.pick(_REASONS), reason))

    def conditioned(self) -> Pair:
        """Put the condition first, so that the German main verb comes next."""
        english, german = subordinate(("if", "wenn"), self.content(_TIMELESS))
        main = self.clause(plain=True, tenses=_TIMELESS)[0]
        return sentence(statement(main, (f"{english},", f"{german},")))

    def claimed(self) -> Pair:
        verb = self.pick(CLAIMS)
        subject = self.subject(verb)
        if self.random() < 0.3:
            know = question(clause(subject, CLAIMS[0], ask=True))
            return sentence(joined(know, ("whether", "ob"), self.content()), "?")
        main = statement(clause(subject, verb))
        return sentence(joined(main, ("that", "dass"), self.content()))

    def content(self, tenses: Sequence[str] = _TENSES) -> Clause:
        """Draw what a subordinate clause says."""
        if self.random() < 0.3:
            return self.predicate(self.topic(), now="past" not in tenses)
        while True:
            part, tense = self.clause(plain=True, tenses=tenses)
            # "anrufe" and "anrufst" would be too rare to be learned.
            if part.end == "" or tense != "present" or part.subject.person > YOU:
                return part

    def topic(self) -> Phrase:
        """Draw a definite subject without an adjective."""
        chance = self.random()
        if chance < 0.25:
            return pronoun(self.pick(_PRONOUNS))
        if chance < 0.35:
            return self.name("be")
        nouns = self.pick(_DESCRIBED)
        return self.noun(
            nouns,
            NOMINATIVE,
            "be",
            determiners=_DEFINITE,
            adjectives=0,
        )

    def predicate(
        self, subject: Phrase, *, ask: bool = False, now: bool = False
    ) -> Clause:
        """Draw "is tired" for a subject; German adjectives have no ending there."""
        noun = NOUN.get(subject.head, NOUN["man"])
        adjective = self.pick(noun.adjectives)
        self.mark(subject.head, adjective.english)
        return clause(
            subject,
            BE,
            complement=Phrase(adjective.english, adjective.german),
            tense="present" if now or self.random() < 0.7 else "past",
            negated=not ask and self.random() < 0.2,
            ask=ask,
        )

    def described(self) -> Pair:
        if self.random() < 0.25:
            return sentence(question(self.predicate(self.topic(), ask=True)), "?")
        return sentence(statement(self.predicate(self.topic())))

    def compared(self) -> Pair:
        nouns = NOUNS[self.pick(_COMPARED)]
        first = self.noun(
            nouns, NOMINATIVE, "be", determiners=_DEFINITE, single=True, adjectives=0
        )
        other = self.noun(
            nouns,
            NOMINATIVE,
            first.head,
            avoid=first.head,
            determiners=_DEFINITE,
            single=True,
            adjectives=0,
        )
        adjectives = NOUN[first.head].adjectives
        word = self.pick([a for a in adjectives if a.english in COMPARATIVES])
        self.mark(first.head, word.english)
        english, german = COMPARATIVES[word.english]
        if self.random() < 0.7:
            text = f"{english} than {other.english}", f"{german} als {other.german}"
        else:
            text = (
                f"as {word.english} as {other.english}",
                f"so {word.german} wie {other.german}",
            )
        return sentence(statement(clause(first, BE, complement=Phrase(*text))))

    def priced(self) -> Pair:
        subject = self.noun(_PRICED, NOMINATIVE, "cost", determiners=_DEFINITE)
        value = self.pick(_PRICES)
        self.mark(subject.head, value[0])
        price = Phrase(f"{value[0]} euros", f"{value[1]} Euro")
        if value[0] == "one":
            price = Phrase("one euro", "einen Euro")
        return sentence(statement(clause(subject, VERB["cost"], price)))

    def aged(self) -> Pair:
        subject = self.noun(
            _AGED, NOMINATIVE, "be", determiners=_DEFINITE, single=True, adjectives=0
        )
        value = self.pick(NUMBERS)
        self.mark(subject.head, value[0])
        unit = ("year", "Jahr") if value[0] == "one" else ("years", "Jahre")
        age = Phrase(f"{value[0]} {unit[0]} old", f"{value[1]} {unit[1]} alt")
        return sentence(statement(clause(subject, BE, complement=age)))

    def counted(self) -> Pair:
        value, noun = self.pick(NUMBERS[1:]), self.pick(_COUNTED)
        self.mark(noun.english[0], value[0])
        many, place = counted(value, noun), self.place(VERB["stay"], DATIVE)
        return sentence(
            (
                f"there are {many.english} {place.english}",
                f"es gibt {many.german} {place.german}",
            )
        )

    def timed(self) -> Pair:
        """Tell the time or the date, and often what happens then."""
        if self.random() < 0.4:
            (english, german), mark = self.pick(_CLOCKS)
            pair = f"it is {english}", f"es ist {german}"
        else:
            day, month, mark = self.pick(_CALENDAR)
            english, german = date(day, month, case=NOMINATIVE)
            pair = f"today is {english}", f"heute ist {german}"
        self.marks |= mark
        if self.random() < 0.1:
            return sentence(pair)
        verb = self.pick(_ALONE)
        return sentence(coordinated(pair, statement(clause(self.subject(verb), verb))))

    def introduced(self) -> Pair:
        """Say what this is: the nominative after "ein" shows the gender."""
        nouns = self.pick(_DESCRIBED)
        negated = self.random() < 0.2
        noun = self.noun(
            nouns,
            NOMINATIVE,
            "be",
            determiners=(*(A,) * 6, *_OF_PERSON) if nouns[0].english[1] else _OF_PERSON,
            single=True,
            adjectives=0.85,
            negated=negated,
        )
        this, chance = Phrase("this", "das"), self.random()
        ask = chance < 0.25 and not negated
        part = clause(this, BE, complement=noun, negated=negated, ask=ask)
        if ask:
            return sentence(question(part), "?")
        if chance > 0.5:
            return sentence(statement(part))
        verb = self.pick(CLAIMS)
        main = statement(clause(self.subject(verb), verb))
        return sentence(joined(main, ("that", "dass"), part))

    def paired(self) -> Pair:
        """Join two short main clauses."""
        verb = self.pick(_ALONE)
        other = self.pick([v for v in _ALONE if v is not verb])
        first, second = (
            statement(clause(self.subject(v), v, tense=self.pick(("present", "past"))))
            for v in (verb, other)
        )
        return sentence(coordinated(first, second))

    def referred(self) -> Pair:
        """Take the object up by a pronoun: ihn, sie or es, as its gender demands."""
        verb = self.pick(_ABOUT_THINGS)
        if self.random() < 0.4:
            subject = self.name(verb.english[0])
            word = NAMES[subject.head]
        else:
            subject = self.noun(_HE_OR_SHE, NOMINATIVE, verb.english[0], single=True)
            word = "he" if NOUN[subject.head].gender == MASCULINE else "she"
        things = [n for n in verb.objects if n.english[1] and n in _PRICED]
        thing = self.noun(things, ACCUSATIVE, verb.english[0])
        it = Phrase("it", _IT[NOUN[thing.head].gender], pronoun=True)
        if thing.person == MANY:
            it = pronoun("they", ACCUSATIVE)
        reason = clause(pronoun(word), self.pick(_WHY), it)
        main = statement(clause(subject, verb, thing))
        return sentence(joined(main, ("because", "weil"), reason))


_KINDS = (
    *(_Draw.told,) * 35, *(_Draw.fronted,) * 15, *(_Draw.asked,) * 7,
    *(_Draw.asked_when,) * 4, *(_Draw.asked_who,), *(_Draw.asked_what,),
    *(_Draw.reasoned,) * 5, *(_Draw.conditioned,) * 2, *(_Draw.claimed,) * 6,
    *(_Draw.described,), *(_Draw.introduced,) * 5, *(_Draw.compared,) * 3,
    *(_Draw.priced,) * 4, *(_Draw.aged,) * 2, *(_Draw.counted,) * 3,
    *(_Draw.timed,) * 3, *(_Draw.paired,) * 2, *(_Draw.referred,) * 3,
)  # fmt: skip


def phrase_pairs(split: Split, *, count: int, seed: int = 0) -> Iterator[Pair]:
    """Yield English sentences with their German translations.

    The pairs depend on the arguments alone, on every platform, and the first n of a
    larger count are the same. Pairs of `train` repeat as chance has it; those of
    `valid` and `test` are all different, so memory grows with their count only.

    Args:
        split: train, valid or test; the module docstring says what is held out.
        count: How many pairs, at least 0.
        seed: Draws other sentences; which combinations are held out stays the same.

    Yields:
        (English, German), each with a capital and a final mark.

    Raises:
        ValueError: If the split has another name or the count is negative.
    """
    if split not in _SPLITS:
        raise ValueError(
            f"The phrasebook has no split {split!r}; use one of {', '.join(_SPLITS)}."
        )
    if count < 0:
        raise ValueError(f"count is {count}, but must be at least 0.")
    return _draw_pairs(split, count, seed)


def _draw_pairs(split: str, count: int, seed: int) -> Iterator[Pair]:
    draw, wanted = _Draw(split, seed), _SPLITS[split]
    seen: set[str] = set()
    while count:
        draw.marks = 0
        pair = draw.pick(_KINDS)(draw)
        # marks is wanted only if no combination of another split is in the sentence.
        too_long = pair[0].count(" ") >= _MOST_WORDS
        if draw.marks != wanted or too_long or pair[0] in seen:
            continue
        if wanted:
            seen.add(pair[0])
        count -= 1
        yield pair
