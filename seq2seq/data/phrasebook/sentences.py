"""Sentence types of the phrasebook and their weights: the grammar's start rules.

Statements, questions, causal and conditional sentences, comparisons, prices, dates.
"""

from collections.abc import Callable, Sequence

from seq2seq.data.phrasebook.clauses import (
    CONDITIONAL_TENSES,
    DEFINITE,
    EVENT_VERBS,
    LOCATION_PROBABILITY,
    POSSESSIVE,
    PRONOUNS,
    TENSES,
    Sampler,
)
from seq2seq.data.phrasebook.function_words import BARE, A
from seq2seq.data.phrasebook.grammar import (
    BE,
    Clause,
    Phrase,
    clause,
    coordinated,
    counted,
    joined,
    noun_phrase,
    pronoun,
    question,
    sentence,
    statement,
    subordinate,
)
from seq2seq.data.phrasebook.lexicon import (
    ACCUSATIVE,
    CLAIMS,
    COMPARATIVES,
    DATIVE,
    MANY,
    MASCULINE,
    NAMES,
    NEUTER,
    NOMINATIVE,
    NOUN,
    NOUNS,
    VERB,
    VERBS,
    YOU,
    Pair,
)
from seq2seq.data.phrasebook.numbers_and_dates import CALENDAR, CLOCKS, NUMBERS, date

_INTRANSITIVE_VERBS = tuple(verb for verb in VERBS if verb.frame == "none")
_ACCUSATIVE_VERBS = tuple(verb for verb in VERBS if verb.frame == "accusative")
_COUNTED_NOUNS = tuple(
    noun
    for name in ("person", "animal", "thing", "dish", "furniture", "text")
    for noun in NOUNS[name]
)
_COMPARED = ("person", "person", "animal", "animal", "vehicle", "transport", "home")
_THING_VERBS = tuple(VERB[v] for v in ("buy", "look for", "take", "find", "carry"))
_PRICED_NOUNS = tuple(
    noun
    for name in ("thing", "clothes", "furniture", "vehicle", "text", "fruit", "dish")
    for noun in NOUNS[name]
)
_PRICES = (*NUMBERS, NUMBERS[0])  # twice, since only it is followed by euro
_AGED_NOUNS = NOUNS["person"] + NOUNS["animal"] + NOUNS["transport"] + NOUNS["home"]
_DESCRIBED_CLASSES = (NOUNS["person"], *NOUNS.values())
_GENDERED = tuple(noun for noun in NOUNS["person"] if noun.gender != NEUTER)
_REASON_VERBS = (VERB["like"], VERB["need"])
_REASONS = (("because", "weil"), ("because", "weil"), ("although", "obwohl"))
_WH_WORDS = (("when", "wann"), ("why", "warum"))
_WH_LOCATION = (*_WH_WORDS, ("where", "wo"))
_IT_ACCUSATIVE = ("ihn", "sie", "es")  # by gender, in the accusative


def _statement(sampler: Sampler) -> Pair:
    return sentence(statement(sampler.clause()[0]))


def _fronted_statement(sampler: Sampler) -> Pair:
    part, tense = sampler.clause(sampler.pick(EVENT_VERBS), plain=True)
    time = ("", "") if tense == "perfect" else sampler.time(tense)
    return sentence(statement(part, time))


def _polar_question(sampler: Sampler) -> Pair:
    return sentence(question(sampler.clause(interrogative=True)[0]), "?")


def _adverbial_question(sampler: Sampler) -> Pair:
    verb = sampler.pick(EVENT_VERBS)
    free = verb.infinitive in LOCATION_PROBABILITY
    part, _ = sampler.clause(verb, interrogative=True, plain=True)
    return sentence(
        question(part, sampler.pick(_WH_LOCATION if free else _WH_WORDS)), "?"
    )


def _subject_question(sampler: Sampler) -> Pair:
    """Sample a question for the subject, which has the word order of a statement."""
    verb, who = sampler.pick(_ACCUSATIVE_VERBS), Phrase("who", "wer")
    tense = "present" if verb.stative else sampler.pick(("present", "past"))
    part = clause(who, verb, sampler.object(verb, ACCUSATIVE, who), tense=tense)
    return sentence(statement(part), "?")


def _object_question(sampler: Sampler) -> Pair:
    """Sample a question for the object: what, who or how many."""
    verb = sampler.pick(_ACCUSATIVE_VERBS)
    tense = "present" if verb.stative else sampler.pick(("present", "past", "can"))
    part = clause(sampler.subject(verb), verb, tense=tense, interrogative=True)
    noun = sampler.pick(verb.objects)
    if noun.english[1] and not noun.is_location and sampler.random() < 0.6:
        sampler.combine(verb.english[0], noun.english[0])
        many = noun_phrase(BARE, noun, plural=True, case=ACCUSATIVE)
        how_many = (f"how many {many.english}", f"wie viele {many.german}")
        return sentence(question(part, how_many), "?")
    word = ("who", "wen") if noun.is_person else ("what", "was")
    return sentence(question(part, word), "?")


