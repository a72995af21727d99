import json

import pytest
import torch

from stargan_fw_bench.measurement import operations, peak_bytes

SMALL = [
    *("--set", "data.image_size=32", "--set", "generator.conv_dim=4", "--set", "discriminator.conv_dim=4"),
    *("--set", "generator.repeat_num=1", "--set", "training.batch_size=2", "--set", "training.compile=off"),
    *("--rounds", "2", "--device", "cpu"),
]


def test_the_report_has_every_kind_of_work(cli):
    result = cli("bench", *SMALL, "--json")
    assert result.code == 0, result.err
    report = json.loads(result.out)
    assert [speed["work"] for speed in report["speeds"]] == ["training", "translating", "reading"]
    for speed in report["speeds"]:
        assert 0 < speed["slowest"] <= speed["images_per_second"] <= speed["fastest"]
    training, translating, reading = report["speeds"]
    assert 0 < training["share"] < 1
    assert 0 < translating["share"] < 1
    assert reading["share"] is None
    assert training["peak_bytes"] > 2**20
    assert report["matrix_rate"] > 0
    assert report["copy_bandwidth"] > 0


def test_a_method_with_a_model_for_each_pair_is_measured(cli):
    """On noise: every image is translated to another's label, so that none is left as it is."""
    result = cli("bench", "--preset", "cyclegan_64", *SMALL, "--labels", "2,3", "--json")
    assert result.code == 0, result.err
    assert all(speed["images_per_second"] > 0 for speed in json.loads(result.out)["speeds"])


def test_a_profile_is_written_and_its_costliest_parts_are_named(cli, tmp_path):
    trace = tmp_path / "trace.json"
    result = cli("bench", *SMALL, "--json", "--profile", str(trace))
    assert result.code == 0, result.err
    costliest = json.loads(result.out)["costliest"]
    assert len(costliest) == 5
    assert [part["share"] for part in costliest] == sorted((part["share"] for part in costliest), reverse=True)
    assert json.loads(trace.read_text())["traceEvents"]


def test_the_table_names_the_machine(cli):
    result = cli("bench", *SMALL, "--precision", "fp32")
    assert result.code == 0, result.err
    assert "fp32, not compiled" in result.out
    assert "training" in result.out


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--labels", "five"], "write numbers such as 5,8"),
        (["--labels", "5,1"], "2 for the others"),
        (["--labels", "0"], "at least 1"),
        (["--profile", "nowhere/trace.json"], "does not exist"),
        (["--set", "data.image_size=33"], "33"),
        (["--set", "generator.name=none"], "none"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(cli, arguments, words):
    result = cli("bench", *arguments)
    assert result.code == 2
    assert words in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_operations_are_those_of_the_formula():
    a, b = torch.ones(3, 5), torch.ones(5, 7)
    assert operations(lambda: a @ b) == 2 * 3 * 5 * 7


def test_peak_memory_holds_what_is_let_go_again():
    peak = peak_bytes(lambda: torch.ones(2**24).sum(), torch.device("cpu"))
    assert peak is None or peak > 2**26
