"""Generated lines of text like those of documents: words, names, numbers, dates, prices, codes and punctuation.

Half of the words are common English ones (`words.txt`), and the others consist of random syllables, so that a network
cannot rely on a vocabulary.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from random import Random

WORDS = tuple(Path(__file__).with_name("words.txt").read_text(encoding="utf-8").split())
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
SYLLABLES = (  # onsets, nuclei and codas; frequent ones are listed several times
    "b c d f g h j k l m n p qu r s t v w y z bl br ch cl cr dr fl fr gl gr ph pl pr sc sh sk sl sm sp st sw th tr wh",
    "a e i o u a e i o a e y ai ea ee ie io oa oo ou ue",
    "b ck d f g l ll m n ng nd nt p r rd rk rm s ss st t tt th x ff ft mp lt",
)
ONSETS, NUCLEI, CODAS = (parts.split() for parts in SYLLABLES)
CODAS += [""] * 3
SYMBOLS = "!\"#$%&'()*+,-./:;=?@[]_€£"
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 " + SYMBOLS
# Latin-1 and Latin Extended-A but for signs that stand alone, and the quotes and dashes of typesetters
LATIN = ALPHABET + "".join(
    chr(code)
    for code in [*range(0xA1, 0x180), *map(ord, "‘’‚“”„–—•…™")]
    if chr(code) not in ALPHABET + "¨¯´¸\xad¦¬¤ªº¹²³µŉĿŀſĸ"
)
EXCERPT = 60  # characters
TYPESET = {"'": "‘’’", '"': "“”„", "-": "–—", ".": "…•"}


def _variants() -> dict[str, str]:
    """The letters of `LATIN` with accents, and signs of typesetters, by the plain one that each may stand for."""
    variants = dict(TYPESET)
    for character in LATIN[len(ALPHABET) :]:
        plain = unicodedata.normalize("NFD", character)[0]
        plain = {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ß": "s", "æ": "a", "Æ": "A", "œ": "o", "Œ": "O"}.get(
            plain, plain
        )
        plain = {"đ": "d", "Đ": "D", "ı": "i", "ħ": "h", "Ħ": "H", "ŧ": "t", "Ŧ": "T", "ð": "d", "þ": "p"}.get(
            plain, plain
        )
        if plain != character and plain.isalpha():
            variants[plain] = variants.get(plain, "") + character
    return variants


VARIANTS = _variants()
OTHERS = "".join(c for c in LATIN[len(ALPHABET) :] if c not in "".join(VARIANTS.values()))


def accented(text: str, random: Random) -> str:
    """A text some of whose characters become those with accents, or those of typesetters."""
    share = random.choice((0.05, 0.15, 0.3))
    parts = [random.choice(VARIANTS[c]) if c in VARIANTS and random.random() < share else c for c in text]
    if random.random() < 0.1:
        parts[random.randrange(len(parts))] = random.choice(OTHERS)
    return "".join(parts)


def phrase(random: Random, shortest: int = 1, longest: int = 40) -> str:
    """A line of `shortest` to `longest` characters of `ALPHABET`, 16 on average, that neither starts nor ends blank."""
    while True:
        length = min(longest, max(shortest, round(random.gammavariate(2.2, 7.5))))
        style = random.random()
        text = ""
        while len(text) < length:
            text += (" " if text else "") + _token(random, style)
        text = text[:length].strip()
        if len(text) >= shortest:
            return text


def excerpt(words: Sequence[str], random: Random) -> str:
    """A line of 1 to `EXCERPT` characters of a running text, 25 on average; one in ten is in capitals."""
    length = min(EXCERPT, max(1, round(random.gammavariate(2.5, 10))))
    place = random.randrange(len(words))
    text = words[place]
    while len(text) < length:
        place = (place + 1) % len(words)
        text = f"{text} {words[place]}"
    text = text[:length].strip()
    return text.upper() if random.random() < 0.1 else text


def _token(random: Random, style: float) -> str:
    """A word, a number, a date or the like, with punctuation."""
    kind = random.random()
    if kind < 0.68:
        token = _cased(random, _word(random), style)
    else:
        others = (_name, _number, _number, _date, _time, _price, _code, _address, _symbols)
        token = random.choice(others)(random)
    return _punctuated(random, token)


def _word(random: Random) -> str:
    if random.random() < 0.5:
        return random.choice(WORDS)
    parts = [random.choice(ONSETS) + random.choice(NUCLEI) + random.choice(CODAS) for _ in range(random.randint(1, 3))]
    return "".join(parts)


def _cased(random: Random, word: str, style: float) -> str:
    """A word in small letters, in capitals or capitalized, mostly according to the line's style."""
    if style < 0.15:
        return word.upper()
    return word.capitalize() if random.random() < (0.8 if style < 0.3 else 0.15) else word


