"""Numbers, clock times and dates of the phrasebook in English and German words.

A time expression comes with the tenses that it fits and the word combination in it;
frequent ones stand in a table more than once.
"""

from typing import NamedTuple

from seq2seq.data.phrasebook.lexicon import DATIVE, Pair

_UNITS = """one ein, two zwei, three drei, four vier, five fünf, six sechs,
seven sieben, eight acht, nine neun, ten zehn, eleven elf, twelve zwölf,
thirteen dreizehn, fourteen vierzehn, fifteen fünfzehn, sixteen sechzehn,
seventeen siebzehn, eighteen achtzehn, nineteen neunzehn"""
_TENS = """twenty zwanzig, thirty dreißig, forty vierzig, fifty fünfzig, sixty sechzig,
seventy siebzig, eighty achtzig, ninety neunzig"""
_MONTHS = """January Januar, February Februar, March März, April April, May Mai,
June Juni, July Juli, August August, September September, October Oktober,
November November, December Dezember"""
_DAYS = """Monday Montag, Tuesday Dienstag, Wednesday Mittwoch, Thursday Donnerstag,
Friday Freitag, Saturday Samstag, Sunday Sonntag"""
_IRREGULAR_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
    "twenty": "twentieth",
    "thirty": "thirtieth",
}


def _pairs(table: str) -> tuple[Pair, ...]:
    rows = (row.split() for row in table.split(","))
    return tuple((english, german) for english, german in rows)


def number(value: int) -> Pair:
    """Return a number from 1 to 99 in words; one is "ein", as before a noun."""
    units, tens = _pairs(_UNITS), _pairs(_TENS)
    if value < 20:
        return units[value - 1]
    english, german = tens[value // 10 - 2]
    if value % 10 == 0:
        return english, german
    unit = units[value % 10 - 1]
    return f"{english}-{unit[0]}", f"{unit[1]}und{german}"


def ordinal(value: int) -> Pair:
    """Return an ordinal from 1 to 31; the German one without its ending."""
    english, german = number(value)
    head, dash, last = english.rpartition("-")
    last = _IRREGULAR_ORDINALS.get(last, last + "th")
    stem = {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}.get(value)
    return head + dash + last, stem or german + ("t" if value < 20 else "st")


NUMBERS = tuple(number(value) for value in range(1, 100))
HOURS = NUMBERS[:12]
ORDINALS = tuple(ordinal(value) for value in range(1, 32))
MONTHS = _pairs(_MONTHS)
DAYS = _pairs(_DAYS)
MINUTES = {
    "half past": ("halb", 1),
    "a quarter past": ("Viertel nach", 0),
    "a quarter to": ("Viertel vor", 0),
    "ten past": ("zehn nach", 0),
    "ten to": ("zehn vor", 0),
    "twenty past": ("zwanzig nach", 0),
    "twenty to": ("zwanzig vor", 0),
}
"""English minutes to the German ones and the offset of the German hour."""
PRESENT_TIMES = {
    "today": "heute",
    "now": "jetzt",
    "every day": "jeden Tag",
    "every evening": "jeden Abend",
    "in the morning": "am Morgen",
    "in the evening": "am Abend",
    "in summer": "im Sommer",
    "in winter": "im Winter",
}
PAST_TIMES = {
    "yesterday": "gestern",
    "last week": "letzte Woche",
    "last year": "letztes Jahr",
}
FUTURE_TIMES = {
    "tomorrow": "morgen",
    "next week": "nächste Woche",
    "tonight": "heute Abend",
}
ADVERBS = {
    "often": "oft",
    "always": "immer",
    "sometimes": "manchmal",
    "never": "nie",
    "rarely": "selten",
}
"""Adverbs of frequency: before the main verb in English, before an indefinite noun in
German."""


def clock(hour: int, minutes: str = "") -> Pair:
    """Return a clock time of hours 1 to 12; "half past three" is "halb vier"."""
    english, german = HOURS[hour - 1]
    if not minutes:
        return f"{english} o'clock", f"{german} Uhr"
    words_german, ahead = MINUTES[minutes]
    german = HOURS[(hour - 1 + ahead) % 12][1]
    german = "eins" if german == "ein" else german
    return f"{minutes} {english}", f"{words_german} {german}"


def date(day: int, month: int, *, case: int = DATIVE) -> Pair:
    """Return a date: on the third of May, "am dritten Mai"; nominative without "on"."""
    english, german = f"the {ORDINALS[day - 1][0]} of", ORDINALS[day - 1][1]
    name = MONTHS[month - 1]
    if case == DATIVE:
        return f"on {english} {name[0]}", f"am {german}en {name[1]}"
    return f"{english} {name[0]}", f"der {german}e {name[1]}"


class Time(NamedTuple):
    """A time expression and the combination of two words in it, if any."""

    text: Pair
    combination: tuple[str, str] | None = None


CLOCKS = tuple(
    (clock(hour, minutes), (HOURS[hour - 1][0], minutes))
    for minutes in ("", "", *MINUTES)
    for hour in range(1, 13)
)
"""Every (clock time, combination); full hours twice."""
CALENDAR = tuple(
    (day, month, (MONTHS[month - 1][0], ORDINALS[day - 1][0]))
    for month in range(1, 13)
    for day in range(1, 32 if month != 2 else 29)
    if day < 31 or month in (1, 3, 5, 7, 8, 10, 12)
)
"""Every (day, month, combination) but the leap day."""
_AT = tuple(Time((f"at {e}", f"um {g}"), words) for (e, g), words in CLOCKS)
_DATES = tuple(Time(date(day, month), words) for day, month, words in CALENDAR)
_WEEKDAYS = tuple(Time((f"on {english}", f"am {german}")) for english, german in DAYS)
_AGO = tuple(
    Time((f"{word} {unit} ago", f"vor {numeral} {german}"), (unit, word))
    for unit, german in (("days", "Tagen"), ("weeks", "Wochen"), ("years", "Jahren"))
    for word, numeral in NUMBERS[1:12]
)


def _times(named: dict[str, str]) -> tuple[Time, ...]:
    return tuple(map(Time, named.items()))


TIMES: dict[str, tuple[tuple[Time, ...], ...]] = {
    "present": (_times(PRESENT_TIMES),) * 3 + (_AT, _WEEKDAYS),
    "past": (_times(PAST_TIMES),) * 2 + (_AT, _WEEKDAYS, _DATES, _AGO),
    "modal": (_times(FUTURE_TIMES),) * 2 + (_AT, _WEEKDAYS, _DATES),
}
"""Groups of time expressions to sample from, by tense."""
