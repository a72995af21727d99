"""How a demo bears many people at once: they send pictures, choose labels, and now and then send what is no picture.

    stargan-fw demo runs/quickstart --port 7860 &
    python benchmarks/demo_visitors.py http://127.0.0.1:7860 --people 20 --seconds 120 --waves 6 --process $!

Prints a line every ten seconds, and then JSON: the answers, the errors, their times, and the server's memory after each wave
of people. If that grows from wave to wave, the server keeps something of people who left.
"""

import argparse
import http.client
import io
import json
import random
import secrets
import statistics
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

LINE = b"data: "
CHANCE = random.Random(0)  # noqa: S311 - nothing secret


class RefusedError(Exception):
    """The server did not answer as it should."""


class Visitor:
    """A session of the page.

    Args:
        host: the server's name and port.
    """

    def __init__(self, host: str) -> None:
        self._host, self._session = host, secrets.token_hex(6)
        config = json.loads(self._ask("GET", "/config"))
        self._parts = {part["id"]: part for part in config["components"]}
        self._values = {name: part.get("props", {}).get("value") for name, part in self._parts.items()}
        self._events = config["dependencies"]
        self._picture = next(name for name, part in self._parts.items() if part["props"].get("elem_id") == "picture")
        self._radios = [name for name, part in self._parts.items() if part["type"] == "radio"]

    def send_picture(self, content: bytes, name: str) -> list[str]:
        """Sends a file as the picture, and returns the messages that the page shows."""
        edge = secrets.token_hex(12)
        head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\nContent-Type: image/png\r\n\r\n'
        body = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
        kind = f"multipart/form-data; boundary={edge}"
        try:
            (path,) = json.loads(self._ask("POST", "/gradio_api/upload", body, kind))
        except RefusedError as refused:
            return [str(refused)]
        self._values[self._picture] = {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}
        return self._trigger(self._picture, "input")

    def choose_label(self) -> list[str]:
        """Chooses one option of one list, and returns the messages that the page shows."""
        radio = CHANCE.choice(self._radios)
        options = [value for _, value in self._parts[radio]["props"]["choices"]]
        self._values[radio] = CHANCE.choice(options)
        return self._trigger(radio, "input")

    @property
    def results(self) -> list[Any]:
        """The results that the page shows."""
        found = [name for name, part in self._parts.items() if str(part["props"].get("elem_id")).startswith("result-")]
        return [self._values[name] for name in found]

    def _trigger(self, part: int, event: str) -> list[str]:
        """Does what the page does if a part of it changes: that event's function, and then the one that follows it."""
        called = next(each for each in self._events if [part, event] in each["targets"])
        messages = self._call(called)
        after = [each for each in self._events if each.get("trigger_after") == called["id"]]
        return messages + [message for each in after for message in self._call(each)]

    def _call(self, function: dict[str, Any]) -> list[str]:
        request = {
            "data": [self._values[name] for name in function["inputs"]],
            "fn_index": function["id"],
            "session_hash": self._session,
            "event_data": None,
            "trigger_id": None,
        }
        self._ask("POST", "/gradio_api/queue/join", json.dumps(request).encode(), "application/json")
        messages = []
        for event in self._listen():
            if event["msg"] == "log":
                messages.append(event["log"])
            elif event["msg"] == "process_completed":
                if not event["success"]:
                    raise RefusedError(str(event["output"]))
                self._take(function["outputs"], event["output"]["data"])
                return messages
        raise RefusedError("no answer")

    def _take(self, names: list[int], values: list[Any]) -> None:
        for name, value in zip(names, values, strict=True):
            if isinstance(value, dict) and value.get("__type__") == "update":
                self._values[name] = value.get("value", self._values[name])
            else:
                self._values[name] = value

    def _listen(self) -> Any:
        connection = http.client.HTTPConnection(self._host, timeout=300)
        connection.request("GET", f"/gradio_api/queue/data?session_hash={self._session}")
        with connection.getresponse() as answer:
            while line := answer.readline():
                if line.startswith(LINE):
                    yield json.loads(line[len(LINE) :])
        connection.close()

    def _ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        connection = http.client.HTTPConnection(self._host, timeout=300)
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        with connection.getresponse() as answer:
            content = answer.read()
        connection.close()
        if answer.status != http.client.OK:
            raise RefusedError(f"{answer.status}: {content.decode(errors='replace')[:200]}")
        return content


