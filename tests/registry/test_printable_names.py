"""What names may hold, and what a message shows instead of what cannot be shown."""

import pytest
from hypothesis import given, strategies as st

from stargan_fw_registry import Binary, LabelError
from stargan_fw_registry.names import is_printable, printable

HIDDEN = ["\x00", "\x1b[31m", "\r", "\n", "\x7f", "\x9b2J", "\u2028", "\u202e", "\u2066", "\ud800"]
SHOWN = ["Blond_Hair", "[red]", "Ærlig", "笑顔", "می\u200cخندد", "👨\u200d👩\u200d👧", "two words", "x\u00a0y"]


@pytest.mark.parametrize("name", SHOWN)
def test_a_name_in_any_script_is_shown_as_it_is(name):
    assert is_printable(name)
    assert printable(name) == name
    assert Binary(name).name == name


@pytest.mark.parametrize("character", HIDDEN)
def test_a_name_that_cannot_be_shown_is_refused(character):
    with pytest.raises(LabelError, match="cannot be shown: rename it") as caught:
        Binary(f"a{character}b")
    assert is_printable(str(caught.value))


@given(st.text(st.characters()))
def test_a_printable_text_is_one_line_of_utf_8(text):
    shown = printable(text)

    assert is_printable(shown)
    assert len(shown.splitlines()) <= 1
    shown.encode()
    assert printable(shown) == shown
