"""`python parting.py` as one of two ranks: fails if a thread of the group is left once the ranks have parted."""

from pathlib import Path

import torch

from stargan_fw import ranks

if __name__ == "__main__":
    with ranks.joined(torch.device("cpu")):
        import torch.distributed.nn.functional  # torch imports it by itself at a training's first step

        ranks.agree("the first step")
    left = [name.read_text() for name in Path("/proc/self/task").glob("*/comm")]
    assert not [name for name in left if "gloo" in name], left
