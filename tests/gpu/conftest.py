"""The device of these tests: a GPU where there is one, else the processor, so that a GPU is not the first to run them.

`STARGAN_FW_TEST_DEVICE` names another one. `pytest -m gpu` runs these tests alone.
"""

import os

import pytest
import torch


@pytest.fixture
def device(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # TF32 keeps ten bits
    return torch.device(os.environ.get("STARGAN_FW_TEST_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu"))


@pytest.fixture
def cuda(device):
    """The device, if it is one of NVIDIA's: what only those have is skipped elsewhere."""
    if device.type != "cuda":
        pytest.skip("no CUDA")
    return device
