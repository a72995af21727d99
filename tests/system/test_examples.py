"""The files in `examples/` run as they stand."""

from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_joint_config_trains(cli, small_data, tmp_path):
    small = (
        "--set data.image_size=32 --set generator.conv_dim=4 --set discriminator.conv_dim=4 --set training.batch_size=4"
    )
    config = EXAMPLES / "joint_celeba_rafd.toml"
    command = ["train", "--config", config, "--data", small_data, "--out", tmp_path / "run", *small.split()]

    assert cli(*command, "--max-steps", "2").code == 0
    assert "attributes" in (tmp_path / "run/config.toml").read_text()


def test_the_plugin_draws_and_trains(cli, tmp_path):
    plugin = EXAMPLES / "shapes.py"
    options = ["--images", "30", "--people", "2", "--plugin", plugin]
    assert cli("data", "sample", tmp_path / "data", *options).code == 0

    small = "--preset quickstart --set data.image_size=32 --set generator.conv_dim=4 --set discriminator.conv_dim=4"
    command = ["train", "--plugin", plugin, "--datasets", "shapes", "--data", tmp_path / "data", *small.split()]
    assert cli(*command, "--out", tmp_path / "run", "--max-steps", "2").code == 0

    picture = min((tmp_path / "data/shapes/circle").glob("*.png"))
    out = tmp_path / "square.png"
    assert cli("translate", tmp_path / "run", picture, "--to", "square,filled", "-o", out).code == 0
    assert out.exists()


def test_the_plugin_is_of_the_promised_size():
    code = (EXAMPLES / "shapes.py").read_text()
    dataset = code[code.index("class Shapes") : code.index("    @classmethod")] + code[code.index("@hookimpl") :]
    assert len([line for line in dataset.splitlines() if line.strip()]) <= 15
