import hashlib
import itertools

import pytest

from seq2seq.text.function_words import (
    BARE,
    NOT_A,
    NOT_BARE,
    POSSESSIVES,
    THE,
    THIS,
    A,
    Determiner,
)
from seq2seq.text.lexicon import (
    ACCUSATIVE,
    ADJECTIVES,
    CLAIMS,
    COMPARATIVES,
    DATIVE,
    MANY,
    NOUN,
    VERB,
    VERBS,
)
from seq2seq.text.phrasebook import (
    BE,
    Clause,
    Pair,
    Phrase,
    Split,
    clause,
    clock,
    counted,
    date,
    held_out,
    joined,
    noun_phrase,
    phrase_pairs,
    prepositional,
    pronoun,
    question,
    sentence,
    statement,
    subordinate,
)
from seq2seq.text.times import NUMBERS

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
FROZEN: dict[Split, str] = {
    "train": "7cf302a9e6b7adc4",
    "valid": "ce8e0d00e9bba873",
    "test": "1aea2ce498fa2973",
}


@pytest.fixture(scope="module")
def train() -> list[Pair]:
    return list(phrase_pairs("train", count=200_000))


@pytest.fixture(scope="module")
def unseen() -> list[Pair]:
    return list(phrase_pairs("test", count=2000))


@pytest.fixture(scope="module")
def valid() -> list[Pair]:
    return list(phrase_pairs("valid", count=2000))


def forms(pairs: list[Pair], side: int) -> set[str]:
    return {w for p in pairs for w in p[side][:-1].replace(",", "").lower().split()}


@pytest.mark.parametrize("split", SPLITS)
def test_the_first_thousand_pairs_never_change_without_a_new_version(
    split: Split,
) -> None:
    text = "\n".join("\t".join(pair) for pair in phrase_pairs(split, count=1000))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == FROZEN[split]


@pytest.mark.parametrize("split", SPLITS)
def test_a_smaller_count_is_the_beginning_of_a_larger_one(split: Split) -> None:
    longer = phrase_pairs(split, count=500)
    assert list(itertools.islice(longer, 200)) == list(phrase_pairs(split, count=200))


def test_another_seed_draws_other_sentences() -> None:
    first, second = (list(phrase_pairs("train", count=50, seed=s)) for s in (0, 1))
    assert first != second


def test_one_english_sentence_has_one_german_translation(
    train: list[Pair], valid: list[Pair], unseen: list[Pair]
) -> None:
    german: dict[str, str] = {}
    for source, target in (*train, *valid, *unseen):
        assert german.setdefault(source, target) == target


def test_no_held_out_sentence_occurs_in_train(
    train: list[Pair], valid: list[Pair], unseen: list[Pair]
) -> None:
    known = {english for english, _ in train}
    assert known.isdisjoint(english for english, _ in valid)
    assert known.isdisjoint(english for english, _ in unseen)
    assert {e for e, _ in valid}.isdisjoint(e for e, _ in unseen)


def test_held_out_splits_have_no_duplicates(
    valid: list[Pair], unseen: list[Pair]
) -> None:
    assert len(set(valid)) == len(valid)
    assert len(set(unseen)) == len(unseen)


@pytest.mark.parametrize("side", [0, 1])
def test_nearly_every_held_out_word_form_occurs_in_the_first_120000_train_pairs(
    train: list[Pair], valid: list[Pair], unseen: list[Pair], side: int
) -> None:
    known = forms(train[:120_000], side)
    held = forms(valid, side) | forms(unseen, side)
    assert len(held & known) / len(held) > 0.99


def test_held_out_combinations_never_occur_in_train(train: list[Pair]) -> None:
    """Look for adjacent held-out adjectives and nouns in the text itself."""
    held = {
        f" {adjective.english} {form} "
        for noun in NOUN.values()
        for adjective in noun.adjectives
        for form in noun.english
        if form and held_out(noun.english[0], adjective.english)
    }
    assert len(held) > 50
    tokens = (f"{pair[0][:-1]}".split() for pair in train)
    seen = {f" {a} {b} " for words in tokens for a, b in itertools.pairwise(words)}
    assert held.isdisjoint(seen)


def test_a_few_percent_of_combinations_are_held_out_for_each_split() -> None:
    marks = [held_out(verb, noun) for verb in VERB for noun in NOUN]
    for split in (1, 2):
        assert 0.02 < marks.count(split) / len(marks) < 0.04


def test_sentences_are_diverse_and_of_moderate_length(train: list[Pair]) -> None:
    assert len(set(train)) > 130_000  # Of 200,000: words are as unequal as in any text.
    lengths = [len(english.split()) for english, _ in train]
    assert 6 <= sum(lengths) / len(lengths) <= 8
    assert min(lengths) >= 2
    assert max(lengths) <= 12


def test_plain_transitive_statements_alone_exceed_five_million() -> None:
    determiners = 10  # the, a, this, my, your, his, her, our, their and a plural
    phrases = {noun: determiners * (1 + len(noun.adjectives)) for noun in NOUN.values()}
    total = sum(
        sum(phrases[noun] for noun in verb.subjects)
        * sum(phrases[noun] for noun in verb.objects)
        for verb in VERBS
        if verb.frame == "accusative"
    )
    assert total > 5_000_000


def test_every_sentence_is_clean_text(train: list[Pair]) -> None:
    for pair in train:
        assert pair[0][-1] == pair[1][-1] in ".?"
        for text in pair:
            assert text.isprintable()
            assert text[0].isupper()
            assert "  " not in text
            assert " ." not in text
            assert " ," not in text


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


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="no split 'dev'; use one of train, valid"):
        phrase_pairs("dev", count=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="count is -1"):
        phrase_pairs("train", count=-1)


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
            question(clause(np("dog"), VERB["eat"], acc("egg", A), ask=True)), "?"
        ),
        "Does the dog eat an egg?",
        "Isst der Hund ein Ei?",
    ),
    (
        sentence(
            question(
                clause(YOU_, VERB["see"], tense="past", ask=True), ("what", "was")
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
