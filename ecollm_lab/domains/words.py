r"""Text as comparable words: letters of any script, numbers with their signs, units, currencies.

Two texts are compared word by word. What only looks different becomes equal (case, accents of Latin
and Greek letters, digits of other scripts, "1,000" and "1000", "$20" and "20 USD", "below 3" and
"< 3", "5 watts" and "5 W"); what tells answers apart stays (signs, comparators, units, currencies,
letters).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

# Scripts that are written without spaces: each letter is a word of its own.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai and Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Japanese kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
MAX_NAME = 3  # letters before a digit that make a name with it: T2, IP65
_HANGUL = "\u1100-\u11ff\uac00-\ud7ff"  # endings follow a word without a space
_HAN_NUMBER = "〇零一二三四五六七八九十百千万萬亿億两兩"
MARKS = (  # signs above, below and around letters, which are part of a word
    "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u0981-\u0983\u09bc-\u09cd\u0a01-\u0a4d"
    "\u0a81-\u0acd\u0b01-\u0b4d\u0b82-\u0bcd\u0c00-\u0c4d\u0c81-\u0ccd\u0d00-\u0d4d\u0d82-\u0ddf"
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd\u102b-\u103e\u17b4-\u17d3"
)
_POINTS = "[\u0591-\u05c7\u064b-\u0652]"  # vowels of Hebrew and Arabic, mostly left out
_CURRENCIES = {
    "usd": r"us\$|\$|usd\b|(?:us )?dollars?\b",
    "eur": r"€|eur\b|euros?\b",
    "gbp": r"£|gbp\b",
    "yen": r"¥|yen\b|jpy\b",
    "inr": r"₹|inr\b|rupees?\b",
    "cent": r"¢|cents?\b",
}
_UNITS = {  # after a number
    "kwh": r"kilowatt[- ]?hours?",
    "kw": r"kilowatts?",
    "w": r"watts?",
    "v": r"volts?",
    "a": r"amps?|amperes?",
    "h": r"hours?|hrs?",
    "min": r"minutes?|mins",
    "s": r"seconds?|secs?",
    "km": r"kilometres?",
    "cm": r"centimetres?",
    "mm": r"millimetres?",
    "m": r"metres?",
    "kg": r"kilograms?|kilos?",
    "g": r"grams?|grammes?",
    "ml": r"millilitres?",
    "l": r"litres?",
}
_NUMBER = r"-?\d+(?:[.,:/]\d+)*"
_MORE, _LESS = "more|greater|higher|larger|longer", "less|fewer|lower|smaller|shorter"
_COMPARATORS = {
    "≥": rf"at least|(?:no|not) (?:{_LESS}) than|>=|=>|≥",
    "≤": rf"at most|(?:no|not) (?:{_MORE}) than|up to|<=|=<|≤",
    ">": rf"(?:{_MORE}) than|above|over|exceeding|>",
    "<": rf"(?:{_LESS}) than|below|under|<",
}
_TOKEN = re.compile(
    rf"{_NUMBER}|[{_HAN_NUMBER}]+|[{UNSPACED}][{MARKS}]*|[{_HANGUL}]"
    rf"|(?:(?![{UNSPACED}{_HANGUL}])[^\W\d_][{MARKS}]*)+|[<>≥≤≠±≈%°+]|[^\W_]"
)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text; no match may begin at a word of `inside`, such as the 2 of "T2".

    Nor may one end before a number in a name, such as the T of "T2" or the m of "20 m²".
    """

    words: tuple[str, ...]
    inside: frozenset[int] = frozenset()

    def contain(self, other: Words) -> bool:
        """Tell whether the words of another text occur here in a row; never for an empty one."""
        n = len(other.words)
        return n > 0 and any(
            self.words[i : i + n] == other.words
            and i not in self.inside
            and not (i + n in self.inside and self.words[i + n][0].isdigit())
            for i in range(len(self.words) - n + 1)
        )


@lru_cache(maxsize=20_000)
def read_words(text: str) -> Words:
    """Return the words of a text.

    Examples
    --------
    >>> read_words("Über -5 °C, $1,000 or 2.2bar").words
    ('uber', '-5', '°', 'c', '1000', 'usd', 'or', '2.2', 'bar')

    """
    text = _plain_letters(_plain_numbers(text))
    words: list[str] = []
    inside, end, before = set(), -1, ""
    for found in _TOKEN.finditer(text):
        word = found[0]
        if found.start() == end:
            in_name = word[0].isdigit() and before.isalpha() and len(before) <= MAX_NAME
            ending = re.match(f"[{_HANGUL}]", word) and re.match(f"[{_HANGUL}]", before)
            if (in_name and not re.match(f"[{UNSPACED}]", before)) or ending:
                inside.add(len(words))
        words.append(word)
        end, before = found.end(), word
    return Words(tuple(words), frozenset(inside))


def normalise(text: str) -> str:
    """Return the words of a text with single spaces between them."""
    return " ".join(read_words(text).words)


def spaced(text: str) -> str:
    """Return a text whose unspaced scripts are cut into overlapping pairs of letters.

    Examples
    --------
    >>> spaced("每六周")
    '每六 六周'

    """

    def pairs(found: re.Match[str]) -> str:
        run = found[0] if len(found[0]) > 1 else 2 * found[0]
        return " " + " ".join(run[i : i + 2] for i in range(len(run) - 1)) + " "

    return re.sub(rf"[{UNSPACED}]+", pairs, text).strip()