def _punctuated(random: Random, token: str) -> str:
    kind = random.random()
    if kind < 0.24:
        return token + random.choice(",,,,,....:;!?-")
    if kind < 0.31:
        return random.choice(("({})", "({})", '"{}"', '"{}"', "'{}'", "[{}]", "{}'s", "*{}")).format(token)
    if kind < 0.36:
        return token + random.choice("---//&+_") + _word(random)
    return token


def _name(random: Random) -> str:
    return random.choice(("", "Mr ", "Ms ", "Dr. ", "J. ", "St. ")) + _word(random).capitalize()


def _digits(random: Random, shortest: int, longest: int) -> str:
    return "".join(random.choice("0123456789") for _ in range(random.randint(shortest, longest)))


def _number(random: Random) -> str:
    number = _digits(random, 1, 6)
    return random.choice(
        (number, number, f"{int(number):,}", f"{number}.{_digits(random, 1, 3)}", f"{number}%", f"-{number}")
    )


def _date(random: Random) -> str:
    day, month, year = random.randint(1, 28), random.randint(1, 12), random.randint(1900, 2039)
    name = MONTHS[month - 1]
    return random.choice(
        (
            f"{day:02}/{month:02}/{year}",
            f"{day:02}.{month:02}.{year % 100:02}",
            f"{year}-{month:02}-{day:02}",
            f"{day} {name} {year}",
            f"{name} {day}, {year}",
            f"{day}-{name[:3]}-{year % 100:02}",
        )
    )


def _time(random: Random) -> str:
    hour, minute = random.randint(0, 23), random.randint(0, 59)
    return random.choice(
        (f"{hour:02}:{minute:02}", f"{hour % 12 + 1}.{minute:02} pm", f"{hour % 12 + 1}:{minute:02}am")
    )


def _price(random: Random) -> str:
    whole, cents = int(_digits(random, 1, 4)), _digits(random, 2, 2)
    currency = random.choice("$£€")
    return random.choice((f"{currency}{whole}.{cents}", f"{currency}{whole:,}", f"{whole},{cents} {currency}"))


def _code(random: Random) -> str:
    """Capitals and digits: I and l have one shape in many fonts, so a code has no small letters."""
    parts = [
        "".join(random.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(random.randint(1, 4))),
        _digits(random, 1, 5),
    ]
    random.shuffle(parts)
    return random.choice(("", "#")) + random.choice(("-", "/", "", "_")).join(parts)


def _address(random: Random) -> str:
    host = f"{_word(random)}.{random.choice(('com', 'org', 'net', 'co.uk', 'de'))}"
    return random.choice(
        (f"{_word(random)}@{host}", f"www.{host}", f"{_digits(random, 1, 3)} {_word(random).capitalize()} Rd")
    )


def _symbols(random: Random) -> str:
    return random.choice((f"{_digits(random, 1, 3)}={_digits(random, 1, 3)}", random.choice(SYMBOLS), "&", "+", "..."))
