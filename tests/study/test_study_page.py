"""The study's page: what is put into it can neither become markup nor leave the script's data."""

import base64
import hashlib
import json
import re

import pytest
from PIL import Image

from stargan_fw_study.study_page import PageQuestion, draw_page

EVIL = "</script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def evil_page():
    picture = Image.new("RGB", (4, 4))
    return draw_page(EVIL, [PageQuestion("q", [EVIL, "größer & <b>"], picture, {"a": picture, "b": picture})])[1]


def test_a_title_or_label_with_a_script_is_text(evil_page):
    assert "<script>alert" not in evil_page
    assert evil_page.count("&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert evil_page.count("<script") == 2


def test_the_page_reads_the_questions_as_they_were_given(evil_page):
    (document,) = re.findall(r'<script type="application/json" id="study">(.*?)</script>', evil_page, re.DOTALL)
    assert json.loads(document)["questions"][0]["wanted"] == [EVIL, "größer & <b>"]


@pytest.mark.parametrize("element", ["style", "script"])
def test_the_policy_allows_the_page_its_own_style_and_script(evil_page, element):
    (text,) = re.findall(rf"<{element}>(.*?)</{element}>", evil_page, re.DOTALL)
    allowed = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    assert f"{element}-src 'sha256-{allowed}'" in evil_page
