"""What signals do to the program, to a training, and to a program of somebody else that trains."""

import json
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from rich.console import Console

from stargan_fw.api import prepare_training
from stargan_fw.interfaces import Tracker
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.stop_signals import Stopped, defer_signals, stop_program
from stargan_fw.training import session
from stargan_fw.training.trainer import Trainer


@pytest.fixture(autouse=True)
def handlers():
    """Puts the handlers back."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_the_program_wherever_it_is(number, code):
    with pytest.raises(Stopped, match=rf"Stopped by {number.name}\.") as stopped, stop_program() as request:
        signal.raise_signal(number)

    assert (stopped.value.exit_code, request.number) == (code, number)


def test_without_a_signal_the_handlers_are_put_back():
    signal.signal(signal.SIGTERM, mine := lambda *_: None)
    with stop_program(), defer_signals():
        assert signal.getsignal(signal.SIGTERM) is not mine
    assert signal.getsignal(signal.SIGTERM) is mine


def test_a_signal_waits_for_the_end_of_the_block_and_then_goes_to_the_earlier_handler():
    told = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    with defer_signals() as request:
        assert request.number is None
        signal.raise_signal(signal.SIGTERM)
        assert (request.number, told) == (signal.SIGTERM, [])
    assert told == [signal.SIGTERM]


def test_a_second_signal_does_not_wait():
    def stop_twice():
        with defer_signals():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("The second signal was deferred as well.")

    with pytest.raises(KeyboardInterrupt):
        stop_twice()


def test_an_ignored_signal_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_program() as program, defer_signals() as training:
        signal.raise_signal(signal.SIGHUP)
    assert (program.number, training.number) == (None, None)


def test_in_another_thread_nothing_is_handled():
    signal.signal(signal.SIGTERM, mine := lambda *_: None)
    seen = []

    def train():
        with defer_signals() as request:
            seen.append((signal.getsignal(signal.SIGTERM), request.number))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [(mine, None)]


TWICE = """
import sys, time
from stargan_fw.stop_signals import Stopped, stop_program
with stop_program():
    try:
        print("ready", flush=True)
        time.sleep(60)
    except Stopped:
        print("cleaning", flush=True)
        time.sleep(60)
"""


def test_a_second_signal_ends_the_program_at_once():
    with subprocess.Popen(
        [sys.executable, "-c", TWICE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in ("ready\n", "cleaning\n"):
            assert process.stdout.readline() == line
            process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, errors = process.communicate()
    assert (process.returncode, errors) == (130, "Ended at once by SIGINT.\n")
    assert time.monotonic() - began < 30


class Signals(Tracker):
    """Sends this process a signal after a step."""

    name = "signals"

    def __init__(self, step):
        self.step = step

    def advance(self, step):
        if step == self.step:
            signal.raise_signal(signal.SIGTERM)

    def log(self, step, dataset, values):
        pass


def test_a_training_stops_after_its_step_and_goes_on_as_if_nothing_had_been(trainer, metrics):
    signal.signal(signal.SIGTERM, lambda *_: None)
    whole, stopped, resumed = (trainer("training.log_every=4") for _ in range(3))
    whole.train(9)
    stopped.observers = [Signals(4)]
    with defer_signals() as stopped.stop_request:
        stopped.train(9)

    assert stopped.step == 5, "the step that ran when the signal came"
    assert [path.name for path in stopped.run.checkpoints.paths()] == ["step-00000005"]
    assert max(row["step"] for row in metrics(stopped.run.path)) == 5
    assert not (stopped.run.path / "samples").exists(), "whoever stops it may not have the time"

    resumed.run = stopped.run
    resumed.resume()
    resumed.train(9)
    assert metrics(resumed.run.path) == metrics(whole.run.path)
    for name, network in whole.method.networks.items():
        found = resumed.method.networks[name].state_dict()
        assert all(torch.equal(value, found[key]) for key, value in network.state_dict().items())


def test_rows_of_unfinished_steps_are_on_the_disk_before_the_checkpoint(trainer, metrics, monkeypatch):
    """Killed between the two, a run with the checkpoint and without the rows would never write them."""
    trainer, seen = trainer("training.log_every=4"), []
    monkeypatch.setattr(trainer, "save", lambda: seen.append([row["step"] for row in metrics(trainer.run.path)]))
    trainer.train(3)
    assert seen == [[3, 2]]


@pytest.fixture
def signal_in(monkeypatch):
    """Sends this process a signal when a function is called: `signal_in(Trainer, "update", signal.SIGINT)`."""

    def send(owner, name, number):
        whole = getattr(owner, name)

        def with_signal(*given, **named):
            signal.raise_signal(number)
            return whole(*given, **named)

        monkeypatch.setattr(owner, name, with_signal)

    return send


def test_the_command_saves_closes_its_trackers_and_says_how_to_go_on(train, signal_in, tmp_path):
    run = tmp_path / "run"
    signal_in(Trainer, "update", signal.SIGTERM)
    outcome = train()

    assert outcome.code == 143
    assert outcome.err == (
        f"Stopped by SIGTERM. '{run}' is saved at step 1 of 12. Continue with: stargan-fw train --out {run} --resume\n"
    )
    events = [json.loads(line) for line in (run / "diary.jsonl").read_text().splitlines()]
    assert [event[0] for event in events] == ["start", "log", "advance", "close"]
    with RunFolder(run).hold():
        pass  # nobody holds it any more


def test_while_decoding_nothing_is_begun(train, signal_in, tmp_path):
    signal_in(session, "decode", signal.SIGINT)
    outcome = train()

    assert (outcome.code, outcome.err) == (130, "Stopped by SIGINT.\n")
    assert not (tmp_path / "run").exists()


def test_other_code_that_turns_it_into_an_error_does_not_hide_it(train, monkeypatch):
    def decode(*_):
        try:
            signal.raise_signal(signal.SIGINT)
        except Stopped:
            raise ImportError("initialization failed") from None

    monkeypatch.setattr(session, "decode", decode)
    outcome = train()
    assert (outcome.code, outcome.err) == (130, "Stopped by SIGINT.\n")


def test_a_program_that_trains_gets_the_signal_once_the_run_is_saved(configured, small_data, signal_in, tmp_path):
    config, plugins = configured(f"data.path={small_data}", datasets="shapes")
    run = RunFolder(tmp_path / "run")
    signal_in(Trainer, "update", signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as stopped:
        prepare_training(config, plugins, run).run(torch.device("cpu"), Console(quiet=True))

    assert stopped.value.__notes__ == [f"'{run.path}' is saved at step 1 of 12."]
    assert run.checkpoints.latest().name == "step-00000001"
