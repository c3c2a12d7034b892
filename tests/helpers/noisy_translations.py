"""Random sentences and noisy copies of them, for metrics."""

from __future__ import annotations

import numpy as np

WORDS = ["der", "die", "das", "Hund", "Katze", "schläft,", "läuft.", "Haus!", "rot"]
WORDS += ["und", "(sehr)", "alt", "3,5", "z.B."]
CHARACTERS = {
    "zh": "我们在北京看见三只猫，天气很好。ABC",
    "ja": "私達は東京で猫が好きです。本を読んだ人、2人いる。",
}
KOREAN = [
    "나는",
    "학교에서",
    "책을",
    "읽었다.",
    "고양이가",
    "좋아요!",
    "3마리",
    "서울의",
]


def sentence(random: np.random.Generator, language: str) -> str:
    size = int(random.integers(1, 14))
    if language in CHARACTERS:
        return "".join(random.choice(list(CHARACTERS[language]), size))
    return " ".join(random.choice(KOREAN if language == "ko" else WORDS, size))


def noisy(random: np.random.Generator, line: str, language: str) -> str:
    units = list(line) if language in CHARACTERS else line.split()
    units = [unit for unit in units if random.random() > 0.25]
    text = ("" if language in CHARACTERS else " ").join(units)
    return text if random.random() > 0.1 else ""


def generated(seed: int, language: str) -> tuple[list[str], list[list[str]]]:
    random = np.random.default_rng(seed)
    size, count = int(random.integers(2, 40)), seed % 3 + 1
    first = [sentence(random, language) for _ in range(size)]
    hypotheses = [noisy(random, line, language) for line in first]
    hypotheses[0] = first[0]
    others = [
        [noisy(random, line, language) or line for line in first]
        for _ in range(count - 1)
    ]
    return hypotheses, [first, *others]
