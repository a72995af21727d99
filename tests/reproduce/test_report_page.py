"""The report's page: everything that comes from elsewhere is shown as text."""

from html.parser import HTMLParser

import pytest
from PIL import Image

from stargan_fw_evaluate import Evaluation
from stargan_fw_reproduce.experiment import Claim, Sheet, Table, Text
from stargan_fw_reproduce.experiment_report import Report, draw_page
from stargan_fw_reproduce.local_context import Measurement

EVIL = "</title></pre><script>alert(1)</script>\" onload='alert(2)'"


class Page(HTMLParser):
    """Collects the elements and the text of a page."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def evil_page():
    report = Report("evil", EVIL, EVIL, {EVIL: EVIL}, commands=[EVIL])
    report.add(Text(EVIL))
    report.add(Table(EVIL, [EVIL], [[EVIL, EVIL]], EVIL))
    report.add(Claim(EVIL, EVIL, holds=False))
    report.add(Sheet("sheet", EVIL, Image.new("RGB", (4, 4))))
    report.measurements = [Measurement(None, [EVIL], [Evaluation("run", "step", {}, notes=[EVIL])])]
    return Page(draw_page(report))


def test_no_text_becomes_an_element_or_an_attribute(evil_page):
    assert "script" not in {tag for tag, _ in evil_page.elements}
    assert not any("onload" in attributes for _, attributes in evil_page.elements)
    assert evil_page.text.count(EVIL) == 16  # one for each place that the fixture fills, two for title and heading


def test_a_picture_is_in_the_page_and_its_caption_says_what_it_shows(evil_page):
    (picture,) = (attributes for tag, attributes in evil_page.elements if tag == "img")
    assert picture["src"].startswith("data:image/png;base64,")
    assert picture["alt"] == EVIL


def test_what_a_report_does_not_have_gets_no_heading():
    text = Page(draw_page(Report("empty", "Empty", "About.", {"date": "2026-01-01", "steps": None}))).text
    for heading in ("Claims", "To be known", "What was trained", "Settings", "steps"):
        assert heading not in text
    assert "date: 2026-01-01" in text
