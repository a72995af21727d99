"""`stargan-fw demo`: what a person can choose, which pictures are taken, what the server refuses, and a visit in a browser."""

import asyncio
import gc
import http.client
import io
import json
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import warnings
import zipfile
import zlib
from pathlib import Path

import pytest
from PIL import Image

from stargan_fw.data.images import PictureOptions
from stargan_fw.errors import DataError, ModelError
from stargan_fw_demo.demo_models import Answer, DemoModel
from stargan_fw_demo.label_controls import KEEP, Number, describe_labels, in_words, make_controls
from stargan_fw_demo.page_server import prepare_gradio
from stargan_fw_demo.uploaded_picture import LONGER_SIDE, MOST_BYTES, read_upload
from stargan_fw_registry import Binary, Categorical, Continuous, Exclusive, LabelSchema, LabelSpace

GOLDEN = Path(__file__).parents[1] / "golden"
EVERY_KIND = LabelSpace(
    [
        LabelSchema(
            "faces", [Exclusive("hair", ["Black_Hair", "Blond_Hair"]), Binary("Male"), Continuous("age", 0, 100)]
        ),
        LabelSchema("moods", [Categorical("expression", ["happy", "black,white", "sad"])]),
    ]
)


def test_each_kind_of_label_has_its_control():
    faces, moods = make_controls({"one": EVERY_KIND})
    hair, male, age = faces.controls
    assert [text for text, _ in hair.options] == ["as it is", "Black hair", "Blond hair", "none of these"]
    assert [text for text, _ in male.options] == ["as it is", "yes", "no"]
    assert (age.low, age.high, age.step) == (0, 100, 1)
    assert isinstance(age, Number)

    (expression,) = moods.controls
    edits = [faces.edit([edit, no, True, 61.0]) for _, edit in hair.options for _, no in male.options[2:]]
    for edit in [*edits, *(moods.edit([edit]) for _, edit in expression.options[1:])]:
        (resolved,) = EVERY_KIND.resolve_all(edit)
        assert resolved.assignments
    assert dict(EVERY_KIND.resolve(edits[-1]).assignments) == {
        "Black_Hair": 0,
        "Blond_Hair": 0,
        "Male": 0,
        "age": pytest.approx(0.61),
    }
    assert faces.edit([KEEP, "faces.hair=x,os.system", False, 61.0]) == ""  # what is no option is not read


def test_models_side_by_side_offer_what_all_of_them_know():
    other = LabelSpace([LabelSchema("faces", [Binary("Male"), Continuous("age", 0, 90)])])
    (faces,) = make_controls({"one": EVERY_KIND, "two": other})
    assert faces.schema.names == ("Male",)
    with pytest.raises(ModelError, match="No label is common to all models"):
        make_controls({"one": EVERY_KIND, "two": LabelSpace([LabelSchema("pets", [Binary("cat")])])})
    assert [in_words(name) for name in ("Blond_Hair", "5_o_Clock", "HDR", "rafd")] == [
        *("Blond hair", "5 o clock", "HDR", "Rafd")
    ]


def test_a_test_image_is_described_with_its_numbers():
    faces, moods = EVERY_KIND.schemas
    known = faces.known([0, 1, 0, 0.37])
    assert describe_labels(faces, known) == "Blond hair, Age 37"
    assert describe_labels(faces, faces.known([float("nan")] * 4)) == ""
    assert describe_labels(moods, moods.known([0, 1, 0])) == "Black,white"


def encoded(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(picture):
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(picture, "JPEG", exif=exif)


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.png", "x")
    return buffer.getvalue()


PLAIN = Image.new("RGB", (60, 40), "teal")
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
BOMB = encoded(Image.new("1", (20000, 20000)), "PNG")


def claim(side):
    """A file of 69 bytes that says that it has `side` × `side` pixels."""
    parts = (b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b""), b"IEND")
    chunks = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


# The file, and either the size of the picture or a part of the message.
UPLOADS = {
    "text.png": (b"no picture", "no image, or one of an unknown format"),
    "page.png": (b"<html><script>alert(1)</script></html>", "no image"),
    "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', "no image"),
    "program.eps": (EPS, "no image"),
    "archive.png": (zipped(), "no image"),
    "empty.jpg": (b"", "the file is empty"),
    "truncated.jpg": (encoded(PLAIN, "JPEG")[:400], "runcated"),
    "half.png": (encoded(Image.effect_noise((300, 300), 90), "PNG")[:9000], "runcated"),
    "bomb.png": (BOMB, "too many pixels"),
    "claims.png": (claim(131072), "too many pixels"),
    "large.bmp": (b"BM" + bytes(MOST_BYTES), "10.0 MB: at most 10 MB"),
    "long.png": (encoded(Image.new("RGB", (20000, 3)), "PNG"), (LONGER_SIDE, 1)),
    "dot.png": (encoded(Image.new("RGB", (1, 1)), "PNG"), (1, 1)),
    "cmyk.jpg": (encoded(PLAIN.convert("CMYK"), "JPEG"), (60, 40)),
    "deep.png": (encoded(Image.new("I;16", (60, 40), 30000), "PNG"), (60, 40)),
    "turned.jpg": (turned(PLAIN), (40, 60)),
    "clear.webp": (encoded(Image.new("RGBA", (60, 40), (9, 9, 9, 0)), "WEBP"), (60, 40)),
    "moving.gif": (encoded(PLAIN, "GIF", save_all=True, append_images=[Image.new("RGB", (60, 40))]), (60, 40)),
    "pages.tif": (encoded(PLAIN, "TIFF", save_all=True, append_images=[PLAIN]), (60, 40)),
    "named.txt": (encoded(PLAIN, "PNG"), (60, 40)),
}


