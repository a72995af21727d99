"""A worker's whole visit in a real browser: from the first question to the downloaded results, with a reload between.

Runs where chromium and chromedriver are installed (Debian: `apt-get install chromium chromium-driver`).
"""

import json
import time

import pytest

from stargan_fw_study.study_key import Key


@pytest.fixture
def study(cli, trained_once, tmp_path):
    """A folder with a study of four methods."""
    models = [f"{name}={trained_once}" for name in ("StarGAN", "DIAT", "CycleGAN", "IcGAN")]
    built = cli("study", "build", *models, "--questions", "8", "--checks", "2", "-o", tmp_path / "study")
    assert built.code == 0, built.err
    return tmp_path / "study"


def shown(browser):
    """What the page shows: the count, the options' ids from first to last, and the chosen one."""
    return browser.run("""
        const radios = [...document.querySelectorAll("#options input")];
        return {
            count: document.getElementById("count").textContent,
            options: radios.map((radio) => radio.value),
            chosen: radios.find((radio) => radio.checked)?.value,
            progress: document.getElementById("progress").value,
            loaded: [...document.images].every((image) => image.complete && image.naturalWidth > 0),
        }""")


def by_mouse(browser, number):
    browser.click(f"#options label:nth-of-type({number})")
    browser.click("#next")


def by_key(browser, number):
    browser.press(str(number), "Enter")


def by_arrows(browser, number):
    browser.press("ArrowRight")  # the first, where none is chosen
    assert shown(browser)["chosen"] == shown(browser)["options"][0]
    across, down = (number - 1) % 2, (number - 1) // 2
    browser.press(*["ArrowRight"] * across, *["ArrowDown"] * down, "Enter")


def by_touch(browser, number):
    browser.tap(f"#options label:nth-of-type({number})")
    browser.tap("#next")


HANDS = (by_mouse, by_key, by_arrows, by_touch)


def test_a_worker_answers_everything_with_a_reload_between(browser, study, cli, tmp_path):
    key = Key.read(study / "key.json")
    owner = {option: question for question in key.questions for option in question.options}
    browser.open((study / "study.html").as_uri())
    browser.type("#code", "P-07")
    browser.click("#begin")

    given = {}
    for number in range(10):
        page = shown(browser)
        assert page["count"] == f"Question {number + 1} of 10"
        assert page["progress"] == number
        assert page["loaded"]
        question = owner[page["options"][0]]
        place = page["options"].index(question.answer) if question.answer else number % 4
        HANDS[number % 4](browser, place + 1)
        given[question.id] = page["options"][place]
        if number == 1:
            browser.click("#back")
            assert shown(browser)["chosen"] == given[question.id]
            browser.click("#next")
        if number == 4:
            before = shown(browser)
            browser.press("2")  # chosen, not confirmed
            browser.call("POST", "/refresh")
            assert shown(browser) == {**before, "chosen": before["options"][1]}

    for _ in range(2):  # and after another reload
        assert browser.run("return document.querySelector('main:not([hidden]) h1').textContent") == "Thank you"
        browser.call("POST", "/refresh")
    file = _downloaded(tmp_path / "downloads")
    results = json.loads(file.read_text())
    assert {answer["question"]: answer["choice"] for answer in results["answers"]} == given
    assert all(answer["seconds"] >= 0 for answer in results["answers"])
    tallied = cli("study", "tally", file, "--key", study / "key.json", "--json")
    assert tallied.code == 0, tallied.err
    assert json.loads(tallied.out)["workers"] == 1
    assert results["code"] == "P-07"


def test_a_browser_that_forbids_storage_is_told_and_served(browser, study):
    forbid = (
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });"
    )
    command = {"cmd": "Page.addScriptToEvaluateOnNewDocument", "params": {"source": forbid}}
    browser.call("POST", "/goog/cdp/execute", command)
    browser.open((study / "study.html").as_uri())
    assert not browser.run("return document.getElementById('forgets').hidden")
    browser.click("#begin")
    by_key(browser, 1)
    assert shown(browser)["count"] == "Question 2 of 10"


def test_the_next_worker_on_a_device_begins_anew(browser, study):
    browser.open((study / "study.html").as_uri())
    assert browser.run("return document.getElementById('forgets').hidden")
    browser.click("#begin")
    worker = "return JSON.parse(Object.values(localStorage)[0]).worker"
    first = browser.run(worker)
    for _ in range(10):
        browser.press("1", "Enter")
    browser.click("#done details:nth-of-type(2) summary")
    browser.click("#again")
    browser.call("POST", "/alert/accept")
    browser.click("#begin")
    page = shown(browser)
    assert page["count"] == "Question 1 of 10"
    assert page["chosen"] is None
    assert browser.run(worker) != first


def test_the_page_runs_no_other_script_and_reaches_nothing(browser, study):
    page = (study / "study.html").read_text()
    copy = study / "changed.html"  # another script than the policy's hash: the browser must refuse to run it
    copy.write_text(page.replace('"use strict";', '"use strict"; '))
    browser.open(copy.as_uri())
    assert browser.run("return document.getElementById('start').hidden")

    browser.open((study / "study.html").as_uri())
    assert not browser.run("return document.getElementById('start').hidden")
    refused = browser.call(
        "POST",
        "/execute/async",
        {
            "script": "fetch('http://127.0.0.1:9/').then(() => arguments[0](''), (e) => arguments[0](e.name));",
            "args": [],
        },
    )
    assert refused == "TypeError"
    loaded = browser.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []


def _downloaded(folder):
    """The one file in the folder, once it is whole."""
    for _ in range(300):
        found = list(folder.glob("*.json")) if folder.exists() else []
        if found:
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"nothing was saved in {folder}")
