"""How people spell yes and no, amounts with units, dates, and one word in several ways."""

# ruff: noqa: RUF001 - letters that look alike are what this is about

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Yes and no in other languages, and signs for them. Columns of these are learned as two classes, so a line that makes them
# one label is offered.
PAIRS = (
    "ja nein|ja nee|ja nej|ja nei|oui non|si no|sí no|sì no|sim não|sim nao|tak nie|ano ne|áno nie|evet hayır|igen nem"
    "|да нет|da ne|da nu|kyllä ei|ναι όχι|是 否|有 无|有 無|はい いいえ|あり なし|예 아니오|네 아니오|نعم لا|כן לא|हाँ नहीं"
    "|j n|o n|s n|wahr falsch|vrai faux|vero falso|verdadero falso|verdadeiro falso|waar onwaar|prawda fałsz|истина ложь"
    "|on off|present absent|positive negative|with without|mit ohne|avec sans|con sin|.true. .false.|#true# #false#"
    "|✓ ✗|✓ ✘|✓ x|✓ ×|✔ ✘|✔ ✗|✔ ✖|✔ x|✅ ❌|☑ ☐|☒ ☐|● ○|■ □|x o|+ -|✓ -|✔ -|x -"
)
_YES_AND_NO = {frozenset(pair.split(" ")): pair.split(" ")[0] for pair in PAIRS.split("|")}
TICKS = frozenset(_YES_AND_NO.values()) | frozenset("×☓✕✖•√v") | {"checked", "ok"}  # beside empty cells
INVISIBLE = "\u00ad\u200b\u2060\ufeff"
_AT_ENDS = INVISIBLE + "\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069"
_BLANKS = re.compile(r"\s*[\r\n]\s*|[^\S\t ]")
_SIGNS = str.maketrans(  # and letters that look like Latin ones, in capitals or not
    "\u2018\u2019\u02bc\u00b4`\u201c\u201d\u2010\u2011\u2012\u2013\u2014\u2212авеѕіјкмнорстухαβεζηικμνορτυχ",
    "'''''\"\"------abesijkmhopctyxabezhikmnoptyx",
    "\ufe0e\ufe0f" + _AT_ENDS,
)
_UNITS = (
    r"%|‰|°c?|\$|€|£|¥|px|pt|yrs?\.?|years?( old)?|y/?o|jahre?|j\.|ans|años|anni|歳|岁|mos?\.?|months?|monate?|mois|weeks?|wks?"
    r"|days?|tage?|jours|hours?|hrs?|h|mins?|secs?|ms|mm|cm|m|km|in|inch(es)?|ft|[\"']|kg|g|mg|lbs?|oz|kb|mb|hz|khz|mhz|db|deg"
)
AMOUNT = re.compile(rf"([$€£¥~<>≥≤]\s*)?[-+]?\d[\d.,' ]*\s*({_UNITS})?", re.IGNORECASE)
_MONTHS = "jan|feb|fév|mar|mär|apr|abr|avr|may|mai|maj|jun|juin|jul|juil|aug|ago|aoû|sep|set|okt|oct|out|nov|dec|dez|déc|dic|ene"
DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}( .*)?|\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?"
    rf"|\d{{1,2}}(st|nd|rd|th)?[-. ]+(of )?({_MONTHS})[^\W\d]*[-., ]+(\d{{2}}|\d{{4}})( .*)?"
    rf"|({_MONTHS})[^\W\d]*[-. ]+(\d{{1,2}}(st|nd|rd|th)?,? )?\d{{4}}|\d{{4}}年.*",
    re.IGNORECASE,
)
MANGLED = re.compile(rf"(\d{{1,2}}\.?[- ]({_MONTHS})|({_MONTHS})[- ]\d{{2}})[^\W\d]*\.?", re.IGNORECASE)
RANGE = re.compile(r"\d+\s?[-\u2010-\u2014]\s?\d+")


def clean(text: str) -> str:
    """Returns a text without invisible signs, with plain blanks for others and for line breaks."""
    if text.isascii() and "\n" not in text and "\r" not in text:
        return text.strip()
    return _BLANKS.sub(" ", text.translate(dict.fromkeys(map(ord, INVISIBLE)))).strip(" \t" + _AT_ENDS)


def fold(text: str) -> str:
    """Returns what is equal for texts that a person would take for the same: Cat and cat, O'Neil and O’Neil, 01 and 1."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_SIGNS)
    if re.fullmatch(r"\d+", folded):
        return folded.lstrip("0") or "0"
    joined = re.sub(r"(?<=\w)[\s_-]+(?=[^\W\d])|(?<=[^\W\d])[\s_-]+(?=\w)|[\s_]+", " ", folded)
    return joined.strip().rstrip(".,;:") or joined


def read_yes_and_no(known: Iterable[str]) -> dict[str, bool] | None:
    """Returns what values mean if they are yes and no in another language, or signs for them."""
    texts = {_fold_sign(text): text for text in known}
    yes = _YES_AND_NO.get(frozenset(texts))
    return None if yes is None else {text: folded == yes for folded, text in texts.items()}


def is_tick(text: str) -> bool:
    """Returns whether a text marks something beside empty cells: x, ✓, ja."""
    return _fold_sign(text) in TICKS


def _fold_sign(text: str) -> str:
    return text.translate({0xFE0E: None, 0xFE0F: None}).casefold()


def has_unit(text: str) -> bool:
    """Returns whether a text is a number with a unit, such as "35 yrs" or "12%"."""
    found = AMOUNT.fullmatch(text)
    return found is not None and (found[1] is not None or found[2] is not None)


def split_unit(text: str) -> tuple[str, str]:
    """Returns the number and the unit of an amount such as "35 yrs"; of other texts the whole text and no unit."""
    found = re.fullmatch(rf"([-+]?\d[\d.,]*)\s*({_UNITS})", text, re.IGNORECASE)
    return (found[1], found[2].casefold()) if found else (text, "")


def amount_of(text: str) -> str:
    """Returns the number in an amount, with a decimal point."""
    return re.sub(r"[^\d.,+-]", "", text).replace(",", ".")


def seem_mangled(known: Iterable[str]) -> list[str]:
    """Returns values that a spreadsheet seems to have turned from ranges into dates: Mar-09 beside 0-2 and 20-29."""
    texts = list(known)
    dates = [text for text in texts if MANGLED.fullmatch(text)]
    return dates if any(map(RANGE.fullmatch, texts)) else []