@pytest.mark.parametrize("name", UPLOADS)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_upload_is_a_picture_or_gets_one_message(tmp_path, name):
    content, expected = UPLOADS[name]
    path = tmp_path / name
    path.write_bytes(content)
    if isinstance(expected, str):
        with pytest.raises(DataError) as caught:
            read_upload(path, PictureOptions())
        assert expected in str(caught.value)
        assert str(tmp_path) not in str(caught.value)
        assert "\n" not in str(caught.value)
    else:
        picture = read_upload(path, PictureOptions())
        assert (picture.size, picture.mode) == (expected, "RGB")


def test_the_command_says_what_is_wrong(cli, monkeypatch):
    once = cli("demo", GOLDEN / "model", "--name", "a", "--name", "b")
    assert (once.code, once.err) == (2, "Error: 1 models have 2 names: use --name once per model, or not at all.\n")
    monkeypatch.setitem(sys.modules, "gradio", None)
    missing = cli("demo", GOLDEN / "model")
    assert missing.code == 2
    assert missing.err.endswith("Run: pip install 'stargan-fw[demo]'\n")


@pytest.fixture(scope="module")
def page():
    """The page of one model."""
    pytest.importorskip("gradio", reason="no gradio here: pip install 'stargan-fw[demo]'")
    with warnings.catch_warnings(action="ignore"), prepare_gradio():  # gradio's own warnings
        from stargan_fw_demo.demo_page import DemoPage

        model = DemoModel.open(str(GOLDEN / "model"), "model", device="cpu", precision="fp32", plugins=())
        yield DemoPage([model])
        # A page makes event loops that nobody closes without a server. Their warnings would fail whatever test runs next.
        for loop in [one for one in gc.get_objects() if issubclass(type(one), asyncio.BaseEventLoop)]:
            if not loop.is_running():
                loop.close()


def call(page, handler, values):
    """Does what the page does after an event, with some values by the components' names, and returns what changes by name."""
    event = next(one for one in page.blocks.fns.values() if one.name == handler)
    given = {part: values.get(part.elem_id or part.label, getattr(part, "value", None)) for part in event.inputs}
    return {part.elem_id: change for part, change in event.fn(given).items()}


def test_one_thread_translates_for_all_visitors(page, tmp_path, monkeypatch):
    """Or else the allocator keeps the memory of a translation for each of the threads that gradio starts and ends."""
    PLAIN.save(tmp_path / "a.png")
    threads = []
    monkeypatch.setattr(
        DemoModel, "translate_to_all", lambda *_: threads.append(threading.get_ident()) or Answer({}, [])
    )
    asked = (page, "_translate_to_all", {"picture": tmp_path / "a.png"})
    visits = [threading.Thread(target=call, args=asked) for _ in range(3)]
    for visit in visits:
        visit.start()
    for visit in visits:
        visit.join()
    assert len(threads) == 3
    assert len(set(threads)) == 1
    assert threads[0] not in {visit.ident for visit in visits}