def _plain_numbers(text: str) -> str:
    """Write digits, signs and separators of numbers, degrees and fractions in one way."""
    text = re.sub(r"(?<=\d)[\u00a0\u2009\u202f'’](?=\d{3}(?!\d))", "", text)
    text = re.sub(
        r"(?<![\d.,])[1-9]\d{0,2}(?: \d{3})* 000(?!\d)", lambda m: m[0].replace(" ", ""), text
    )
    text = re.sub(r"(?<=\d)(?=[½⅓⅔¼¾⅛⅜⅝⅞])", " ", text)
    text = re.sub(r"º(?=\s*[CF]\b)", "°", text)
    text = unicodedata.normalize("NFKC", text)
    text = "".join(
        str(unicodedata.decimal(c)) if c.isdecimal() else c
        for c in text
        if unicodedata.category(c) not in ("Cf", "Cs")
    )
    text = text.replace("\u2044", "/").replace("\u066b", ".").replace("\u066c", ",")
    text = re.sub(r"[\u2010-\u2013\u2212]", "-", text)
    text = re.sub(r"(?<!\w)\+(?=\d)", "", text)
    text = re.sub(r"(?<![\w)-])(?:minus|negative) (?=\d)", "-", text, flags=re.IGNORECASE)
    text = re.sub(r"(?<=[\w)])-(?=\d)", " ", text)  # a range or a part of a name, no sign
    text = re.sub(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])", lambda m: m[0].replace(",", ""), text)
    text = re.sub(r"(?<![\w.])\.(?=\d)", "0.", text)
    text = re.sub(r"(?<![\w.,/])(\d+) ([1-9])/([2-9])(?![\w/])", _mixed_number, text)
    text = re.sub(r"(\d\.\d+)/(\d+)\s*(?=([kMG]?Hz)\b)", r"\1 \3/\2 ", text)  # 2.4/5 GHz
    text = re.sub(r"(?<=\d)\s*(?:°|degrees? )\s*([CF])\b", r"° \1", text)
    text = re.sub(r"(?<=\d)\s*([CF])\b(?!\w)", r"° \1", text)
    mega = r"(?<=\d)\s*M(?=(?:W|Wh|VA?|J|N|Pa|Hz|Ω)\b)"  # a megawatt is no milliwatt
    return re.sub(r"[~∼]", "≈", re.sub(mega, " mega", text))


def _mixed_number(found: re.Match[str]) -> str:
    """Write "1 1/2" as "1.5"; what is no such number stays."""
    whole, above, below = map(int, found.groups())
    return f"{whole + above / below:.3f}".rstrip("0") if above < below else found[0]


def _plain_letters(text: str) -> str:
    """Fold case and accents, and write units, currencies and comparators in one way."""
    text = _without_accents(text.casefold())
    text = re.sub(r"\b(?:can't|cannot)\b", "can not", text.replace("’", "'"))
    text = re.sub(r"(?<=[a-z])n't\b", " not", text)
    text = re.sub(r"\b(?:per cent|percent)\b", "%", text)
    text = re.sub(r"\bdegrees?\b(?: celsius\b)?", lambda m: "° c" if "c" in m[0] else "°", text)
    text = re.sub(r"° celsius\b", "° c", text)
    text = re.sub(r"° fahrenheit\b", "° f", text)
    for code, forms in _CURRENCIES.items():
        text = re.sub(rf"(?<!\w)(?:{forms})\s*({_NUMBER})", rf"\1 {code} ", text)
        text = re.sub(rf"({_NUMBER})\s*(?:{forms})", rf"\1 {code} ", text)
    for code in ("usd", "eur"):  # "20 dollars 50 cents" is one price
        text = re.sub(rf"(?<![\d.,])(\d+) {code}\s+(?:and )?(\d) cent\b", rf"\1.0\2 {code}", text)
        text = re.sub(rf"(?<![\d.,])(\d+) {code}\s+(?:and )?(\d\d) cent\b", rf"\1.\2 {code}", text)
    text = re.sub(r"(met|lit)er(?=s?\b)", r"\1re", text)
    for unit, forms in _UNITS.items():
        text = re.sub(rf"(?<=\d)[\s-]*(?:{forms})\b", f" {unit}", text)
    for sign, forms in _COMPARATORS.items():
        text = re.sub(rf"(?<!\w)(?:{forms})\s*(?={_NUMBER})", f" {sign} ", text)
    return text


def _without_accents(text: str) -> str:
    """Drop accents of Latin and Greek letters and vowel points of Arabic and Hebrew."""
    out, base = [], ""
    for c in unicodedata.normalize("NFD", text):
        if not unicodedata.combining(c):
            base = c
        elif re.match("[\0-\u024f\u0370-\u03ff]", base) or re.match(_POINTS, c):
            continue
        if c != "\u0640":  # a stroke that stretches Arabic words
            out.append(c)
    return unicodedata.normalize("NFC", "".join(out))


def alternatives(fact: str) -> Sequence[str]:
    """Return the wordings of a fact, which " | " separates."""
    return fact.split(" | ")
