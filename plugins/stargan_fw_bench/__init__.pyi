from .cycles import cycle as cycle
from .speed_trial import (
    Throughput as Throughput,
    measure_throughput as measure_throughput,
    rehearse as rehearse,
)
