"""The table of component kinds. Code that needs all kinds reads this table; tests check the rest against it."""

from stargan_fw import hookspecs
from stargan_fw.interfaces.component_kind import ComponentKind, ObjectKind, TomlFileKind

KINDS = (
    ObjectKind("kind", hookspecs.register_kinds, "stargan_fw:ComponentKind"),
    ComponentKind("dataset", hookspecs.register_datasets, "stargan_fw:Dataset"),
    ComponentKind("crop", hookspecs.register_crops, "stargan_fw:Crop"),
    ComponentKind("method", hookspecs.register_methods, "stargan_fw:Method", has_table=True),
    ComponentKind("generator", hookspecs.register_generators, "stargan_fw:Generator", has_table=True, in_model=True),
    ComponentKind(
        "discriminator", hookspecs.register_discriminators, "stargan_fw:Discriminator", has_table=True, in_model=True
    ),
    ComponentKind("loss", hookspecs.register_losses, "stargan_fw:AdversarialLoss", has_table=True, in_model=True),
    ComponentKind("embedding", hookspecs.register_embeddings, "stargan_fw:Embedding", has_table=True),
    ComponentKind("tracker", hookspecs.register_trackers, "stargan_fw:Tracker"),
    ComponentKind("accelerator", hookspecs.register_accelerators, "stargan_fw:Accelerator"),
    ComponentKind("tuner", hookspecs.register_tuners, "stargan_fw:Tuner"),
    TomlFileKind("preset", hookspecs.register_presets, "pathlib:Path", has_default=True),
    ObjectKind("command", hookspecs.register_commands, "stargan_fw:Command"),
)

CONFIG_TABLES = tuple(kind.name for kind in KINDS if kind.has_table)
MODEL_COMPONENTS = tuple(kind.name for kind in KINDS if kind.in_model)
