"""Sentences that the phrasebook builds, beside those that people would write."""

import pytest

from seq2seq.data.phrasebook.corpus import (
    BE,
    Clause,
    Pair,
    Phrase,
    clause,
    clock,
    counted,
    date,
    joined,
    noun_phrase,
    prepositional,
    pronoun,
    question,
    sentence,
    statement,
    subordinate,
)
from seq2seq.data.phrasebook.function_words import (
    BARE,
    NOT_A,
    NOT_BARE,
    POSSESSIVES,
    THE,
    THIS,
    A,
    Determiner,
)
from seq2seq.data.phrasebook.lexicon import (
    ACCUSATIVE,
    ADJECTIVES,
    CLAIMS,
    COMPARATIVES,
    DATIVE,
    MANY,
    NOUN,
    VERB,
)
from seq2seq.data.phrasebook.numbers_and_dates import NUMBERS


def np(
    words: str, case: int = 0, *, of: Determiner = THE, many: bool = False
) -> Phrase:
    *adjectives, noun = words.split()
    return noun_phrase(
        of,
        NOUN[noun],
        adjective=ADJECTIVES[adjectives[0]] if adjectives else None,
        plural=many,
        case=case,
    )


def acc(words: str, of: Determiner = THE, many: bool = False) -> Phrase:
    return np(words, ACCUSATIVE, of=of, many=many)


def dat(words: str, of: Determiner = THE, many: bool = False) -> Phrase:
    return np(words, DATIVE, of=of, many=many)


I_, YOU_, SHE, THEY = (pronoun(word) for word in ("I", "you", "she", "they"))
TODAY, YESTERDAY = ("today", "heute"), ("yesterday", "gestern")
OLD_MAN = clause(np("old man"), VERB["buy"], acc("car", A))
CALLS = clause(SHE, VERB["call"], acc("teacher"))


def says(part: Clause, front: Pair = ("", "")) -> Pair:
    return sentence(statement(part, front))


