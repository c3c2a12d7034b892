"""Synchronous grammar of the phrasebook: phrases and clauses in both languages.

Agreement, cases, tenses and word order: verb-second and verb-final, separable verbs,
two perfects, English do-support. Nothing is random here.

"you" is always "du"; the English past is the German Perfekt (only "be" keeps its
Präteritum). A time stands first in German if it does in English.
"""

from typing import NamedTuple

from seq2seq.data.phrasebook.function_words import (
    BARE,
    MODALS,
    OBJECT_PRONOUNS,
    SUBJECT_PRONOUNS,
    Determiner,
)
from seq2seq.data.phrasebook.lexicon import (
    MANY,
    NOMINATIVE,
    PLURAL,
    SEIN,
    THIRD,
    Adjective,
    Noun,
    Pair,
    Verb,
)


class Phrase(NamedTuple):
    """A noun phrase, pronoun or adverbial in both languages, in its final case."""

    english: str
    german: str
    person: int = THIRD
    head: str = ""  # English noun, for combinations.
    pronoun: bool = False
    definite: bool = True
    negated: bool = False


class Clause(NamedTuple):
    """The parts of a clause before they are ordered; empty ones are left out."""

    subject: Phrase
    auxiliary: str
    predicate: str  # The rest of the English clause.
    finite: str
    middle: str
    end: str  # German verb parts at the end of a main clause.
    last: str  # All German verb parts, as ordered in a subordinate clause.


NOTHING = Phrase("", "")
BE = Verb(
    ("be", "is", "was", "been"), "", SEIN, "", "sein", "gewesen", SEIN, (), "", (),
    ("", "", 0), True,
)  # fmt: skip


def words(*parts: str) -> str:
    """Join the parts that are not empty by a space."""
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
    """Build a noun phrase; gender, number and case determine every German ending."""
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
    """Add a preposition to a phrase that is already in the case it governs."""
    article, _, rest = phrase.german.partition(" ")
    joined = _CONTRACTED.get(f"{german} {article}")
    text = f"{joined} {rest}" if joined else f"{german} {phrase.german}"
    return phrase._replace(english=f"{english} {phrase.english}", german=text)


def _english_verb(verb: Verb, person: int, tense: str, interrogative: bool) -> Pair:
    """Return the auxiliary ("" for none) and main verb; a question needs do-support."""
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
    if interrogative:
        base = "want to " + base if tense == "want" else base
        return ("did" if tense == "past" else "does" if single else "do"), base
    if tense == "want":
        return "", f"{'wants' if single else 'want'} to {base}"
    return "", past if tense == "past" else third if single else base


def _german_verb(verb: Verb, person: int, tense: str) -> tuple[str, str, str]:
    """Return the finite verb and the final verbs of a main and a subordinate clause."""
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
    interrogative: bool = False,
) -> Clause:
    """Build a clause; the German middle field has one fixed order.

    Pronouns, time, definite nouns, adverb and "nicht", indefinite nouns, complement.

    Args:
        subject: In the nominative.
        verb: Agrees with the subject in both languages.
        objects: In their cases and in English order.
        complement: A location, a prepositional object or a predicate.
        tense: present, past, perfect, or a key of MODALS.
        time: Is last in English.
        adverb: Precedes the main verb in English.
        negated: Uses "nicht", unless an object is negated by "kein".
        interrogative: Uses the English do-support of a question.

    Returns:
        The parts, to be ordered by `statement`, `question` or `subordinate`.
    """
    auxiliary, main = _english_verb(
        verb, subject.person, tense, interrogative or negated
    )
    light: list[str] = []
    definite: list[str] = []
    other: list[str] = []
    english: list[str] = []
    kein = False
    for phrase in objects:
        english.append(phrase.english)
        kein = kein or phrase.negated
        slot = light if phrase.pronoun else definite if phrase.definite else other
        slot.append(phrase.german)
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
    """Order a main clause; with `front`, the German verb precedes its subject."""
    subject, auxiliary, predicate, finite, middle, end, _ = part
    english = words(front[0], subject.english, auxiliary, predicate)
    if front[1]:
        return english, words(front[1], finite, subject.german, middle, end)
    return english, words(subject.german, finite, middle, end)


def question(part: Clause, word: Pair = ("", "")) -> Pair:
    """Order a question; `word` is its interrogative, such as (where, wo), if any."""
    subject, auxiliary, predicate, finite, middle, end, _ = part
    english = words(word[0], auxiliary, subject.english, predicate)
    return english, words(word[1], finite, subject.german, middle, end)


def subordinate(conjunction: Pair, part: Clause) -> Pair:
    """Order a subordinate clause: the German verb is last."""
    subject = part.subject
    english = words(conjunction[0], subject.english, part.auxiliary, part.predicate)
    return english, words(conjunction[1], subject.german, part.middle, part.last)


def sentence(pair: Pair, mark: str = ".") -> Pair:
    """Capitalise both sides and add the final mark."""
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
