"""How a change is put to a worker, who has never heard of label names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stargan_fw.errors import ConfigError, closest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stargan_fw_registry import LabelSchema


@dataclass(frozen=True)
class Wording:
    """Puts changes in words: "Blond Hair", "not Male", or as the researcher says.

    Attributes:
        said: the researcher's words by "Male=0" or "celeba.Male=0".
    """

    said: Mapping[str, str]

    @classmethod
    def parse(cls, items: Sequence[str], schemas: Sequence[LabelSchema]) -> Wording:
        """Reads `LABEL=VALUE:WORDS` items, as in "Male=0:a woman".

        Raises:
            ConfigError: one is written otherwise, or names no label of the datasets.
        """
        labels = {key for schema in schemas for name in schema.names for key in (name, f"{schema.name}.{name}")}
        said = {}
        for item in items:
            change, _, words = item.partition(":")
            label, _, value = (part.strip() for part in change.partition("="))
            if value not in {"0", "1"} or not words.strip():
                raise ConfigError(f"--say '{item}': expected LABEL=0:WORDS or LABEL=1:WORDS, as in 'Male=0:a woman'.")
            if label not in labels:
                raise ConfigError(f"--say '{item}': no label '{label}'; {closest(label, labels)}")
            said[f"{label}={value}"] = words.strip()
        return cls(said)

    def of(self, dataset: str, label: str, value: int) -> str:
        """Returns the words for a label that is to take a value."""
        plain = label.replace("_", " ").replace(".", " ")
        default = plain if value else f"not {plain}"
        return self.said.get(f"{dataset}.{label}={value}", self.said.get(f"{label}={value}", default))
