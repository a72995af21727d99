"""What the values of a column are: classes, yes and no, nothing known, or something that is no label."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from stargan_fw.data.images import IMAGE_SUFFIXES
from stargan_fw_plugins.datasets.spellings import DATE, amount_of, fold, has_unit
from stargan_fw_plugins.datasets.split_names import means_split, names_splits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# How spreadsheets, databases and pandas write that nothing is known.
MISSING = _words(
    "na n/a n.a. n.a #n/a #na nan -nan +nan null #null! nil nat <na> <nan> <null> <none> (null) (na) (blank) "
    "[null] \\n #value! #ref! #name? #div/0! #num! -1.#ind 1.#qnan 1.#ind"
)
MARKS = re.compile(r"[-\u2010-\u2015\u2212_.?*\u2026\uff1f]+")  # a cell of dashes, dots or question marks
# Words that say the same, or are a class: "none" of the glasses.
MISSING_OR_CLASS = frozenset(
    {"none", "unknown", "unk", "missing", "undefined", "unspecified", "not specified", "not available", "no data"}
    | {"not applicable", "not known", "unlabeled", "unlabelled", "not labeled", "not labelled", "unannotated", "empty"}
    | {
        "unbekannt",
        "keine angabe",
        "k.a.",
        "k. a.",
        "inconnu",
        "inconnue",
        "non renseigné",
        "desconocido",
        "desconocida",
    }
    | {
        "sin datos",
        "desconhecido",
        "sconosciuto",
        "onbekend",
        "n.v.t.",
        "okänd",
        "ukendt",
        "неизвестно",
        "未知",
        "不明",
        "不详",
    }
)
YES, NO = frozenset({"true", "yes", "y", "1", "+1"}), frozenset({"false", "no", "n", "0", "-1"})
SHORT_YES, SHORT_NO = frozenset({"true", "t"}), frozenset({"false", "f"})  # letters could be classes beside y and n
NOTES = _words(
    "caption captions note notes comment comments remark remarks description descriptions text prompt title url "
    "urls link date time datetime timestamp created modified updated author annotator rater worker source license "
    "licence credit copyright filename filepath path file hash md5 sha1 sha256 uuid guid pixels"
)
AMOUNTS = _words(
    "age ages width height w h x y x1 x2 y1 y2 xmin xmax ymin ymax left top right bottom year month day size "
    "bytes count index idx row id ids score confidence conf prob probability lat lon latitude longitude valence "
    "arousal pitch yaw roll weight price rating quality frame seconds duration fold folds"
)
# Amounts that say something about what is on the picture. (The others say where it is, or number it.)
TELLING = _words("age ages weight price rating quality score valence arousal pitch yaw roll year duration")
CODED = _words("age ages rating quality")  # amounts that are often classes: 0 for children, 1 for adults
CLASS_WORDS = frozenset({"class", "label", "category", "target", "emotion", "expression"})
IDENTITIES = _words(
    "identity identityid celebid celebrity person personid personname patient patientid subject subjectid subjid "
    "participant participantid individual individualid actor actorid speaker speakerid"
)
URL = re.compile(r"(https?|s3|gs|ftp|file|data):\S+", re.IGNORECASE)
_IMAGE_ENDINGS = (*IMAGE_SUFFIXES, ".dib", ".pbm", ".tga", ".dcm", ".j2k", ".jxl", ".apng")
IMAGE_NAME = re.compile(rf".*({'|'.join(map(re.escape, _IMAGE_ENDINGS))})\s*", re.IGNORECASE)
MOST_CLASSES = 100  # in a column that `labels` does not name
MOST_NUMBERS = 30  # different numbers that may be classes
FEW = 5  # values of which each may have a single image, in a tiny table


@dataclass(frozen=True)
class Choice:
    """One of the things that a doubtful column may mean, and what to configure for it.

    Attributes:
        meaning: ends a sentence that begins with "if": "-1 means no".
        learn: whether the column is a label; None if it is one in any case.
        values: value in the table → its new name, for `values`.
    """

    meaning: str
    learn: bool | None = None
    values: Mapping[str, str | bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Doubt:
    """What nobody but a person can decide about a column: the reason, and what can be meant, the likeliest first.

    `otherwise` says how to read the column in a third way, with a line to paste; or it is empty.
    """

    reason: str
    choices: tuple[Choice, Choice]
    otherwise: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether a column that nobody named is a label: "left out" and "doubtful" have a reason."""

    kind: Literal["label", "left out", "doubtful"]
    reason: str = ""


