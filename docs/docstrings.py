"""Reads docstrings of Google's style, and writes them as Markdown for the site."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

LONGEST_LINE = 88  # of code, as wide as a page
SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises")
_HEAD = re.compile(rf"^({'|'.join(SECTIONS)}):$")
_ENTRY = re.compile(r"^(\*{0,2}[\w.]+): (.*)$")
_CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)


@dataclass
class Docstring:
    """A docstring in parts.

    Attributes:
        summary: the first paragraph.
        prose: the paragraphs after it, without the sections.
        sections: by the section's title its entries, name → text; the text of a section without names has the name "".
    """

    summary: str = ""
    prose: str = ""
    sections: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, thing: Any) -> "Docstring":
        """Reads the docstring of a class, function or module; an inherited one counts, but that of `object` does not."""
        text = inspect.getdoc(thing) or ""
        return cls.read("" if text == inspect.getdoc(object) else text)

    @classmethod
    def read(cls, text: str) -> "Docstring":
        """Reads the text of a docstring."""
        paragraphs: list[str] = []
        sections: dict[str, dict[str, str]] = {}
        section, name = "", ""
        for line in inspect.cleandoc(text).splitlines():
            if head := _HEAD.match(line):
                section, name = head[1], ""
                sections[section] = {}
            elif section and (not line.strip() or line.startswith("    ")):
                name = _add_line(sections[section], name, line[4:])
            else:
                section = ""
                paragraphs.append(line)
        summary, _, prose = "\n".join(paragraphs).strip().partition("\n\n")
        return cls(summary.strip(), prose.strip(), sections)

    @property
    def about(self) -> dict[str, str]:
        """The descriptions of parameters and attributes by name."""
        return {**self.sections.get("Attributes", {}), **self.sections.get("Args", {})}

    def to_markdown(self) -> str:
        """Returns the whole docstring as Markdown."""
        parts = [escape(self.summary), escape(self.prose)]
        for title, entries in self.sections.items():
            plain = entries.get("", "").strip()
            named = {name: text for name, text in entries.items() if name}
            parts += [f"**{title}**"] if named else []
            parts += [f"**{title}:** {escape(plain)}"] if plain else []
            parts += [definition(f"`{name}`", escape(text)) for name, text in named.items()]
        return "\n\n".join(part for part in parts if part)


def _add_line(entries: dict[str, str], name: str, line: str) -> str:
    """Adds a line to a section, and returns the name of the entry that it belongs to."""
    if entry := _ENTRY.match(line):
        entries[entry[1]] = entry[2]
        return entry[1]
    entries[name] = f"{entries.get(name, '')}\n{line.strip()}".strip()
    return name


def escape(text: str) -> str:
    """Returns prose in which Markdown and HTML read nothing but what is between backticks, and lists."""
    parts, end = [], 0
    for code in _CODE.finditer(text):
        parts += [_plain(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, _plain(text[end:])])


def _plain(text: str) -> str:
    return re.sub(r"([<>*_\[\]])", lambda sign: f"&#{ord(sign[0])};", text)


def definition(term: str, text: str) -> str:
    """Returns an entry of a definition list; the text may have several paragraphs."""
    lines = (text or "…").splitlines()
    return "\n".join([term, f":   {lines[0]}", *(f"    {line}" if line else "" for line in lines[1:])])


def signature(thing: Any, name: str) -> str:
    """Returns a call as code, with one parameter in a line if it is long; types are written as in the source."""
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return name
    listed = list(_parameters(found))
    returned = _written(found.return_annotation)
    after = f" -> {returned}" if returned and not inspect.isclass(thing) else ""
    line = f"{name}({', '.join(listed)}){after}"
    if len(line) <= LONGEST_LINE or not listed:
        return line
    return "\n".join([f"{name}(", *(f"    {one}," for one in listed), f"){after}"])


def _parameters(found: inspect.Signature) -> Iterator[str]:
    """Yields the parameters as in the source, without `self`."""
    keyword_only = False
    for one in found.parameters.values():
        if one.name in {"self", "cls"}:
            continue
        if one.kind is one.KEYWORD_ONLY and not keyword_only:
            yield "*"
        keyword_only = keyword_only or one.kind in {one.KEYWORD_ONLY, one.VAR_POSITIONAL}
        star = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        kind = f": {written}" if (written := _written(one.annotation)) else ""
        default = "" if one.default is one.empty else f" = {_value(one.default)}" if kind else f"={_value(one.default)}"
        yield f"{star}{one.name}{kind}{default}"


def _written(annotation: Any) -> str:
    """Returns an annotation as in the source; empty if there is none."""
    if annotation is inspect.Parameter.empty:
        return ""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = text.replace("torch.nn.modules.module.", "nn.").replace("torch.Tensor", "Tensor")
    return re.sub(r"\b(?:typing|pathlib|collections\.abc|stargan_fw[\w.]*)\.", "", text)


def _value(default: Any) -> str:
    """Returns a default as code; that of a dataclass's factory is "…"."""
    text = repr(default)
    return "…" if text.startswith("<") else text
