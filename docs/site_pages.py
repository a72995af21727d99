"""Adds to the site what is not a file of docs/: the reference and the documents of the root; MkDocs calls these functions.

Links to the root's documents work on GitHub (`../CONTRIBUTING.md`) and, rewritten, on the site. A line

    <!-- code: module:Class.method -->

which GitHub does not show, is replaced by the source that it names. A fence of the language "math" becomes MathML, and one of the language
"mermaid" a drawing, since both would need a script from another host.
"""

import html
import inspect
import re
import sys
from pathlib import Path
from pkgutil import resolve_name
from textwrap import dedent
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))
for _folder in ("registry", "plugins", "core"):
    sys.path.insert(0, str(ROOT / _folder))

from command_reference import command_page  # noqa: E402 - the folders have to be on the path
from component_reference import configuration_page, hook_page  # noqa: E402
from draw_house import House  # noqa: E402
from file_reference import file_page  # noqa: E402
from house_drawing import draw_floors  # noqa: E402
from python_reference import python_page  # noqa: E402

from stargan_fw.plugin_manager import PluginManager  # noqa: E402

# Documents of the root by their page on the site.
ROOT_PAGES = {
    "overview.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "conduct.md": "CODE_OF_CONDUCT.md",
    "changelog.md": "CHANGELOG.md",
}
MORE = "More"
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_MATH = re.compile(r"^```math\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MERMAID = re.compile(r"^```mermaid\n.*?^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^<!-- code: ([\w.]+:[\w.]+) -->$", re.MULTILINE)
_FENCES = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Adds the generated pages, and makes the navigation fit with the files that there are."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - tests read this module without MkDocs

    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    there = {file.src_uri for file in files.documentation_pages()}
    config.nav = _without_missing(config.nav, there)
    others = sorted(there - set(_listed(config.nav)))
    if others:
        config.nav.append({MORE: others})
    return files


def pages() -> dict[str, str]:
    """Returns the Markdown of every page that is not a file of docs/, by its path on the site."""
    manager = PluginManager.discover()
    return {
        **{page: (ROOT / name).read_text(encoding="utf-8") for page, name in ROOT_PAGES.items()},
        "reference/commands.md": command_page(),
        "reference/configuration.md": configuration_page(manager),
        "reference/hooks.md": hook_page(manager),
        "reference/files.md": file_page(),
        "reference/python.md": python_page(),
    }


def _without_missing(entry: Any, there: set[str]) -> Any:
    """Returns a navigation without pages that do not exist, and without sections that are empty then."""
    if isinstance(entry, list):
        kept = [_without_missing(one, there) for one in entry]
        return [one for one in kept if one]
    if isinstance(entry, dict):
        ((title, inside),) = entry.items()
        kept = _without_missing(inside, there)
        return {title: kept} if kept else None
    return entry if entry in there else None


def _listed(entry: Any) -> list[str]:
    if isinstance(entry, list):
        return [name for one in entry for name in _listed(one)]
    return _listed(next(iter(entry.values()))) if isinstance(entry, dict) else [entry]


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Returns a page's Markdown for the site."""
    name = page.file.src_uri
    folder = ROOT if name in ROOT_PAGES else HERE
    parts = _FENCES.split(_with_drawings(markdown))
    linked = [part if number % 2 else _with_links(part, folder, name) for number, part in enumerate(parts)]
    return _CODE.sub(lambda found: excerpt(found[1]), "".join(linked))


def _with_drawings(markdown: str) -> str:
    drawn = _MERMAID.sub(lambda _: draw_floors(House()), markdown)
    return _MATH.sub(lambda found: math(found[1]), drawn)


def _with_links(text: str, folder: Path, page: str) -> str:
    """Rewrites links that leave docs/: to a page of the site if there is one, else only the text stays."""
    if page.startswith("reference/"):
        return text

    def rewrite(found: re.Match[str]) -> str:
        image, label, target = found.groups()
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:") or not path:
            return found[0]
        file = (folder / path).resolve()
        own = next((site for site, name in ROOT_PAGES.items() if file == ROOT / name), None)
        if own is None and file.is_relative_to(HERE) and file.exists() and file.suffix != ".py":
            own = file.relative_to(HERE).as_posix()
        return f"{image}[{label}]({own}{'#' * bool(anchor)}{anchor})" if own else label

    return _LINK.sub(rewrite, text)


def excerpt(name: str) -> str:
    """Returns the source of a class or function as a block of code, with its file and line."""
    thing = inspect.unwrap(resolve_name(name))
    lines, first = inspect.getsourcelines(thing)
    path = Path(inspect.getsourcefile(thing) or "").resolve().relative_to(ROOT)
    title = f"{path.as_posix()}, line {first}"
    return f'```{{.python title="{title}" linenums="{first}"}}\n{dedent("".join(lines)).rstrip()}\n```'


def math(latex: str) -> str:
    """Returns an equation as MathML, which browsers draw without any script or font."""
    from latex2mathml.converter import convert  # noqa: PLC0415 - only the site needs it

    label = html.escape(" ".join(latex.split()), quote=True)
    return f'<div class="equation" role="math" aria-label="{label}">{convert(latex.strip(), display="block")}</div>'
