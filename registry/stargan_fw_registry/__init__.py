"""What labels mean: attributes, label spaces over several datasets, edits; and an index of components by name."""

from stargan_fw_registry.attributes import Attribute, Binary, Categorical, Exclusive, LabelValue
from stargan_fw_registry.edits import Edit
from stargan_fw_registry.index import Index
from stargan_fw_registry.label_errors import (
    DuplicateNameError,
    ExclusiveLabelsError,
    LabelError,
    RequestError,
    UnknownNameError,
)
from stargan_fw_registry.label_space import LabelSchema, LabelSpace

__all__ = [
    "Attribute",
    "Binary",
    "Categorical",
    "DuplicateNameError",
    "Edit",
    "Exclusive",
    "ExclusiveLabelsError",
    "Index",
    "LabelError",
    "LabelSchema",
    "LabelSpace",
    "LabelValue",
    "RequestError",
    "UnknownNameError",
]