def _causal(sampler: Sampler) -> Pair:
    main, reason = sampler.clause(plain=True)[0], _subclause(sampler)
    return sentence(joined(statement(main), sampler.pick(_REASONS), reason))


def _conditional(sampler: Sampler) -> Pair:
    """Sample a condition first, so that the German main verb comes next."""
    english, german = subordinate(
        ("if", "wenn"), _subclause(sampler, CONDITIONAL_TENSES)
    )
    main = sampler.clause(plain=True, tenses=CONDITIONAL_TENSES)[0]
    return sentence(statement(main, (f"{english},", f"{german},")))


def _content_clause(sampler: Sampler) -> Pair:
    verb = sampler.pick(CLAIMS)
    subject = sampler.subject(verb)
    if sampler.random() < 0.3:
        know = question(clause(subject, CLAIMS[0], interrogative=True))
        return sentence(joined(know, ("whether", "ob"), _subclause(sampler)), "?")
    main = statement(clause(subject, verb))
    return sentence(joined(main, ("that", "dass"), _subclause(sampler)))


def _subclause(sampler: Sampler, tenses: Sequence[str] = TENSES) -> Clause:
    """Sample a subordinate clause."""
    if sampler.random() < 0.3:
        return _predicate(sampler, _topic(sampler), now="past" not in tenses)
    while True:
        part, tense = sampler.clause(plain=True, tenses=tenses)
        # "anrufe" and "anrufst" would be too rare to be learned.
        if part.end == "" or tense != "present" or part.subject.person > YOU:
            return part


def _topic(sampler: Sampler) -> Phrase:
    """Sample a definite subject without an adjective."""
    uniform = sampler.random()
    if uniform < 0.25:
        return pronoun(sampler.pick(PRONOUNS))
    if uniform < 0.35:
        return sampler.name("be")
    nouns = sampler.pick(_DESCRIBED_CLASSES)
    return sampler.noun(nouns, NOMINATIVE, "be", determiners=DEFINITE, adjectives=0)


def _predicate(
    sampler: Sampler, subject: Phrase, *, interrogative: bool = False, now: bool = False
) -> Clause:
    """Sample "is tired" for a subject; a predicative German adjective has no ending."""
    noun = NOUN.get(subject.head, NOUN["man"])
    adjective = sampler.pick(noun.adjectives)
    sampler.combine(subject.head, adjective.english)
    return clause(
        subject,
        BE,
        complement=Phrase(adjective.english, adjective.german),
        tense="present" if now or sampler.random() < 0.7 else "past",
        negated=not interrogative and sampler.random() < 0.2,
        interrogative=interrogative,
    )


def _predicative_sentence(sampler: Sampler) -> Pair:
    if sampler.random() < 0.25:
        return sentence(
            question(_predicate(sampler, _topic(sampler), interrogative=True)), "?"
        )
    return sentence(statement(_predicate(sampler, _topic(sampler))))


def _comparison(sampler: Sampler) -> Pair:
    nouns = NOUNS[sampler.pick(_COMPARED)]
    first = sampler.noun(
        nouns, NOMINATIVE, "be", determiners=DEFINITE, singular=True, adjectives=0
    )
    other = sampler.noun(
        nouns,
        NOMINATIVE,
        first.head,
        avoid=first.head,
        determiners=DEFINITE,
        singular=True,
        adjectives=0,
    )
    adjectives = NOUN[first.head].adjectives
    word = sampler.pick([a for a in adjectives if a.english in COMPARATIVES])
    sampler.combine(first.head, word.english)
    english, german = COMPARATIVES[word.english]
    if sampler.random() < 0.7:
        text = f"{english} than {other.english}", f"{german} als {other.german}"
    else:
        text = (
            f"as {word.english} as {other.english}",
            f"so {word.german} wie {other.german}",
        )
    return sentence(statement(clause(first, BE, complement=Phrase(*text))))


def _price(sampler: Sampler) -> Pair:
    subject = sampler.noun(_PRICED_NOUNS, NOMINATIVE, "cost", determiners=DEFINITE)
    value = sampler.pick(_PRICES)
    sampler.combine(subject.head, value[0])
    price = Phrase(f"{value[0]} euros", f"{value[1]} Euro")
    if value[0] == "one":
        price = Phrase("one euro", "einen Euro")
    return sentence(statement(clause(subject, VERB["cost"], price)))


