"""Content words of the phrasebook: adjectives, nouns, verbs and names.

With inflection, gender, semantic class and the classes that they combine with. Every
word and table was written for this project.
"""

from typing import NamedTuple

Pair = tuple[str, str]
"""A word, a phrase or a sentence in English and in German."""
NOMINATIVE, ACCUSATIVE, DATIVE = range(3)
"""Index of a case in every German table."""
MASCULINE, FEMININE, NEUTER, PLURAL = range(4)
"""Column of a determiner: the gender of a singular noun, or the plural of any."""
I, YOU, THIRD, MANY = range(4)  # noqa: E741 - the pronoun itself
"""Person of a subject; German "wir" and "sie" share one verb form, and so MANY."""


class Adjective(NamedTuple):
    """An adjective; German adds an ending to `stem` before a noun."""

    english: str
    german: str
    stem: str


class Noun(NamedTuple):
    """A noun; `english` is (singular, plural), and a mass noun's plural is empty."""

    english: tuple[str, str]
    german: tuple[tuple[str, str, str], tuple[str, str, str]]  # [plural][case]
    gender: int
    adjectives: tuple[Adjective, ...]
    is_person: bool
    is_location: bool  # Occurs in the singular only.


class Verb(NamedTuple):
    """A verb with its frame: classes of subjects and objects, and their case."""

    english: tuple[str, str, str, str]  # base, third person, past, participle
    particle: str  # Before a noun, but after a pronoun: pick up, pick him up.
    german: tuple[str, str, str, str]  # present, by person
    prefix: str  # separable prefix
    infinitive: str
    participle: str
    perfect: tuple[str, str, str, str]  # haben or sein, by person
    subjects: tuple[Noun, ...]
    frame: str
    objects: tuple[Noun, ...]
    preposition: tuple[str, str, int]  # English, German, case; of the object
    stative: bool  # Stative verbs occur in the present only.


HABEN = ("habe", "hast", "hat", "haben")
SEIN = ("bin", "bist", "ist", "sind")
_IRREGULAR = {
    "haben": HABEN,
    "mögen": ("mag", "magst", "mag", "mögen"),
    "wissen": ("weiß", "weißt", "weiß", "wissen"),
}

_ADJECTIVES = """
old alt, young jung, new neu, big groß, small klein, long lang, short kurz, good gut,
bad schlecht, beautiful schön, ugly hässlich, strong stark, poor arm, rich reich,
clever klug, friendly freundlich, happy glücklich, sad traurig, tired müde/müd,
sick krank, hungry hungrig, famous berühmt, red rot, blue blau, green grün,
black schwarz, white weiß, brown braun, yellow gelb, cold kalt, warm warm, hot heiß,
fresh frisch, cheap billig, expensive teuer/teur, heavy schwer, light leicht,
fast schnell, slow langsam, interesting interessant, boring langweilig, funny lustig,
clean sauber, dirty schmutzig, quiet ruhig
"""

# Semantic class to the adjectives that fit it.
_CLASS_ADJECTIVES = {
    "person": "old young friendly happy sad clever rich poor strong tired sick famous"
    " hungry funny boring interesting",
    "animal": "old young big small hungry tired brown black white fast slow strong",
    "fruit": "fresh good cheap big small expensive",
    "food": "fresh good cheap expensive bad hot",
    "drink": "cold hot warm good cheap fresh",
    "text": "long short interesting boring funny new old good bad",
    "thing": "new old big small heavy light cheap red blue green ugly beautiful",
    "dish": "new old clean dirty white blue small big beautiful",
    "clothes": "warm new old red blue green black white yellow long short clean dirty",
    "furniture": "new old big small brown white heavy light ugly",
    "vehicle": "new old fast slow red black yellow big small expensive",
    "transport": "new old fast slow big small yellow white",
    "room": "old new big small quiet beautiful clean dirty warm cold",
    "home": "old small big quiet beautiful ugly famous rich",
    "spot": "old new big small beautiful famous quiet",
}

