from .benchmark_entry import BenchmarkEntry as BenchmarkEntry
from .experiment import (
    Claim as Claim,
    Experiment as Experiment,
    ExperimentContext as ExperimentContext,
    Figure as Figure,
    Measured as Measured,
    PlannedRun as PlannedRun,
    Section as Section,
    Setup as Setup,
    Sheet as Sheet,
    SheetRow as SheetRow,
    Table as Table,
    Text as Text,
)

plugin_modules: tuple[str, ...]
