from .speed_trial import (
    Throughput as Throughput,
    cycle as cycle,
    measure_throughput as measure_throughput,
    rehearse as rehearse,
)
