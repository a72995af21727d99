"""push and pull: against a cache laid out by hand, and against a stand-in of the Hub on this machine."""

import base64
import errno
import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import constants

from stargan_fw.errors import HubError, ModelError
from stargan_fw.models import hub

# The Hub's library uploads with an argument that its own HTTP client deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

SHA = "0123456789abcdef0123456789abcdef01234567"
MODEL = {"README.md": b"---\nlicense: mit\n---\n# x\n", "config.json": b"{}", "model.safetensors": b"weights"}
STRANGE = {"pytorch_model.bin": b"a pickle", "folder/model.safetensors": b"elsewhere"}


def lay_out(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """No token, an empty cache, and an endpoint where nobody answers."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)


@pytest.fixture
def cache(tmp_path):
    """The Hub's cache with me/x, as its library lays it out: blobs, and snapshots that link to them."""
    root = tmp_path / "cache/models--me--x"
    snapshot = root / "snapshots" / SHA
    snapshot.mkdir(parents=True)
    for name, content in MODEL.items():
        blob = root / "blobs" / hashlib.sha256(content).hexdigest()
        blob.parent.mkdir(exist_ok=True)
        blob.write_bytes(content)
        (snapshot / name).symlink_to(os.path.relpath(blob, snapshot))
    (root / "refs").mkdir()
    (root / "refs/main").write_text(SHA)
    return tmp_path / "cache"


class StandIn(BaseHTTPRequestHandler):
    """As much of the Hub as an upload and a look need."""

    protocol_version = "HTTP/1.1"

    def answer(self, document, status=200, **headers):
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        server = self.server
        server.asked.append((self.path, self.headers.get("Authorization")))
        if server.refuse:
            self.answer({"error": "because"}, server.refuse)
        elif self.path == "/api/repos/create":
            server.created = json.loads(body)
            exists = server.created["name"] == "taken"
            self.answer(
                {"error": "You already created this model repo", "url": f"{server.url}/me/taken"}
                if exists
                else {"url": f"{server.url}/me/{server.created['name']}"},
                409 if exists else 200,
            )
        elif self.path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**item, "actions": {"upload": {"href": f"{server.url}/put/{item['oid']}"}}}
                for item in json.loads(body)["objects"]
            ]
            self.answer({"transfer": "basic", "objects": objects})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            self.answer(
                {
                    "files": [
                        {
                            "path": name,
                            "uploadMode": "lfs" if name.endswith("safetensors") else "regular",
                            "shouldIgnore": False,
                        }
                        for name in names
                    ]
                }
            )
        elif "/commit/" in self.path:
            server.commit = [json.loads(line) for line in body.splitlines()]
            self.answer({"success": True, "commitUrl": f"{server.url}/me/x/commit/{SHA}", "commitOid": SHA})
        else:
            self.answer({"errors": [], "warnings": []})

    def do_PUT(self):
        self.server.put[self.path.removeprefix("/put/")] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({})

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        code = {401: "GatedRepo", 404: "RepoNotFound", 400: "RevisionNotFound"}.get(self.server.refuse)
        status = {400: 404}.get(self.server.refuse, self.server.refuse) or 500
        self.answer({"error": "because"}, status, **({"X_Error_Code": code} if code else {}))

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, *_):
        pass