# Singular, plural (- for none), gender (w: masculine with -n in the other cases), then
# German singular and plural.
_NOUNS = {
    "person": """man men m Mann Männer, woman women f Frau Frauen,
        child children n Kind Kinder, boy boys w Junge Jungen,
        girl girls n Mädchen Mädchen, teacher teachers m Lehrer Lehrer,
        doctor doctors m Arzt Ärzte, friend friends m Freund Freunde,
        neighbour neighbours w Nachbar Nachbarn, student students w Student Studenten,
        mother mothers f Mutter Mütter, father fathers m Vater Väter,
        brother brothers m Bruder Brüder, sister sisters f Schwester Schwestern,
        son sons m Sohn Söhne, daughter daughters f Tochter Töchter,
        aunt aunts f Tante Tanten, uncle uncles m Onkel Onkel,
        farmer farmers w Bauer Bauern, baker bakers m Bäcker Bäcker,
        king kings m König Könige, queen queens f Königin Königinnen,
        guest guests m Gast Gäste""",
    "animal": """dog dogs m Hund Hunde, cat cats f Katze Katzen,
        horse horses n Pferd Pferde, bird birds m Vogel Vögel, cow cows f Kuh Kühe,
        mouse mice f Maus Mäuse, pig pigs n Schwein Schweine, bear bears w Bär Bären""",
    "fruit": """apple apples m Apfel Äpfel, egg eggs n Ei Eier,
        cake cakes m Kuchen Kuchen, banana bananas f Banane Bananen,
        tomato tomatoes f Tomate Tomaten, potato potatoes f Kartoffel Kartoffeln""",
    "food": """bread - n Brot -, cheese - m Käse -, meat - n Fleisch -,
        rice - m Reis -, butter - f Butter -, chocolate - f Schokolade -""",
    "drink": """water - n Wasser -, milk - f Milch -, tea - m Tee -,
        coffee - m Kaffee -, juice - m Saft -, beer - n Bier -""",
    "text": """book books n Buch Bücher, letter letters m Brief Briefe,
        newspaper newspapers f Zeitung Zeitungen,
        story stories f Geschichte Geschichten, poem poems n Gedicht Gedichte,
        article articles m Artikel Artikel""",
    "thing": """ball balls m Ball Bälle, key keys m Schlüssel Schlüssel,
        bag bags f Tasche Taschen, picture pictures n Bild Bilder,
        clock clocks f Uhr Uhren, gift gifts n Geschenk Geschenke,
        flower flowers f Blume Blumen, umbrella umbrellas m Regenschirm Regenschirme,
        suitcase suitcases m Koffer Koffer""",
    "dish": """cup cups f Tasse Tassen, plate plates m Teller Teller,
        bottle bottles f Flasche Flaschen, glass glasses n Glas Gläser,
        knife knives n Messer Messer""",
    "clothes": """coat coats m Mantel Mäntel, shirt shirts n Hemd Hemden,
        hat hats m Hut Hüte, dress dresses n Kleid Kleider, shoe shoes m Schuh Schuhe,
        jacket jackets f Jacke Jacken""",
    "furniture": """table tables m Tisch Tische, chair chairs m Stuhl Stühle,
        bed beds n Bett Betten, sofa sofas n Sofa Sofas,
        shelf shelves n Regal Regale""",
    "vehicle": """car cars n Auto Autos, bicycle bicycles n Fahrrad Fahrräder,
        boat boats n Boot Boote""",
    "transport": """train trains m Zug Züge, bus buses m Bus Busse,
        ship ships n Schiff Schiffe""",
    "room": """kitchen kitchens f Küche Küchen, room rooms n Zimmer Zimmer,
        office offices n Büro Büros, shop shops m Laden Läden,
        school schools f Schule Schulen, church churches f Kirche Kirchen,
        restaurant restaurants n Restaurant Restaurants, museum museums n Museum Museen,
        garden gardens m Garten Gärten, park parks m Park Parks,
        forest forests m Wald Wälder, library libraries f Bibliothek Bibliotheken""",
    "home": """house houses n Haus Häuser, village villages n Dorf Dörfer,
        city cities f Stadt Städte, hotel hotels n Hotel Hotels,
        castle castles n Schloss Schlösser""",
    "spot": """station stations m Bahnhof Bahnhöfe, lake lakes m See Seen,
        beach beaches m Strand Strände, river rivers m Fluss Flüsse,
        market markets m Markt Märkte, bridge bridges f Brücke Brücken,
        street streets f Straße Straßen""",
}

