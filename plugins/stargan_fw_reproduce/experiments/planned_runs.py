"""The runs that the experiments share. At the small size they train for minutes on two cores, on drawn faces of 64 pixels."""

from stargan_fw_reproduce.experiment import PlannedRun, Setup

NEUTRAL = {"method.source": "neutral"}  # the domain that Table 3 translates from
LONG = {"training.epochs": 200}  # because RaFD is small (Sec. 5.3)

# A tenth of the drawn people, seven, are too few to tell systems apart: one of them decided the order.
PEOPLE = {"datasets.rafd.test_size": 0.3}
COURSE = {"training.keep_checkpoints": 10}  # so that experiments can see when something was learned

JOINT = PlannedRun("joint", "StarGAN-JNT", "celeba,rafd", Setup("stargan_64", {**PEOPLE, **COURSE}), Setup("paper"))
STARGAN = PlannedRun("rafd-stargan", "StarGAN", "rafd", Setup("stargan_64", PEOPLE), Setup("paper", LONG), seeded=True)
VANILLA = PlannedRun(
    "rafd-stargan-vanilla",
    "StarGAN, Eq. 1",
    "rafd",
    Setup("stargan_64", {"loss.name": "vanilla", **PEOPLE}),
    Setup("paper", {"loss.name": "vanilla", **LONG}),
    seeded=True,
)
DIAT = PlannedRun(
    "rafd-diat", "DIAT", "rafd", Setup("diat_64", {**NEUTRAL, **PEOPLE}), Setup("paper_diat", {**NEUTRAL, **LONG})
)
CYCLEGAN = PlannedRun(
    "rafd-cyclegan",
    "CycleGAN",
    "rafd",
    Setup("cyclegan_64", {**NEUTRAL, **PEOPLE}),
    Setup("paper_cyclegan", {**NEUTRAL, **LONG}),
)
ICGAN = PlannedRun("rafd-icgan", "IcGAN", "rafd", Setup("icgan_64", PEOPLE), Setup("paper_icgan", LONG))
