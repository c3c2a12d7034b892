"""The kinds of sentences of the embedded corpus, and how often each is said.

Knows statements, questions, reasons, conditions, comparisons, prices, dates and so on.
Knows no word order (`grammar`), not how a clause is drawn (`clauses`) and not which
combinations are held out (`phrasebook`).
"""

from collections.abc import Callable, Sequence

from seq2seq.data.phrasebook.clauses import (
    ANYWHERE,
    DEFINITE,
    EVENTS,
    OF_PERSON,
    PRONOUNS,
    TENSES,
    TIMELESS,
    Draw,
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

_ALONE = tuple(verb for verb in VERBS if verb.frame == "none")
_ACCUSATIVE_VERBS = tuple(verb for verb in VERBS if verb.frame == "accusative")
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
_DESCRIBED = (NOUNS["person"], *NOUNS.values())
_HE_OR_SHE = tuple(noun for noun in NOUNS["person"] if noun.gender != NEUTER)
_WHY = (VERB["like"], VERB["need"])
_REASONS = (("because", "weil"), ("because", "weil"), ("although", "obwohl"))
_WHEN = (("when", "wann"), ("why", "warum"))
_WHERE = (*_WHEN, ("where", "wo"))
_IT = ("ihn", "sie", "es")  # by gender, in the accusative


def _told(draw: Draw) -> Pair:
    return sentence(statement(draw.clause()[0]))


def _fronted(draw: Draw) -> Pair:
    part, tense = draw.clause(draw.pick(EVENTS), plain=True)
    time = ("", "") if tense == "perfect" else draw.time(tense)
    return sentence(statement(part, time))


def _asked(draw: Draw) -> Pair:
    return sentence(question(draw.clause(ask=True)[0]), "?")


def _asked_when(draw: Draw) -> Pair:
    verb = draw.pick(EVENTS)
    free = verb.infinitive in ANYWHERE
    part, _ = draw.clause(verb, ask=True, plain=True)
    return sentence(question(part, draw.pick(_WHERE if free else _WHEN)), "?")


def _asked_who(draw: Draw) -> Pair:
    """Ask for the subject, which keeps the order of a statement."""
    verb, who = draw.pick(_ACCUSATIVE_VERBS), Phrase("who", "wer")
    tense = "present" if verb.stative else draw.pick(("present", "past"))
    part = clause(who, verb, draw.object(verb, ACCUSATIVE, who), tense=tense)
    return sentence(statement(part), "?")


def _asked_what(draw: Draw) -> Pair:
    """Ask for the object: what, whom or how many."""
    verb = draw.pick(_ACCUSATIVE_VERBS)
    tense = "present" if verb.stative else draw.pick(("present", "past", "can"))
    part = clause(draw.subject(verb), verb, tense=tense, ask=True)
    noun = draw.pick(verb.objects)
    if noun.english[1] and not noun.place and draw.random() < 0.6:
        draw.note(verb.english[0], noun.english[0])
        many = noun_phrase(BARE, noun, plural=True, case=ACCUSATIVE)
        how_many = (f"how many {many.english}", f"wie viele {many.german}")
        return sentence(question(part, how_many), "?")
    word = ("who", "wen") if noun.person else ("what", "was")
    return sentence(question(part, word), "?")


def _reasoned(draw: Draw) -> Pair:
    main, reason = draw.clause(plain=True)[0], _content(draw)
    return sentence(joined(statement(main), draw.pick(_REASONS), reason))


def _conditioned(draw: Draw) -> Pair:
    """Put the condition first, so that the German main verb comes next."""
    english, german = subordinate(("if", "wenn"), _content(draw, TIMELESS))
    main = draw.clause(plain=True, tenses=TIMELESS)[0]
    return sentence(statement(main, (f"{english},", f"{german},")))


def _claimed(draw: Draw) -> Pair:
    verb = draw.pick(CLAIMS)
    subject = draw.subject(verb)
    if draw.random() < 0.3:
        know = question(clause(subject, CLAIMS[0], ask=True))
        return sentence(joined(know, ("whether", "ob"), _content(draw)), "?")
    main = statement(clause(subject, verb))
    return sentence(joined(main, ("that", "dass"), _content(draw)))


def _content(draw: Draw, tenses: Sequence[str] = TENSES) -> Clause:
    """Draw what a subordinate clause says."""
    if draw.random() < 0.3:
        return _predicate(draw, _topic(draw), now="past" not in tenses)
    while True:
        part, tense = draw.clause(plain=True, tenses=tenses)
        # "anrufe" and "anrufst" would be too rare to be learned.
        if part.end == "" or tense != "present" or part.subject.person > YOU:
            return part


def _topic(draw: Draw) -> Phrase:
    """Draw a definite subject without an adjective."""
    chance = draw.random()
    if chance < 0.25:
        return pronoun(draw.pick(PRONOUNS))
    if chance < 0.35:
        return draw.name("be")
    nouns = draw.pick(_DESCRIBED)
    return draw.noun(
        nouns,
        NOMINATIVE,
        "be",
        determiners=DEFINITE,
        adjectives=0,
    )


def _predicate(
    draw: Draw, subject: Phrase, *, ask: bool = False, now: bool = False
) -> Clause:
    """Draw "is tired" for a subject; German adjectives have no ending there."""
    noun = NOUN.get(subject.head, NOUN["man"])
    adjective = draw.pick(noun.adjectives)
    draw.note(subject.head, adjective.english)
    return clause(
        subject,
        BE,
        complement=Phrase(adjective.english, adjective.german),
        tense="present" if now or draw.random() < 0.7 else "past",
        negated=not ask and draw.random() < 0.2,
        ask=ask,
    )


def _described(draw: Draw) -> Pair:
    if draw.random() < 0.25:
        return sentence(question(_predicate(draw, _topic(draw), ask=True)), "?")
    return sentence(statement(_predicate(draw, _topic(draw))))


def _compared(draw: Draw) -> Pair:
    nouns = NOUNS[draw.pick(_COMPARED)]
    first = draw.noun(
        nouns, NOMINATIVE, "be", determiners=DEFINITE, single=True, adjectives=0
    )
    other = draw.noun(
        nouns,
        NOMINATIVE,
        first.head,
        avoid=first.head,
        determiners=DEFINITE,
        single=True,
        adjectives=0,
    )
    adjectives = NOUN[first.head].adjectives
    word = draw.pick([a for a in adjectives if a.english in COMPARATIVES])
    draw.note(first.head, word.english)
    english, german = COMPARATIVES[word.english]
    if draw.random() < 0.7:
        text = f"{english} than {other.english}", f"{german} als {other.german}"
    else:
        text = (
            f"as {word.english} as {other.english}",
            f"so {word.german} wie {other.german}",
        )
    return sentence(statement(clause(first, BE, complement=Phrase(*text))))


def _priced(draw: Draw) -> Pair:
    subject = draw.noun(_PRICED, NOMINATIVE, "cost", determiners=DEFINITE)
    value = draw.pick(_PRICES)
    draw.note(subject.head, value[0])
    price = Phrase(f"{value[0]} euros", f"{value[1]} Euro")
    if value[0] == "one":
        price = Phrase("one euro", "einen Euro")
    return sentence(statement(clause(subject, VERB["cost"], price)))


def _aged(draw: Draw) -> Pair:
    subject = draw.noun(
        _AGED, NOMINATIVE, "be", determiners=DEFINITE, single=True, adjectives=0
    )
    value = draw.pick(NUMBERS)
    draw.note(subject.head, value[0])
    unit = ("year", "Jahr") if value[0] == "one" else ("years", "Jahre")
    age = Phrase(f"{value[0]} {unit[0]} old", f"{value[1]} {unit[1]} alt")
    return sentence(statement(clause(subject, BE, complement=age)))


def _counted(draw: Draw) -> Pair:
    value, noun = draw.pick(NUMBERS[1:]), draw.pick(_COUNTED)
    draw.note(noun.english[0], value[0])
    many, place = counted(value, noun), draw.place(VERB["stay"], DATIVE)
    return sentence(
        (
            f"there are {many.english} {place.english}",
            f"es gibt {many.german} {place.german}",
        )
    )


def _timed(draw: Draw) -> Pair:
    """Tell the time or the date, and often what happens then."""
    if draw.random() < 0.4:
        (english, german), combination = draw.pick(CLOCKS)
        pair = f"it is {english}", f"es ist {german}"
    else:
        day, month, combination = draw.pick(CALENDAR)
        english, german = date(day, month, case=NOMINATIVE)
        pair = f"today is {english}", f"heute ist {german}"
    draw.note(*combination)
    if draw.random() < 0.1:
        return sentence(pair)
    verb = draw.pick(_ALONE)
    return sentence(coordinated(pair, statement(clause(draw.subject(verb), verb))))


def _introduced(draw: Draw) -> Pair:
    """Say what this is: the nominative after "ein" shows the gender."""
    nouns = draw.pick(_DESCRIBED)
    negated = draw.random() < 0.2
    noun = draw.noun(
        nouns,
        NOMINATIVE,
        "be",
        determiners=(*(A,) * 6, *OF_PERSON) if nouns[0].english[1] else OF_PERSON,
        single=True,
        adjectives=0.85,
        negated=negated,
    )
    this, chance = Phrase("this", "das"), draw.random()
    ask = chance < 0.25 and not negated
    part = clause(this, BE, complement=noun, negated=negated, ask=ask)
    if ask:
        return sentence(question(part), "?")
    if chance > 0.5:
        return sentence(statement(part))
    verb = draw.pick(CLAIMS)
    main = statement(clause(draw.subject(verb), verb))
    return sentence(joined(main, ("that", "dass"), part))


def _paired(draw: Draw) -> Pair:
    """Join two short main clauses."""
    verb = draw.pick(_ALONE)
    other = draw.pick([v for v in _ALONE if v is not verb])
    first, second = (
        statement(clause(draw.subject(v), v, tense=draw.pick(("present", "past"))))
        for v in (verb, other)
    )
    return sentence(coordinated(first, second))


def _referred(draw: Draw) -> Pair:
    """Take the object up by a pronoun: ihn, sie or es, as its gender demands."""
    verb = draw.pick(_ABOUT_THINGS)
    if draw.random() < 0.4:
        subject = draw.name(verb.english[0])
        word = NAMES[subject.head]
    else:
        subject = draw.noun(_HE_OR_SHE, NOMINATIVE, verb.english[0], single=True)
        word = "he" if NOUN[subject.head].gender == MASCULINE else "she"
    things = [n for n in verb.objects if n.english[1] and n in _PRICED]
    thing = draw.noun(things, ACCUSATIVE, verb.english[0])
    it = Phrase("it", _IT[NOUN[thing.head].gender], pronoun=True)
    if thing.person == MANY:
        it = pronoun("they", ACCUSATIVE)
    reason = clause(pronoun(word), draw.pick(_WHY), it)
    main = statement(clause(subject, verb, thing))
    return sentence(joined(main, ("because", "weil"), reason))


KINDS: tuple[Callable[[Draw], Pair], ...] = (
    *(_told,) * 35, *(_fronted,) * 15, *(_asked,) * 7,
    *(_asked_when,) * 4, *(_asked_who,), *(_asked_what,),
    *(_reasoned,) * 5, *(_conditioned,) * 2, *(_claimed,) * 6,
    *(_described,), *(_introduced,) * 5, *(_compared,) * 3,
    *(_priced,) * 4, *(_aged,) * 2, *(_counted,) * 3,
    *(_timed,) * 3, *(_paired,) * 2, *(_referred,) * 3,
)  # fmt: skip
"""What draws a sentence: the common kinds first, and as often as they weigh."""
