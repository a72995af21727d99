"""A seeded run of a tiny model: a change that is not meant to change the numbers leaves the losses as they are.

It runs in fp64: in fp32, Adam makes whole steps of what one processor rounds up and another down, and after a few steps
a loss as small as "d/adv" differs by percents.
"""

import pytest
import torch

from stargan_fw.training.optimisation import LinearDecay, PhaseOptimizer

STEPS, N_CRITIC = 8, 2
# After a deliberate change of the numerics: run this test, and paste what it prints as "the trace is now". Say in the
# changelog why it changed.
TRACE = [
    {"dataset": "celeba", "d/adv": 0.00136228032, "d/gp": 0.97430379, "d/cls": 3.47627115},
    {"dataset": "rafd", "d/adv": 0.000597264594, "d/gp": 0.96907763, "d/cls": 2.08253337},
    {
        "dataset": "celeba",
        "d/adv": -0.00318993202,
        "d/gp": 0.962480416,
        "d/cls": 3.45753762,
        "g/adv": -0.0324037372,
        "g/cls": 3.45063167,
        "g/rec": 0.569982668,
    },
    {
        "dataset": "rafd",
        "d/adv": 2.76092878e-05,
        "d/gp": 0.957411058,
        "d/cls": 2.07876684,
        "g/adv": -0.0357613501,
        "g/cls": 2.07676447,
        "g/rec": 0.573092559,
    },
    {"dataset": "celeba", "d/adv": -0.000193486676, "d/gp": 0.947830994, "d/cls": 3.46273025},
    {"dataset": "rafd", "d/adv": 0.00319858325, "d/gp": 0.939410504, "d/cls": 2.07291548},
    {
        "dataset": "celeba",
        "d/adv": -0.0017566499,
        "d/gp": 0.931607498,
        "d/cls": 3.47088757,
        "g/adv": -0.0428247743,
        "g/cls": 3.47274184,
        "g/rec": 0.558028091,
    },
    {
        "dataset": "rafd",
        "d/adv": -0.00264677943,
        "d/gp": 0.934705932,
        "d/cls": 2.07681992,
        "g/adv": -0.0435977282,
        "g/cls": 2.07536216,
        "g/rec": 0.555140647,
    },
]


@pytest.fixture
def trace(tiny_stargan, draw_batch, double_precision):
    """The losses of every step: the datasets take turns, the generator follows every second step of a dataset."""
    method = tiny_stargan("celeba", "rafd")
    optimizers = {phase.name: PhaseOptimizer(phase, method, (0.5, 0.999)) for phase in method.phases}
    schedule = LinearDecay(1e-3, STEPS, 0.5)
    rows = []
    for step in range(1, STEPS + 1):
        batch = draw_batch(("celeba", "rafd")[(step - 1) % 2], seed=step)
        due = {"d", "g"} if (step + 1) // 2 % N_CRITIC == 0 else {"d"}
        torch.manual_seed(step)
        row = {"dataset": batch.dataset}
        for phase, losses in method.losses(batch, due):
            optimizers[phase].update(losses, schedule.at(step))
            row |= {f"{phase}/{name}": term.item() for name, term in losses.terms.items()}
        rows.append(row)
    return rows


def written(rows):
    """The rows as Python, to be pasted."""
    values = [
        ", ".join(f'"{k}": {v:.9g}' if k != "dataset" else f'"{k}": "{v}"' for k, v in row.items()) for row in rows
    ]
    return "TRACE = [\n" + "".join(f"    {{{row}}},\n" for row in values) + "]"


def test_a_seeded_run_takes_the_losses_that_it_took(trace):
    now = "the trace is now:\n" + written(trace)
    assert len(trace) == len(TRACE), now
    for row, expected in zip(trace, TRACE, strict=True):
        assert row == {k: v if k == "dataset" else pytest.approx(v, rel=1e-6) for k, v in expected.items()}, now