def test_a_label_that_is_chosen_before_the_picture_has_arrived_is_kept(page, tmp_path):
    PLAIN.save(tmp_path / "a.png")
    changed = call(page, "_translate_picture", {"picture": tmp_path / "a.png", "Class": "a.light", "bits": []})
    assert changed["bits"] == ["a"]
    assert changed["result-0"] is not None


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of a demo of a run with its data, and of a model folder."""
    pytest.importorskip("gradio", reason="no gradio here: pip install 'stargan-fw[demo]'")
    folder = tmp_path_factory.mktemp("demo")
    for name in ("run", "model", "data"):
        shutil.copytree(GOLDEN / name, folder / name)
    command = [sys.executable, "-m", "stargan_fw", "demo", "run", "model", "--port", "0", "--device", "cpu"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().partition("  ")[0]
        assert address.startswith("http://127.0.0.1:"), process.stderr.read()
        yield address
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130
        assert "Traceback" not in process.stderr.read()


def test_the_server_answers_the_page_alone(served):
    def ask(method, path, body=None, headers=()):
        connection = http.client.HTTPConnection(served.removeprefix("http://"), timeout=60)
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    page = ask("GET", "/")
    assert page.status == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert ask("GET", "/gradio_api/file=http://127.0.0.1:9/a.png").status == 404
    assert ask("GET", "/gradio_api/file=/etc/hostname").status in {403, 404}
    for path in (
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/monitoring",
        "/gradio_api/proxy=http://127.0.0.1:9/",
    ):
        assert ask("GET", path).status == 404
    assert ask("POST", "/gradio_api/run/predict", b"{}").status == 404
    join = "/gradio_api/queue/join"
    far = json.dumps(
        {"data": [{"path": "http://127.0.0.1:9/a.png", "meta": {"_type": "gradio.FileData"}}], "fn_index": 0}
    )
    assert ask("POST", join, far).status == 400
    assert ask("POST", join, "[" * 100_000).status == 400
    assert ask("POST", join, b"x" * 300_000).status == 413
    assert ask("POST", "/gradio_api/upload", b"", {"Content-Length": str(MOST_BYTES * 2)}.items()).status == 413


def test_a_visit_in_a_browser(browser, served, tmp_path):
    """From the first look over a bad file, two labels and every label at once to a saved picture."""
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.effect_noise((50, 40), 80).save(good)
    bad.write_text("no picture")
    result = "return document.querySelector('#result-{} img')?.src || ''"
    choose = "[...document.querySelectorAll('input[type=radio]')].find(e => e.parentElement.innerText.trim() == arguments[0]).click()"

    browser.open(served)
    browser.wait_for(
        "return document.querySelector('#examples img') && document.querySelector('#picture input[type=file]')"
    )
    browser.type("#picture input[type=file]", str(bad))
    (message,) = browser.wait_for(  # which the page takes away after ten seconds
        "const all = [...document.querySelectorAll('.toast-body')].map(e => e.innerText); return all.length && all"
    )
    assert "no image" in message
    browser.wait_for("return document.querySelector('#picture input[type=file]')")  # and the page takes another

    browser.type("#picture input[type=file]", str(good))
    browser.wait_for("return document.querySelector('#picture img')")
    browser.run(choose, "Light")
    first = browser.wait_for(result.format(0))
    browser.wait_for(result.format(1))
    browser.run(choose, "Striped")  # of the other dataset: both mask bits are then set
    second = browser.wait_for(
        f"const now = (() => {{ {result.format(0)} }})(); return now != arguments[0] && now", first
    )
    assert second
    browser.wait_for("return document.querySelectorAll('#bits input:checked').length == 2")
    told = browser.run("return document.querySelector('#remarks').innerText")
    assert "is an extrapolation" in told
    assert "--to a.light,b.striped" in told

    browser.run("document.querySelector('#examples button').click()")
    browser.wait_for(f"const now = (() => {{ {result.format(0)} }})(); return now != arguments[0] && now", second)
    heights = "return [...document.querySelectorAll('.pictures img')].map(e => Math.round(e.clientHeight))"
    assert len(set(browser.run(heights))) == 1  # the picture and its results are shown at one size
    cut = "return [...document.querySelectorAll('#examples .caption-label')].map(e => e.scrollWidth > e.clientWidth)"
    assert set(browser.run(cut)) == {False}
    browser.run("document.querySelector('#every').click()")
    browser.wait_for("return document.querySelectorAll('#grid-0 .gallery-item').length == 5")
    browser.wait_for("return document.querySelector('#sheet')")
    browser.run("(document.querySelector('#sheet').closest('a') || document.querySelector('#sheet')).click()")
    saved = tmp_path / "downloads" / "labels.png"
    for _ in range(300):
        if saved.exists():
            break
        time.sleep(0.1)
    with Image.open(saved) as sheet:
        assert sheet.width > 6 * 128  # the picture and five labels beside each other, in a row per model
    assert asked_hosts(browser) == {served.removeprefix("http://")}

    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": phone})
    browser.run("window.scrollTo(0, 1000)")
    browser.wait_for(
        "return scrollY > 500 && Math.abs(document.querySelector('.pictures').getBoundingClientRect().top) < 2",
        seconds=60,
    )
    assert browser.run("return document.documentElement.scrollWidth") == 390
    above = """
        const pictures = document.querySelector('.pictures'), layer = e => Number(getComputedStyle(e).zIndex) || 0;
        const others = [...document.querySelectorAll('.block label, .block span')].filter(e => !pictures.contains(e));
        return others.map(layer).every(other => other < layer(pictures))
    """
    assert browser.run(above)  # or else titles show through the pictures when they are scrolled below them


def asked_hosts(browser):
    """The hosts that the page asked for something."""
    messages = [
        json.loads(entry["message"])["message"] for entry in browser.call("POST", "/se/log", {"type": "performance"})
    ]
    sent = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    return {url.split("/")[2] for url in sent if url.startswith(("http:", "https:", "ws:", "wss:"))}