@pytest.fixture
def standin(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.asked, server.put, server.commit, server.created, server.refuse = [], {}, None, None, None
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def model(tmp_path):
    return lay_out(tmp_path / "model", {**MODEL, **STRANGE})


def committed(server):
    """What was uploaded, by name: the regular files, and the large ones by their hash."""
    files = {}
    for line in server.commit:
        if line["key"] == "file":
            files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        elif line["key"] == "lfsFile":
            files[line["value"]["path"]] = server.put[line["value"]["oid"]]
    return files


def test_push_uploads_the_model_and_nothing_else(cli, standin, model):
    outcome = cli("push", model, "me/x", "--private")
    assert outcome.code == 0, outcome.err
    assert outcome.out.strip() == f"{standin.url}/me/x"
    assert committed(standin) == MODEL
    assert {"name": "x", "organization": "me"}.items() <= standin.created.items()
    assert standin.created.get("private") is True or standin.created.get("visibility") == "private"
    assert {token for _, token in standin.asked if token} == {"Bearer hf_mine"}
    assert any(path.endswith("/commit/main") for path, _ in standin.asked)


def test_a_pushed_card_says_how_to_use_what_is_on_the_hub(cli, standin, model):
    (model / "README.md").write_text("```sh\nstargan-fw translate model face.jpg --to happy\n```\n")
    assert cli("push", model, "me/x").code == 0
    assert committed(standin)["README.md"] == b"```sh\nstargan-fw translate me/x face.jpg --to happy\n```\n"
    assert "translate model" in (model / "README.md").read_text()


def test_push_to_a_branch_and_to_a_repository_that_exists(cli, standin, model):
    refused = cli("push", model, "me/taken")
    assert refused.code == 2
    assert refused.err.strip() == (
        "Error: The repository 'me/taken' exists already. Add --update for a new version, or name another repository."
    )
    assert standin.commit is None
    assert cli("push", model, "me/taken", "--update", "--revision", "next").code == 0
    asked = [path for path, _ in standin.asked]
    assert any(path.endswith("/me/taken/branch/next") for path in asked)
    assert any(path.endswith("/me/taken/commit/next") for path in asked)
    assert committed(standin) == MODEL


def test_the_endpoint_of_the_environment_is_asked_by_a_process_of_its_own(standin, model, tmp_path):
    program = "from stargan_fw.cli.main import main; main()"
    environment = {
        **os.environ,
        "HF_ENDPOINT": standin.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "home"),
    }
    done = subprocess.run(
        [sys.executable, "-c", program, "push", model, "me/x"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert committed(standin) == MODEL
    offline = subprocess.run(
        [sys.executable, "-c", program, "pull", "me/x", tmp_path / "out"],
        env={**environment, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert offline.returncode == 2
    assert "HF_HUB_OFFLINE is set" in offline.stderr
    assert len(offline.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "does not accept the token"), (403, "may not write 'me/x'"), (507, "answered 507 for 'me/x'")],
)
def test_a_push_that_the_hub_refuses(cli, standin, model, status, message):
    standin.refuse = status
    outcome = cli("push", model, "me/x")
    assert (outcome.code, len(outcome.err.strip().splitlines())) == (2, 1)
    assert message in outcome.err


def test_a_push_that_cannot_begin(cli, model, tmp_path, monkeypatch):
    def refused(*command):
        outcome = cli("push", *command)
        assert (outcome.code, len(outcome.err.strip().splitlines())) == (2, 1)
        return outcome.err

    assert "no Hugging Face token" in refused(model, "me/x")
    assert "no repository's name" in refused(model, "x")
    assert "holds no model: it has no config.json" in refused(tmp_path, "me/x")
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert "http://127.0.0.1:9 cannot be reached" in refused(model, "me/x")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "switched off by HF_HUB_OFFLINE" in refused(model, "me/x")


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "no repository 'me/y'"), (401, "'me/y' is gated"), (400, "no revision 'v2'")],
)
def test_a_pull_that_the_hub_refuses(cli, standin, tmp_path, status, message):
    standin.refuse = status
    outcome = cli("pull", "me/y", tmp_path / "out", "--revision", "v2")
    assert (outcome.code, len(outcome.err.strip().splitlines())) == (2, 1)
    assert message in outcome.err
    assert not (tmp_path / "out").exists()


def test_pull_copies_what_is_in_the_cache(cli, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (cache / "models--me--x/snapshots" / SHA / "evil.bin").write_bytes(b"a pickle")
    assert cli("pull", "me/x", tmp_path / "out").code == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == MODEL
    assert not any(path.is_symlink() for path in (tmp_path / "out").iterdir())
    again = cli("pull", "me/x", tmp_path / "out")
    assert again.code == 2
    assert "is not empty. Name another, or remove it first" in again.err
    by_commit = cli("pull", "me/x", tmp_path / "by commit", "--revision", SHA)
    assert by_commit.code == 0


def test_download_works_from_the_cache_in_every_way_of_being_offline(cache, monkeypatch):
    expected = cache / "models--me--x/snapshots" / SHA
    assert hub.download("me/x", cache_dir=cache, local_files_only=True) == expected
    assert hub.download("me/x") == expected, "nobody answers"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub.download("me/x", revision="main") == expected
    (expected / "config.json").unlink()
    with pytest.raises(ModelError, match="holds no model: it has no config.json"):
        hub.download("me/x")


def test_what_is_not_in_the_cache(monkeypatch):
    with pytest.raises(HubError, match="only local files were asked for"):
        hub.download("me/y", local_files_only=True)
    with pytest.raises(HubError, match="not in the cache, and http://127.0.0.1:9 cannot be reached"):
        hub.download("me/y")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="'me/y' at 'v2' is not whole in the cache, and HF_HUB_OFFLINE is set"):
        hub.download("me/y", "v2")
    with pytest.raises(HubError, match="no repository's name"):
        hub.download("me/../y")


def test_what_means_a_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/quickstart").mkdir(parents=True)
    assert hub.is_repo("me/x")
    assert hub.is_repo("runs/other"), "a folder that is not there may be meant: the loader says both"
    for folder in ("runs/quickstart", "x", "a/b/c", "./x", "../x", "/x/y", "~/x"):
        assert not hub.is_repo(folder)
    assert not hub.is_repo(tmp_path / "x")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/cache/blobs"),
            "'/cache/blobs' cannot .*: Permission denied",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "/cache' cannot .*: No space left on device. Make room"),
        (ConnectionResetError("reset"), "cannot be reached .ConnectionResetError.: check the network"),
        (TimeoutError(), "cannot be reached .TimeoutError.: check the network"),
        (hub.HTTP_ERROR("client"), "cannot be reached .HTTPError.: check the network"),
    ],
)
def test_a_disk_that_fails_is_not_the_network(monkeypatch, error, message):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(hub, "snapshot_download", fail)
    with pytest.raises(HubError, match=message):
        hub.download("me/x")