# English base past participle | German infinitive, third person, participle
# | subjects | frame and objects. ! stative, + separable, * perfect with sein.
_VERBS = """
buy bought bought | kaufen kauft gekauft | person | accusative fruit food text thing dish clothes vehicle furniture
sell sold sold | verkaufen verkauft verkauft | person | accusative fruit food thing clothes vehicle furniture
see saw seen | sehen sieht gesehen | person animal | accusative person animal transport thing home
find found found | finden findet gefunden | person | accusative thing animal clothes text
look_for looked looked | suchen sucht gesucht | person | accusative thing animal person clothes text dish
take took taken | nehmen nimmt genommen | person | accusative thing dish fruit
carry carried carried | tragen trägt getragen | person | accusative thing furniture dish
!need needed needed | brauchen braucht gebraucht | person | accusative thing clothes vehicle furniture dish drink
!love loved loved | lieben liebt geliebt | person | accusative person animal food drink
!like liked liked | mögen mag gemocht | person | accusative animal fruit food drink text clothes
!know knew known | kennen kennt gekannt | person | accusative person text home
!have had had | haben hat gehabt | person | accusative thing animal clothes vehicle text
eat ate eaten | essen isst gegessen | person animal | accusative fruit food
drink drank drunk | trinken trinkt getrunken | person | accusative drink
read read read | lesen liest gelesen | person | accusative text
write wrote written | schreiben schreibt geschrieben | person | accusative text
wash washed washed | waschen wäscht gewaschen | person | accusative clothes dish vehicle
repair repaired repaired | reparieren repariert repariert | person | accusative vehicle furniture
visit visited visited | besuchen besucht besucht | person | accusative person home
forget forgot forgotten | vergessen vergisst vergessen | person | accusative thing clothes text
lose lost lost | verlieren verliert verloren | person | accusative thing clothes
ask asked asked | fragen fragt gefragt | person | accusative person
hear heard heard | hören hört gehört | person animal | accusative person animal transport
feed fed fed | füttern füttert gefüttert | person | accusative animal
call called called | an+rufen ruft gerufen | person | accusative person
invite invited invited | ein+laden lädt geladen | person | accusative person
pick+up picked picked | ab+holen holt geholt | person | accusative person thing text
put+on put put | an+ziehen zieht gezogen | person | accusative clothes
bring+along brought brought | mit+bringen bringt gebracht | person | accusative fruit food drink animal
help helped helped | helfen hilft geholfen | person | dative person animal
thank thanked thanked | danken dankt gedankt | person | dative person
follow followed followed | folgen folgt *gefolgt | person animal | dative animal
listen_to listened listened | zu+hören hört gehört | person | dative person
!belong_to belonged belonged | gehören gehört gehört | thing clothes vehicle animal text | dative person
give gave given | geben gibt gegeben | person | give thing text dish fruit
show showed shown | zeigen zeigt gezeigt | person | give thing text clothes home
send sent sent | schicken schickt geschickt | person | give text thing
bring brought brought | bringen bringt gebracht | person | give dish fruit clothes
wait waited waited | warten wartet gewartet | person | for auf accusative person transport
think thought thought | denken denkt gedacht | person | of an accusative person
talk talked talked | sprechen spricht gesprochen | person | with mit dative person
play played played | spielen spielt gespielt | person animal | with mit dative animal person
dream dreamed dreamed | träumen träumt geträumt | person | of von dative person animal
sleep slept slept | schlafen schläft geschlafen | person animal | none
work worked worked | arbeiten arbeitet gearbeitet | person | none
sing sang sung | singen singt gesungen | person | none
dance danced danced | tanzen tanzt getanzt | person | none
laugh laughed laughed | lachen lacht gelacht | person | none
cry cried cried | weinen weint geweint | person | none
swim swam swum | schwimmen schwimmt *geschwommen | person animal | none
arrive arrived arrived | an+kommen kommt *gekommen | person transport | none
get+up got got | auf+stehen steht *gestanden | person | none
come+back came come | zurück+kommen kommt *gekommen | person animal | none
fall+asleep fell fallen | ein+schlafen schläft *geschlafen | person animal | none
sit sat sat | sitzen sitzt gesessen | person animal | beside furniture
stand stood stood | stehen steht gestanden | person animal | beside furniture
!live lived lived | wohnen wohnt gewohnt | person | in home
stay stayed stayed | bleiben bleibt *geblieben | person | in room home spot
go went gone | gehen geht *gegangen | person | into room home
run ran run | laufen läuft *gelaufen | person animal | into room home
come came come | kommen kommt *gekommen | person animal | into room home
drive drove driven | fahren fährt *gefahren | person | to spot
hurry hurried hurried | eilen eilt *geeilt | person | to spot
lay laid laid | legen legt gelegt | person | onto thing text clothes
put put put | stellen stellt gestellt | person | onto dish
know knew known | wissen weiß gewusst | person | that
think thought thought | glauben glaubt geglaubt | person | that
say said said | sagen sagt gesagt | person | that
hope hoped hoped | hoffen hofft gehofft | person | that
cost cost cost | kosten kostet gekostet | thing | price
"""  # noqa: E501 - a table reads by its rows