def _age(sampler: Sampler) -> Pair:
    subject = sampler.noun(
        _AGED_NOUNS, NOMINATIVE, "be", determiners=DEFINITE, singular=True, adjectives=0
    )
    value = sampler.pick(NUMBERS)
    sampler.combine(subject.head, value[0])
    unit = ("year", "Jahr") if value[0] == "one" else ("years", "Jahre")
    age = Phrase(f"{value[0]} {unit[0]} old", f"{value[1]} {unit[1]} alt")
    return sentence(statement(clause(subject, BE, complement=age)))


def _existential_sentence(sampler: Sampler) -> Pair:
    value, noun = sampler.pick(NUMBERS[1:]), sampler.pick(_COUNTED_NOUNS)
    sampler.combine(noun.english[0], value[0])
    many, location = counted(value, noun), sampler.location(VERB["stay"], DATIVE)
    return sentence(
        (
            f"there are {many.english} {location.english}",
            f"es gibt {many.german} {location.german}",
        )
    )


def _time_or_date(sampler: Sampler) -> Pair:
    """Sample a clock time or a date, usually with a clause about what happens then."""
    if sampler.random() < 0.4:
        (english, german), combination = sampler.pick(CLOCKS)
        pair = f"it is {english}", f"es ist {german}"
    else:
        day, month, combination = sampler.pick(CALENDAR)
        english, german = date(day, month, case=NOMINATIVE)
        pair = f"today is {english}", f"heute ist {german}"
    sampler.combine(*combination)
    if sampler.random() < 0.1:
        return sentence(pair)
    verb = sampler.pick(_INTRANSITIVE_VERBS)
    return sentence(coordinated(pair, statement(clause(sampler.subject(verb), verb))))


def _identification(sampler: Sampler) -> Pair:
    """Sample "this is a ...": the nominative after "ein" shows the gender."""
    nouns = sampler.pick(_DESCRIBED_CLASSES)
    negated = sampler.random() < 0.2
    noun = sampler.noun(
        nouns,
        NOMINATIVE,
        "be",
        determiners=(*(A,) * 6, *POSSESSIVE) if nouns[0].english[1] else POSSESSIVE,
        singular=True,
        adjectives=0.85,
        negated=negated,
    )
    this, uniform = Phrase("this", "das"), sampler.random()
    interrogative = uniform < 0.25 and not negated
    part = clause(
        this, BE, complement=noun, negated=negated, interrogative=interrogative
    )
    if interrogative:
        return sentence(question(part), "?")
    if uniform > 0.5:
        return sentence(statement(part))
    verb = sampler.pick(CLAIMS)
    main = statement(clause(sampler.subject(verb), verb))
    return sentence(joined(main, ("that", "dass"), part))


def _coordination(sampler: Sampler) -> Pair:
    """Join two short main clauses."""
    verb = sampler.pick(_INTRANSITIVE_VERBS)
    other = sampler.pick([v for v in _INTRANSITIVE_VERBS if v is not verb])
    first, second = (
        statement(
            clause(sampler.subject(v), v, tense=sampler.pick(("present", "past")))
        )
        for v in (verb, other)
    )
    return sentence(coordinated(first, second))


def _pronoun_reference(sampler: Sampler) -> Pair:
    """Refer to the object by a pronoun: ihn, sie or es, which agrees in gender."""
    verb = sampler.pick(_THING_VERBS)
    if sampler.random() < 0.4:
        subject = sampler.name(verb.english[0])
        word = NAMES[subject.head]
    else:
        subject = sampler.noun(_GENDERED, NOMINATIVE, verb.english[0], singular=True)
        word = "he" if NOUN[subject.head].gender == MASCULINE else "she"
    things = [n for n in verb.objects if n.english[1] and n in _PRICED_NOUNS]
    thing = sampler.noun(things, ACCUSATIVE, verb.english[0])
    it = Phrase("it", _IT_ACCUSATIVE[NOUN[thing.head].gender], pronoun=True)
    if thing.person == MANY:
        it = pronoun("they", ACCUSATIVE)
    reason = clause(pronoun(word), sampler.pick(_REASON_VERBS), it)
    main = statement(clause(subject, verb, thing))
    return sentence(joined(main, ("because", "weil"), reason))


KINDS: tuple[Callable[[Sampler], Pair], ...] = (
    *(_statement,) * 35, *(_fronted_statement,) * 15, *(_polar_question,) * 7,
    *(_adverbial_question,) * 4, *(_subject_question,), *(_object_question,),
    *(_causal,) * 5, *(_conditional,) * 2, *(_content_clause,) * 6,
    *(_predicative_sentence,), *(_identification,) * 5, *(_comparison,) * 3,
    *(_price,) * 4, *(_age,) * 2, *(_existential_sentence,) * 3,
    *(_time_or_date,) * 3, *(_coordination,) * 2, *(_pronoun_reference,) * 3,
)  # fmt: skip
"""Samplers of sentences by falling frequency, repeated by weight."""