KNOWN: list[tuple[Pair, str, str]] = [
    (
        says(OLD_MAN, TODAY),
        "Today the old man buys a car.",
        "Heute kauft der alte Mann ein Auto.",
    ),
    (says(CALLS), "She calls the teacher.", "Sie ruft den Lehrer an."),
    (
        sentence(
            joined(statement(clause(I_, VERB["wait"])), ("because", "weil"), CALLS)
        ),
        "I wait because she calls the teacher.",
        "Ich warte, weil sie den Lehrer anruft.",
    ),
    (
        says(clause(SHE, VERB["call"], acc("teacher"), tense="past")),
        "She called the teacher.",
        "Sie hat den Lehrer angerufen.",
    ),
    (
        says(clause(SHE, VERB["call"], acc("teacher"), tense="will")),
        "She will call the teacher.",
        "Sie wird den Lehrer anrufen.",
    ),
    (
        says(clause(np("man"), VERB["go"], tense="past"), YESTERDAY),
        "Yesterday the man went.",
        "Gestern ist der Mann gegangen.",
    ),
    (
        says(clause(SHE, VERB["read"], acc("book"), negated=True)),
        "She does not read the book.",
        "Sie liest das Buch nicht.",
    ),
    (
        says(clause(SHE, VERB["read"], acc("book", NOT_A), negated=True)),
        "She does not read a book.",
        "Sie liest kein Buch.",
    ),
    (
        says(clause(I_, VERB["drink"], acc("cold milk", NOT_BARE), negated=True)),
        "I do not drink cold milk.",
        "Ich trinke keine kalte Milch.",
    ),
    (
        says(clause(I_, VERB["drink"], acc("fresh juice", BARE), tense="can")),
        "I can drink fresh juice.",
        "Ich kann frischen Saft trinken.",
    ),
    (
        says(
            clause(
                SHE,
                VERB["buy"],
                acc("coat", NOT_A),
                tense="perfect",
                adverb=("yet", "noch"),
                negated=True,
            )
        ),
        "She has not yet bought a coat.",
        "Sie hat noch keinen Mantel gekauft.",
    ),
    (
        says(clause(YOU_, VERB["give"], dat("boy"), acc("red apple", A))),
        "You give the boy a red apple.",
        "Du gibst dem Jungen einen roten Apfel.",
    ),
    (
        says(clause(YOU_, VERB["help"], dat("child", POSSESSIVES["my"], True))),
        "You help my children.",
        "Du hilfst meinen Kindern.",
    ),
    (
        says(clause(THEY, VERB["thank"], dat("friendly woman", THIS))),
        "They thank this friendly woman.",
        "Sie danken dieser freundlichen Frau.",
    ),
    (
        says(clause(THEY, VERB["see"], pronoun("he", ACCUSATIVE), time=TODAY)),
        "They see him today.",
        "Sie sehen ihn heute.",
    ),
    (
        says(clause(SHE, VERB["pick up"], pronoun("he", ACCUSATIVE), tense="want")),
        "She wants to pick him up.",
        "Sie will ihn abholen.",
    ),
    (
        says(clause(SHE, VERB["pick up"], acc("student", A), tense="past")),
        "She picked up a student.",
        "Sie hat einen Studenten abgeholt.",
    ),
    (
        sentence(
            question(clause(np("dog"), VERB["eat"], acc("egg", A), interrogative=True)),
            "?",
        ),
        "Does the dog eat an egg?",
        "Isst der Hund ein Ei?",
    ),
    (
        sentence(
            question(
                clause(YOU_, VERB["see"], tense="past", interrogative=True),
                ("what", "was"),
            ),
            "?",
        ),
        "What did you see?",
        "Was hast du gesehen?",
    ),
    (
        says(
            clause(
                SHE,
                VERB["go"],
                complement=prepositional("into", "in", acc("old house")),
            )
        ),
        "She goes into the old house.",
        "Sie geht ins alte Haus.",
    ),
    (
        says(
            clause(
                SHE,
                VERB["sleep"],
                complement=prepositional("in", "in", dat("old house")),
            )
        ),
        "She sleeps in the old house.",
        "Sie schläft im alten Haus.",
    ),
    (
        says(
            clause(
                I_,
                VERB["put"],
                acc("cup"),
                complement=prepositional("on", "auf", acc("table")),
                tense="must",
            )
        ),
        "I must put the cup on the table.",
        "Ich muss die Tasse auf den Tisch stellen.",
    ),
    (
        says(
            clause(
                SHE,
                VERB["wait"],
                complement=prepositional("for", "auf", acc("bus")),
                negated=True,
            )
        ),
        "She does not wait for the bus.",
        "Sie wartet nicht auf den Bus.",
    ),
    (
        sentence(
            statement(
                clause(SHE, VERB["sing"]),
                tuple(f"{c}," for c in subordinate(("if", "wenn"), CALLS)),  # type: ignore[arg-type]
            )
        ),
        "If she calls the teacher, she sings.",
        "Wenn sie den Lehrer anruft, singt sie.",
    ),
    (
        sentence(
            joined(
                statement(clause(I_, CLAIMS[0])),
                ("that", "dass"),
                clause(np("train"), VERB["arrive"], tense="past"),
            )
        ),
        "I know that the train arrived.",
        "Ich weiß, dass der Zug angekommen ist.",
    ),
    (
        says(clause(np("expensive car", of=THIS), BE, complement=Phrase("old", "alt"))),
        "This expensive car is old.",
        "Dieses teure Auto ist alt.",
    ),
    (
        says(clause(Phrase("this", "das"), BE, complement=np("new coat", of=A))),
        "This is a new coat.",
        "Das ist ein neuer Mantel.",
    ),
    (
        says(
            clause(
                np("mouse", many=True),
                BE,
                complement=Phrase("small", "klein"),
                tense="past",
            )
        ),
        "The mice were small.",
        "Die Mäuse waren klein.",
    ),
    (
        says(clause(I_, VERB["feed"], counted(NUMBERS[20], NOUN["horse"]))),
        "I feed twenty-one horses.",
        "Ich füttere einundzwanzig Pferde.",
    ),
    (
        says(clause(YOU_, VERB["repair"], acc("old bicycle", A))),
        "You repair an old bicycle.",
        "Du reparierst ein altes Fahrrad.",
    ),
    (
        says(clause(YOU_, VERB["read"], acc("letter", POSSESSIVES["our"], True))),
        "You read our letters.",
        "Du liest unsere Briefe.",
    ),
    (
        says(clause(np("boy", many=True), VERB["listen to"], pronoun("she", DATIVE))),
        "The boys listen to her.",
        "Die Jungen hören ihr zu.",
    ),
]


@pytest.mark.parametrize(("built", "english", "german"), KNOWN)
def test_known_pairs_are_built_exactly(built: Pair, english: str, german: str) -> None:
    assert built == (english, german)


def test_plural_subjects_take_plural_verbs_in_both_languages() -> None:
    subject = np("woman", many=True)
    assert subject.person == MANY
    assert says(clause(subject, VERB["carry"], acc("bag"))) == (
        "The women carry the bag.",
        "Die Frauen tragen die Tasche.",
    )


def test_every_compared_adjective_is_in_the_lexicon() -> None:
    assert COMPARATIVES.keys() <= ADJECTIVES.keys()


def test_numbers_are_written_as_german_writes_them() -> None:
    assert NUMBERS[20] == ("twenty-one", "einundzwanzig")
    assert NUMBERS[66] == ("sixty-seven", "siebenundsechzig")
    assert NUMBERS[15:17] == (("sixteen", "sechzehn"), ("seventeen", "siebzehn"))
    assert NUMBERS[29] == ("thirty", "dreißig")
    assert len(set(NUMBERS)) == 99


def test_dates_and_clock_times_are_written_in_words() -> None:
    assert date(3, 5) == ("on the third of May", "am dritten Mai")
    assert date(21, 3) == ("on the twenty-first of March", "am einundzwanzigsten März")
    assert date(1, 1, case=0) == ("the first of January", "der erste Januar")
    assert clock(3, "half past") == ("half past three", "halb vier")
    assert clock(12, "half past") == ("half past twelve", "halb eins")
    assert clock(1, "ten to") == ("ten to one", "zehn vor eins")
    assert clock(1) == ("one o'clock", "ein Uhr")
