"""Serves a demo's page on this machine, and nothing but what the page needs."""

from __future__ import annotations

import errno
import json
import os
import socket
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from stargan_fw.errors import PluginError, RequestError
from stargan_fw_demo.uploaded_picture import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, MutableMapping

    from stargan_fw_demo.demo_page import DemoPage

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

FIRST_PORT, PORTS = 7860, 100
MOST_REQUEST = 2**18  # bytes of a request that is no upload
AROUND_UPLOAD = 2**14  # bytes of an upload besides the file
LOADED = ("/assets/", "/static/", "/theme.css", "/favicon.ico", "/config", "/manifest.json")
READ = ("app_id", "startup-events", "heartbeat/", "queue/data", "upload_progress", "file=")
SENT = ("upload", "queue/join", "reset", "cancel")
# The page's own scripts, styles and pictures: the browser refuses to ask any other host for something.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
# Read by gradio and by the Hub's library when they are imported.
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_ANALYTICS_MAX_EVENTS": "1",  # the requests that the server remembers, 10,000 otherwise
    "GRADIO_SSR_MODE": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SHARE": "False",
    "GRADIO_MCP_SERVER": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


@contextmanager
def prepare_gradio() -> Iterator[None]:
    """Sets up gradio before it is imported: it reports nothing, and its files are deleted at the end.

    Raises:
        PluginError: gradio is not installed.
    """
    before = dict(os.environ)
    with TemporaryDirectory(prefix="stargan-fw-demo-", ignore_cleanup_errors=True) as folder:
        os.environ.update(QUIET, GRADIO_TEMP_DIR=folder)
        try:
            _import_gradio()
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _import_gradio() -> None:
    try:
        import gradio  # noqa: F401, PLC0415 - takes seconds
    except ImportError as error:
        raise PluginError(
            f"The demo needs gradio, which cannot be imported ({error}). Run: pip install 'stargan-fw[demo]'"
        ) from None


class Guard:
    """Lets through the requests that the page makes, of bounded size, and refuses others.

    Gradio answers more: it fetches addresses for the browser, takes any number of files, and describes its interface.

    Args:
        application: the page.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Handles one request of the protocol ASGI."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
        elif scope["type"] == "http" and _is_needed(scope["method"], scope["path"]):
            await self._let_through(scope, receive, _with_headers(send))
        elif scope["type"] == "http":
            await _refuse(send, 404, "There is nothing here.")

    async def _let_through(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        uploads = scope["path"].endswith("/upload")
        length = _length(scope)
        if length is None:
            await _refuse(send, 411, "The length of this request is not said.")
        elif length > (MOST_BYTES + AROUND_UPLOAD if uploads else MOST_REQUEST):
            await _refuse(send, 413, f"At most {MOST_BYTES // 2**20} MB can be sent.")
        elif uploads or not length:
            await self._application(scope, receive, send)
        else:
            body = await _read_all(receive)
            if _is_of_this_page(body):
                await self._application(scope, _replay(body, receive), send)
            else:
                await _refuse(send, 400, "This is no request of the page.")


def _is_needed(method: str, path: str) -> bool:
    """Tells whether the page makes such requests."""
    under = path.removeprefix("/gradio_api/")
    if method == "POST":
        return under in SENT and under != path
    if method not in {"GET", "HEAD"} or "://" in path:
        return False
    return path == "/" or (under.startswith(READ) if under != path else path.startswith(LOADED))


def _length(scope: MutableMapping[str, Any]) -> int | None:
    """Returns the length of a request's body in bytes; None if nothing says how long a body is."""
    headers = dict(scope["headers"])
    if scope["method"] != "POST":
        return 0
    said = headers.get(b"content-length", b"")
    return int(said) if said.isdigit() and b"transfer-encoding" not in headers else None


async def _read_all(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """Returns what gives a body that was read already, and then what else comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _is_of_this_page(body: bytes) -> bool:
    """Tells whether a request's files are all here: gradio would fetch a file that is named by an address."""
    elsewhere: list[str] = []

    def look(entry: dict[str, Any]) -> dict[str, Any]:
        elsewhere.extend(key for key in ("path", "name") if "://" in str(entry.get(key, "")))
        return entry

    try:
        json.loads(body, object_hook=look)
    except (ValueError, RecursionError):
        return False
    return not elsewhere


def _with_headers(send: Send) -> Send:
    """Returns a `send` that adds `HEADERS`."""
    added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *added]
        await send(message)

    return send_with_headers


async def _refuse(send: Send, status: int, why: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": why.encode()})


def bind(host: str, port: int | None) -> socket.socket:
    """Returns a socket that listens.

    Args:
        host: a name or an address of this machine.
        port: None takes the first free one from `FIRST_PORT` on; 0 takes any.

    Raises:
        RequestError: the port is taken, or the machine has no such address.
    """
    for candidate in [port] if port is not None else [*range(FIRST_PORT, FIRST_PORT + PORTS), 0]:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return socket.create_server((host, candidate), family=family)
        except OSError as error:
            problem = error
            if error.errno != errno.EADDRINUSE:
                break
    remedy = (
        "Name another with --port, or 0 for any." if problem.errno == errno.EADDRINUSE else "Name another with --host."
    )
    raise RequestError(f"Nothing can be served at {host}, port {candidate}: {problem.strerror or problem}. {remedy}")


def serve(page: DemoPage, listening: socket.socket) -> None:
    """Serves a page until the program is stopped."""
    import fastapi  # noqa: PLC0415 - these come with gradio
    import gradio  # noqa: PLC0415
    import uvicorn  # noqa: PLC0415

    application = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    host, port, *_ = listening.getsockname()
    gradio.mount_gradio_app(
        application,
        page.blocks,
        path="/",
        server_name=host,
        server_port=port,
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=MOST_BYTES,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=page.theme,
        css=page.style,
        head=page.head,
    )
    config = uvicorn.Config(Guard(application), log_level="critical", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listening])