LABEL = Verdict("label")


def find_missing(known: Iterable[str]) -> set[str]:
    """Returns which of the texts say for certain that nothing is known."""
    texts = set(known)
    found = {text for text in texts if text.casefold() in MISSING or MARKS.fullmatch(text)}
    found -= {text for text in found if text == "-" and "+" in texts}
    return found if not _are_codes(texts - found) else found - {"NA"}


def doubt_missing(known: Sequence[str]) -> tuple[set[str], list[Doubt]]:
    """Returns which of the texts say in this company that nothing is known, and those that may be classes as well."""
    words = {text for text in known if text.casefold() in MISSING_OR_CLASS or text == "NA"}
    others = set(known) - words
    if not words or not others or is_yes_or_no(others) or all(map(is_number, others)):
        return words, []
    some = _quote(sorted(others))
    return set(), [
        Doubt(
            f"'{word}' beside {some} is a class, or says that nothing is known",
            (Choice(f"'{word}' means unknown", values={word: ""}), Choice(f"'{word}' is a class", values={word: word})),
        )
        for word in sorted(words)
    ]


def _are_codes(texts: set[str]) -> bool:
    """Returns whether all are codes of two capitals, such as of countries: NA is Namibia, or North America."""
    return len(texts) > 1 and all(len(text) == 2 and text.isalpha() and text.isupper() for text in texts)


def is_yes_or_no(known: Iterable[str]) -> bool:
    """Returns whether all texts mean yes or no, however they are written."""
    folded = {text.casefold() for text in known}
    return bool(folded) and (folded <= YES | NO or folded <= SHORT_YES | SHORT_NO)


def means_yes(text: str) -> bool:
    return text.casefold() in YES | SHORT_YES


def doubt_minus_one(known: Iterable[str]) -> list[Doubt]:
    """Returns a doubt if -1 stands beside 0 or another "no", or beside the numbers of classes."""
    others = {text.casefold() for text in known} - {"-1"}
    if len(others) == len(set(known)) or not others or others <= YES:
        return []
    if is_yes_or_no(others):
        reason, second = (
            "-1 beside 0 and 1 means no, or that nothing is known",
            Choice("-1 means no", values={"-1": False}),
        )
        if not others <= {"0", "1"}:
            reason = f"-1 beside {_quote(sorted(others))} means no, or that nothing is known"
    elif all(map(is_number, others)):
        reason, second = "-1 is a class, or says that nothing is known", Choice("-1 is a class", values={"-1": "-1"})
    else:
        return []
    return [Doubt(reason, (Choice("-1 means unknown", values={"-1": ""}), second))]


def doubt_spelling(known: Iterable[str]) -> list[Doubt]:
    """Returns a doubt if values differ in capitals, blanks or signs only."""
    same: dict[str, list[str]] = {}
    for text in sorted(known):
        same.setdefault(fold(text), []).append(text)
    return [
        Doubt(
            f"{_quote(texts)} differ in {_difference(texts)} only",
            (
                Choice("they are one class", values=dict.fromkeys(texts, max(texts, key=_plainness))),
                Choice("they are different classes", values={text: text for text in texts}),
            ),
        )
        for texts in same.values()
        if len(texts) > 1
    ]


def _plainness(text: str) -> tuple[bool, bool, bool, str]:
    """Returns what is greatest for the plainest of several spellings."""
    return text.isascii(), text[-1:].isalnum(), not text.startswith("0"), text


def _difference(texts: Sequence[str]) -> str:
    same = {" ".join(re.split(r"[\s_]+", text.casefold())) for text in texts}
    if len(same) == 1:
        return "capitals and blanks"
    strange = dict.fromkeys(sign for text in texts if not text.isalpha() or not text.isascii() for sign in text)
    named = ", ".join(f"U+{ord(sign):04X}" for sign in strange if not sign.isascii())
    return f"capitals, blanks, leading zeros or signs that look alike{f' ({named})' if named else ''}"