@dataclass
class Wave:
    """What people who come at the same time meet together.

    Attributes:
        until: the point in time at which they leave.
        most: the number of answers after which they leave.
        seconds: how long each answer took.
        errors: what went wrong.
        refused: the number of files that are no pictures, with one message each.
    """

    until: float
    most: float
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    refused: int = 0

    @property
    def over(self) -> bool:
        """Whether the people leave."""
        return time.monotonic() > self.until or len(self.seconds) >= self.most


def visit(host: str, wave: Wave) -> None:
    """Uses the page until the wave is over."""
    try:
        visitor = Visitor(host)
        while not wave.over:
            _use(visitor, wave)
    except (RefusedError, OSError, ValueError, KeyError) as error:
        wave.errors.append(repr(error))


def _use(visitor: Visitor, wave: Wave) -> None:
    picture = io.BytesIO()
    Image.effect_noise((CHANCE.randint(100, 600), 400), 90).save(picture, "PNG")
    if messages := visitor.send_picture(picture.getvalue(), "a.png"):
        raise RefusedError(f"a picture gets {messages}")
    for _ in range(5):
        if wave.over:
            return
        begun = time.monotonic()
        visitor.choose_label()
        wave.seconds.append(time.monotonic() - begun)
    if CHANCE.random() < 0.2:
        messages = visitor.send_picture(b"no picture", "a.png")
        if len(messages) != 1:
            raise RefusedError(f"no picture gets {messages}")
        wave.refused += 1


def memory_of(process: int) -> float:
    """Returns the memory of a process in MB that is its own or shared."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def come(host: str, people: int, wave: Wave, process: int | None) -> None:
    """Lets people come at once, waits until all of them have left, and prints how it goes."""
    threads = [threading.Thread(target=visit, args=(host, wave)) for _ in range(people)]
    for thread in threads:
        thread.start()
    while left := [thread for thread in threads if thread.is_alive()]:
        memory = f"{memory_of(process):.0f} MB" if process else ""
        print(f"{len(wave.seconds)} answers, {len(wave.errors)} errors {memory}", flush=True)
        left[0].join(10)


def main() -> None:
    """Runs the visits."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("address")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120, help="how long people of a wave stay")
    parser.add_argument("--answers", type=float, default=float("inf"), help="they leave earlier after so many answers")
    parser.add_argument("--waves", type=int, default=1, help="how often new people come")
    parser.add_argument("--pause", type=float, default=15, help="seconds without anybody after each wave")
    parser.add_argument("--process", type=int, help="the server's process, whose memory is read")
    asked = parser.parse_args()

    waves, megabytes = [], []
    for _ in range(asked.waves):
        waves.append(Wave(time.monotonic() + asked.seconds, asked.answers))
        come(asked.address.split("//")[1].rstrip("/"), asked.people, waves[-1], asked.process)
        time.sleep(asked.pause)
        megabytes += [round(memory_of(asked.process))] if asked.process else []
    times = sorted(second for wave in waves for second in wave.seconds) or [float("nan")]
    report = {
        "people per wave": asked.people,
        "answers per wave": [len(wave.seconds) for wave in waves],
        "refused files": sum(wave.refused for wave in waves),
        "errors": [error for wave in waves for error in wave.errors],
        "median seconds": round(statistics.median(times), 3),
        "95 % within seconds": round(times[int(0.95 * (len(times) - 1))], 3),
        "memory in MB after each wave": megabytes,
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
