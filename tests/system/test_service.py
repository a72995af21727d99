"""The example of a web service: what it answers, and that it goes on after whatever is sent to it."""

import importlib.util
import io
import json
import socket
import struct
import sys
import time
import zlib
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from stargan_fw import Translator

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "examples" / "service"


def imported(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def service():
    limit = Image.MAX_IMAGE_PIXELS
    yield imported(SERVICE / "service.py")
    Image.MAX_IMAGE_PIXELS = limit


@pytest.fixture(scope="module")
def client(service, exported_once):
    return TestClient(service.make_app(str(exported_once)))


@pytest.fixture(scope="module")
def face(small_data):
    return next((small_data / "rafd").rglob("*.jpg")).read_bytes()


def encoded(kind, size=(40, 40), **options):
    file = io.BytesIO()
    Image.new("RGB", size).save(file, kind, **options)
    return file.getvalue()


def bomb(side):
    """A PNG of a few bytes that claims to have `side` × `side` pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def test_it_translates_as_the_library_does(client, exported_once, face):
    answer = client.post("/translate", params={"to": "happy,Blond_Hair"}, content=face)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    expected = Image.open(io.BytesIO(Translator.from_pretrained(exported_once).translate(face, to="happy,Blond_Hair")))
    given = np.asarray(Image.open(io.BytesIO(answer.content)), int)
    assert np.abs(given - np.asarray(expected, int)).max() <= 2, "layers are accelerated in the service"


def test_it_lists_labels(client):
    assert client.get("/labels").json()["celeba"] == ["Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young"]


NO_PICTURES = {
    "nothing": b"",
    "a text": b"hello",
    "a page": b"<!doctype html><script>alert(1)</script>",
    "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "an archive": b"PK\x03\x04" + bytes(100),
    "a pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "half of a PNG": encoded("PNG")[:60],
    "half of a JPEG": encoded("JPEG", (400, 400))[:400],
    "a PNG of 2,500 megapixels": bomb(50_000),
    "random bytes": np.random.default_rng(1).bytes(5000),
}


@pytest.mark.parametrize("what", NO_PICTURES)
def test_what_is_no_picture_is_refused_with_a_message(client, what):
    answer = client.post("/translate", params={"to": "happy"}, content=NO_PICTURES[what])

    assert answer.status_code == 400
    assert answer.json()["detail"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        ({"params": {"to": "hapy"}}, 422, "did you mean 'happy'?"),
        ({"params": {"to": ""}}, 422, ""),
        ({}, 422, "to"),
        ({"params": {"to": "happy"}, "content": bytes(10 * 2**20 + 1)}, 413, "10,485,760 bytes"),
        ({"params": {"to": "happy"}, "content": iter([bytes(2**20)] * 11)}, 413, "10,485,760 bytes"),
    ],
)
def test_other_requests_are_refused_with_a_message(client, face, request_, status, message):
    answer = client.post("/translate", **{"content": face, **request_})

    assert answer.status_code == status, answer.text
    assert message in json.dumps(answer.json(), ensure_ascii=False)


def test_it_answers_pictures_of_every_kind_and_goes_on(client, face):
    for kind in ("PNG", "GIF", "BMP", "WEBP", "TIFF"):
        assert client.post("/translate", params={"to": "happy"}, content=encoded(kind)).status_code == 200, kind
    assert client.post("/translate", params={"to": "happy"}, content=face).status_code == 200


@pytest.fixture
def container(tmp_path, monkeypatch):
    """What the steps of the container's file make: real copies, and pip, which finds that it has to install nothing."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    steps = imported(ROOT / "benchmarks" / "container_steps.py")
    return steps.build(SERVICE / "Dockerfile", SERVICE, tmp_path / "root", Path(sys.executable).parent, {})


def ask(request, server, deadline=400):
    """Waits for the server to answer."""
    end = time.monotonic() + deadline
    while True:
        try:
            with urlopen(request, timeout=60) as answer:
                return answer.read()
        except URLError as error:
            refused = isinstance(error.reason, ConnectionRefusedError)
            if not refused or server.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.1)


def test_the_container_s_steps_make_a_server_that_answers(container, exported_once, face):
    assert container.variables["HOST"] == "0.0.0.0"  # noqa: S104 - inside of the container
    assert container.command == ["/model"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pythonpath = ":".join(map(str, (ROOT / root for root in ("core", "plugins", "registry"))))
    server = container.start(str(exported_once), HOST="127.0.0.1", PORT=str(port), PYTHONPATH=pythonpath)
    try:
        request = Request(f"http://127.0.0.1:{port}/translate?to=happy", data=face, method="POST")
        with Image.open(io.BytesIO(ask(request, server))) as translated:
            assert translated.size == (32, 32)
    finally:
        server.terminate()
        assert server.wait(timeout=60) in {0, -15}


def test_it_is_of_the_promised_size():
    lines = (SERVICE / "service.py").read_text().splitlines()[5:]
    code = [line for line in map(str.strip, lines) if line and not line.startswith(("#", '"""'))]
    assert len(code) <= 40
