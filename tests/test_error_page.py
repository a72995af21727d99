"""docs/errors.md: every message that a wrong request gets, read from the code, and no message without a remedy."""

import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.fixture(scope="module")
def listing():
    """The module that lists the messages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        import list_errors

        yield list_errors
        for name in ("list_errors", "source_messages"):
            sys.modules.pop(name)


@pytest.fixture(scope="module")
def messages(listing):
    return [message for message in listing.Sources().messages if not message.passes_on]


def test_every_wrong_request_is_told_what_to_do(listing, messages):
    assert listing.find_mute(messages) == []
    assert len(messages) > 400


def test_the_page_is_current(listing, messages):
    """If not: `make house`."""
    assert listing.PAGE.read_text(encoding="utf-8") == listing.draw(messages)


def test_every_explanation_is_of_a_message(listing, messages):
    assert [words for words in listing.MEANINGS if not any(words in message.text for message in messages)] == []


SOURCE = '''
from stargan_fw.errors import DataError, RequestError

HINT = "Name another."

class LostError(DataError):
    """A lost file."""

def _describe(path, twice) -> str:
    why = "it is gone" if twice else "it is empty"
    return f"'{path}': {why}. {HINT}"

def check(path, names, error):
    if not path:
        raise RequestError("There is no path.")
    if error:
        raise LostError(f"{path} is lost: {error}")
    if names:
        raise DataError(_describe(path, True))
    try:
        check(path)
    except LostError as other:
        raise RequestError(f"No: {other}") from None
    raise LostError(f"{path}: no name; {closest(path, names)}" if names else "no. Give one.")
'''


def test_a_message_without_a_remedy_is_found(listing, tmp_path):
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "checks.py").write_text(
        "class RequestError(Exception): ...\nclass DataError(RequestError): ...\n" + SOURCE
    )

    found = listing.Sources(tmp_path).messages

    assert [message.text for message in found if message.remedy is None] == [
        "There is no path.",
        "⟨path⟩ is lost: ⟨error⟩",
    ]
    assert [message.parts for message in found if message.remedy] == [
        ("'⟨path⟩': (it is gone | it is empty).", "Name another."),
        ("No:", "⟨another message of this page⟩"),
        ("⟨path⟩: no name;", "⟨the name that you may have meant, or all known names⟩"),
        ("no.", "Give one."),
    ]
    assert {message.error for message in found} == {"RequestError", "DataError", "LostError"}
    assert len(listing.find_mute(found)) == 2