def judge(column: str, counts: Mapping[str, int]) -> Verdict:
    """Returns whether a column is a label that nobody needs to confirm.

    Args:
        column: its name.
        counts: known value → number of rows.
    """
    words = name_words(column)
    if len(counts) < 2:
        said = f"it says {_quote(counts)} in every row, or nothing" if counts else "no cell says anything"
        return Verdict("left out", said)
    if is_yes_or_no(counts) or set(counts) <= {"0", "1", "-1"}:
        about_split = names_splits(column) or any(map(means_split, words))
        return Verdict("doubtful", "by its name, it tells images for tests from others") if about_split else LABEL
    if all(map(is_number, counts)):
        return _judge_numbers(words, counts)
    for pattern, what in ((IMAGE_NAME, "names of images"), (URL, "addresses"), (DATE, "dates")):
        if sum(bool(pattern.fullmatch(text)) for text in counts) * 2 > len(counts):
            return Verdict("left out", f"{what}, such as {_quote(counts)}")
    if all(is_number(text) or has_unit(text) for text in counts):
        numbers: Counter[str] = Counter()
        for text, count in counts.items():
            numbers[amount_of(text)] += count
        if all(map(is_number, numbers)):
            return _judge_numbers(words, numbers)
    return _judge_words(words, counts)


def _judge_numbers(words: set[str], counts: Mapping[str, int]) -> Verdict:
    rows = sum(counts.values())
    numbers = sorted(map(float, counts))
    span = f"{len(counts)} numbers from {numbers[0]:g} to {numbers[-1]:g}"
    counted = numbers[0] in {0, 1} and numbers[-1] - numbers[0] == len(numbers) - 1 and len(numbers) <= 2 * FEW
    amounts = words & AMOUNTS and not words & CLASS_WORDS and not (counted and words & CODED)
    if amounts or any(number % 1 for number in numbers) or len(counts) > MOST_NUMBERS:
        return Verdict("left out", f"{span}: amounts, not classes")
    if len(counts) > FEW and rows <= 2 * len(counts):
        return Verdict("left out", f"{span} for {rows} images: no classes")
    return Verdict("doubtful", f"its {span} are classes, or amounts")


def _judge_words(words: set[str], counts: Mapping[str, int]) -> Verdict:
    if words & NOTES:
        return Verdict("left out", f"by its name, it says something about the image for people: {_quote(counts)}")
    rows = sum(counts.values())
    found = f"{len(counts)} texts for {rows} images, such as {_quote(counts)}"
    rare = rows <= 2 * len(counts)
    sentences = sum(len(text.split()) for text in counts) > 3 * len(counts)
    if rare and (len(counts) > FEW or sentences):
        return Verdict("left out", found)
    if words & {"id", "uuid", "guid"} and not words & CLASS_WORDS:
        return Verdict("left out", f"by its name, it numbers something: {_quote(counts)}")
    if len(counts) > MOST_CLASSES or (len(counts) > 2 * FEW and rows < 4 * len(counts)):
        return Verdict("doubtful", found)
    return LABEL


def names_people(column: str, counts: Mapping[str, int]) -> bool:
    """Returns whether a column says who is on an image: by its name, if the values are many or have digits."""
    if re.sub(r"[^a-z]", "", column.casefold()) not in IDENTITIES or is_yes_or_no(counts):
        return False
    return len(counts) >= 2 * FEW or (len(counts) > 1 and all(any(map(str.isdigit, text)) for text in counts))


def suggest_separator(counts: Mapping[str, int]) -> str | None:
    """Returns the sign that seems to divide several labels in one cell: their parts stand alone or together again."""
    for sign in "|;,+/":
        together = [text for text in counts if text.strip(f" {sign}").find(sign) > 0]
        parts = [part.strip() for text in counts for part in text.split(sign) if part.strip()]
        again = {part for part in parts if parts.count(part) > 1}
        if together and all(again.intersection(part.strip() for part in text.split(sign)) for text in together):
            return sign
    return None


def is_number(text: str) -> bool:
    try:
        return float(text) not in {float("inf"), float("-inf")}
    except ValueError:
        return False


def name_words(column: str) -> set[str]:
    """Returns the words of a column's name in small letters: of "face_Width" and "faceWidth", face and width."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column.rpartition(".")[2])
    return set(re.findall(r"[^\W_]+", spaced.casefold()))


def _quote(texts: Iterable[str], most: int = 3) -> str:
    listed = list(texts)
    some = ", ".join(f"'{text if len(text) <= 40 else text[:39] + '…'}'" for text in listed[:most])
    return some + (", …" if len(listed) > most else "")
