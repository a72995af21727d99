"""One rank of a training on noise, for `test_ranks`: `python train_share.py OUT CASES`; without torchrun, the only one."""

import json
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

import torch

from stargan_fw import ranks
from stargan_fw.components import complete
from stargan_fw.config import Config
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.training.speed_trial import rehearse
from stargan_fw.training.trainer import _numbers

def train(case, folder):
    plugins = PluginManager.discover()
    config = complete(Config.model_validate(case["config"]), plugins)
    trainer = rehearse(config, plugins, case["labels"], torch.device("cpu"), folder)
    rows = []
    for _ in range(case["steps"]):
        trainer.step += 1
        batch = trainer.load()
        trainer.update(batch)
        rows.append(_numbers(trainer.pending[batch.dataset]))
    networks = trainer.method.networks.items()
    weights = {f"{name}.{key}": value for name, network in networks for key, value in network.state_dict().items()}
    return {"rows": rows, "weights": weights}


def main(out, cases):
    torch.set_num_threads(1)
    if "DOUBLE" in __import__("os").environ:
        torch.Tensor.float = torch.Tensor.double
        torch.set_default_dtype(torch.float64)
    with ranks.joined(torch.device("cpu")):
        results = []
        for case in json.loads(Path(cases).read_text()):
            with tempfile.TemporaryDirectory() as folder:
                results.append(train(case, Path(folder)))
        if ranks.rank() == 0:
            torch.save(results, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