def third_person(base: str) -> str:
    """Form the English third person singular of the present: carry, carries."""
    if base == "have":
        return "has"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + ("es" if base.endswith(("s", "sh", "ch", "x", "o")) else "s")


def present(infinitive: str, third: str) -> tuple[str, str, str, str]:
    """Form the German present by person from the infinitive and the third person.

    The second person follows from the third: "gibt" gives "gibst", and after s, ß and z
    both are alike ("isst").
    """
    if infinitive in _IRREGULAR:
        return _IRREGULAR[infinitive]
    # "füttern" has no e to drop: ich füttere.
    first = infinitive[:-1] + ("e" if infinitive.endswith("rn") else "")
    stem = third[:-1]
    second = third if stem.endswith(("s", "ß", "z")) else stem + "st"
    return (first, second, third, infinitive)


def _adjective(row: str) -> Adjective:
    english, german = row.split()
    plain, _, stem = german.partition("/")
    return Adjective(english, plain, stem or plain)


def _noun(row: str, kind: str) -> Noun:
    one, many, gender, singular, plural = row.split()
    oblique = singular
    if gender == "w":
        oblique += "n" if singular[-1] in "er" and singular != "Bär" else "en"
    dative = plural if plural[-1] in "ns" else plural + "n"
    return Noun(
        (one, many.strip("-")),
        ((singular, oblique, oblique), (plural, plural, dative)),
        "mfn".index(gender.replace("w", "m")),
        tuple(ADJECTIVES[name] for name in _CLASS_ADJECTIVES[kind].split()),
        kind == "person",
        kind in ("room", "home", "spot"),
    )


def _verb(row: str) -> Verb:
    english, german, subjects, frame = (part.strip() for part in row.split("|"))
    base, past, participle = english.lstrip("!").split()
    base, _, particle = base.partition("+")
    base, _, tail = base.partition("_")
    forms = [base, third_person(base), past, participle]
    if tail:
        forms = [f"{form} {tail}" for form in forms]
    infinitive, third, perfect = german.split()
    prefix, _, stem = infinitive.rpartition("+")
    kind, *objects = frame.split()
    preposition = ("", "", DATIVE if kind == "dative" else ACCUSATIVE)
    if kind in ("for", "of", "with"):
        case = DATIVE if objects[1] == "dative" else ACCUSATIVE
        preposition = (kind, objects[0], case)
        kind, objects = "object", objects[2:]
    return Verb(
        (forms[0], forms[1], forms[2], forms[3]),
        particle,
        present(stem, third),
        prefix,
        prefix + stem,
        prefix + perfect.lstrip("*"),
        SEIN if perfect.startswith("*") else HABEN,
        tuple(noun for name in subjects.split() for noun in NOUNS[name]),
        kind,
        tuple(noun for name in objects for noun in NOUNS[name]),
        preposition,
        english.startswith("!"),
    )


ADJECTIVES = {
    adjective.english: adjective
    for adjective in map(_adjective, _ADJECTIVES.split(","))
}
NOUNS = {
    kind: tuple(_noun(row, kind) for row in rows.split(","))
    for kind, rows in _NOUNS.items()
}
NOUN = {noun.english[0]: noun for nouns in NOUNS.values() for noun in nouns}
VERBS = tuple(_verb(row) for row in _VERBS.strip().splitlines())
CLAIMS = tuple(verb for verb in VERBS if verb.frame == "that")
VERB = {f"{v.english[0]} {v.particle}".strip(): v for v in VERBS if v not in CLAIMS}
COMPARATIVES = {
    "old": ("older", "älter"),
    "young": ("younger", "jünger"),
    "big": ("bigger", "größer"),
    "small": ("smaller", "kleiner"),
    "rich": ("richer", "reicher"),
    "poor": ("poorer", "ärmer"),
    "strong": ("stronger", "stärker"),
    "clever": ("cleverer", "klüger"),
    "friendly": ("friendlier", "freundlicher"),
    "fast": ("faster", "schneller"),
    "slow": ("slower", "langsamer"),
    "long": ("longer", "länger"),
    "short": ("shorter", "kürzer"),
    "cheap": ("cheaper", "billiger"),
    "heavy": ("heavier", "schwerer"),
    "beautiful": ("more beautiful", "schöner"),
    "interesting": ("more interesting", "interessanter"),
    "expensive": ("more expensive", "teurer"),
}
"""Comparatives by English adjective."""
NAMES = {"Anna": "she", "Maria": "she", "Julia": "she", "Peter": "he", "Paul": "he"}
CITIES = {"Berlin": "Berlin", "London": "London", "Rome": "Rom", "Vienna": "Wien"}
