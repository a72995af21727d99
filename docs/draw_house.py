"""Draws the house, the rooms of the source tree and what each room uses, from the imports into CONTRIBUTING.md.

    python docs/draw_house.py           # writes the picture
    python docs/draw_house.py --check   # says if the picture is stale, exit code 1

A room is a package, or a module that stands beside the packages of core. Imports for type checking count.
"""

import ast
import sys
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOTS = {
    "stargan_fw_reproduce": "plugins",
    "stargan_fw_study": "plugins",
    "stargan_fw_bench": "plugins",
    "stargan_fw_plugins": "plugins",
    "stargan_fw_import": "plugins",
    "stargan_fw_demo": "plugins",
    "stargan_fw_runs": "plugins",
    "stargan_fw_share": "plugins",
    "stargan_fw_evaluate": "plugins",
    "stargan_fw_translate": "plugins",
    "stargan_fw_data": "plugins",
    "stargan_fw_scaffold": "plugins",
    "stargan_fw": "core",
    "stargan_fw_registry": "registry",
}
PAGE = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- house: made by docs/draw_house.py -->\n", "<!-- end of house -->\n"


class House:
    """The rooms, and who uses whom."""

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Every module's file by the module's dotted name."""
        found = {}
        for root, folder in ROOTS.items():
            for file in sorted((ROOT / folder / root).rglob("*.py")):
                parts = file.relative_to(ROOT / folder).with_suffix("").parts
                found[".".join(part for part in parts if part != "__init__")] = file
        return found

    def room(self, module: str) -> str:
        """The room that a module stands in: core's packages and modules are rooms, every other root is one room."""
        root, *rest = module.split(".")
        return rest[0] if root == "stargan_fw" and rest else root

    @cached_property
    def uses(self) -> dict[str, set[str]]:
        """The rooms that each room imports."""
        rooms: dict[str, set[str]] = {}
        for module, file in self.modules.items():
            uses = rooms.setdefault(self.room(module), set())
            uses |= {self.room(imported) for imported in self.imports(file)} - {self.room(module), "stargan_fw"}
        exports = {"stargan_fw", "__main__"}  # they only name what stands in the rooms
        return {room: uses - exports for room, uses in rooms.items() if room not in exports}

    def imports(self, file: Path) -> set[str]:
        """The modules of the house that a file imports."""
        found = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{name.name}" for name in node.names} & self.modules.keys()
                found |= inner or {node.module} & self.modules.keys()
            elif isinstance(node, ast.Import):
                found |= {name.name for name in node.names} & self.modules.keys()
        return found

    @cached_property
    def height(self) -> dict[str, int]:
        """How many rooms stand below each room, one above the other."""
        heights: dict[str, int] = {}

        def measure(room: str) -> int:
            if room not in heights:
                heights[room] = 1 + max((measure(used) for used in self.uses[room]), default=-1)
            return heights[room]

        for room in self.uses:
            measure(room)
        return heights

    def direct(self, room: str) -> set[str]:
        """The rooms that a room uses: all of them for a package of plugins, else without those that another room reaches."""
        if room in ROOTS:
            return self.uses[room]
        below = {used: self.reached(used) for used in self.uses[room]}
        return {used for used in below if not any(used in others for others in below.values())}

    def reached(self, room: str) -> set[str]:
        """Every room below a room."""
        return self.uses[room].union(*(self.reached(used) for used in self.uses[room]))

    def about(self, room: str) -> str:
        """The first line of a room's docstring."""
        module = room if room in ROOTS else f"stargan_fw.{room}"
        text = ast.get_docstring(ast.parse(self.modules[module].read_text(encoding="utf-8")))
        return (text or "").splitlines()[0].rstrip(".") if text else ""

    def files(self, room: str) -> list[str]:
        """The names of a room's modules; empty for a room that is one module."""
        names = [name for name in self.modules if self.room(name) == room and name not in ROOTS]
        if room in ROOTS:
            return sorted({name.split(".")[1] for name in names})
        return sorted(name.split(".")[-1] for name in names if name.count(".") > 1)


def draw(house: House) -> str:
    """Returns the picture: a table of the rooms per root, the highest first, and a diagram of who uses whom."""
    rooms = sorted(house.uses, key=lambda room: (-house.height[room], room))
    parts = {
        "plugins": [room for room in rooms if ROOTS.get(room) == "plugins"],
        "core": [room for room in rooms if room not in ROOTS],
        "registry": ["stargan_fw_registry"],
    }
    lines = []
    for part, inside in parts.items():
        lines += [f"| `{part}/` | what it holds | files |", "|---|---|---|"]
        lines += [f"| `{room}` | {house.about(room)} | {', '.join(house.files(room))} |" for room in inside]
        lines.append("")
    lines += [
        "An arrow says who imports whom. Of a room in core, only the arrows to the next rooms below are drawn.\n",
        "```mermaid\ngraph TD",
    ]
    for part, inside in parts.items():
        lines += [f"    subgraph {part}", *(f"        {room}" for room in inside), "    end"]
    lines += [f"    {room} --> {used}" for room in rooms for used in sorted(house.direct(room))]
    return "\n".join([*lines, "```", ""])


def main() -> None:
    """Writes the picture, or with --check compares it."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    drawn = before + BEGIN + draw(House()) + END + after
    if "--check" not in sys.argv:
        PAGE.write_text(drawn, encoding="utf-8")
    elif drawn != page:
        sys.exit("The picture of the house is stale. Run: make house")


if __name__ == "__main__":
    main()
