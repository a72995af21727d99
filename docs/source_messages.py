"""Reads from the sources what a wrong request is told: every message of a `RequestError`, and the remedy in it.

A message is read from the code that raises it: text as it stands, ⟨a name⟩ for what the code fills in, (one | another) for a
choice, [text] for what may be left out. Text that other functions and constants of the sources return or hold is followed.
A remedy begins with one of VERBS at the beginning of a sentence or a clause.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEEPEST = 6  # functions that call functions
SENTENCE = 20  # characters: a shorter choice is shown within its message
LONGEST = 700  # characters of a choice within a message
CLOSEST = "⟨the name that you may have meant, or all known names⟩"
CARRIED = "⟨another message of this page⟩"
NO_ERRORS = {"plugins/stargan_fw_runs/run_summary.py"}  # its problems are no errors: they stand in a table
CARRIERS = ("report.error", "wrong[index]")  # expressions that hold a RequestError's text
REMEDY_TAKERS = {
    "check_writable": 1
}  # functions that raise an error with a remedy from their caller, and which argument
OPTION_WRITERS = {  # functions of the sources that write a part of a remedy
    "closest": CLOSEST,
    "option": "--set datasets.⟨alias⟩.{0}",
    "line": "--set datasets.⟨alias⟩.⟨key⟩=⟨value⟩",
    "self._line": "--set datasets.⟨alias⟩.⟨key⟩=⟨value⟩",
    "self._leave_out": "--set datasets.⟨alias⟩.values=⟨what the cells mean⟩",
    "self._remedy": "--set datasets.⟨alias⟩.image_root={0}",
    "write_location": "{0}:{1}",
}
VERBS = (
    "add|allow|ask|begin|call|change|check|choose|collect|compare|complete|continue|convert|correct|decorate|derive|"
    "divide|download|draw|end|evaluate|export|fetch|free|give|hold|import|install|join|keep|leave|list|load|log|"
    "make|mark|move|name|permit|press|put|raise|read|register|remove|rename|repeat|replace|restore|return|run|save|say|send|"
    "set|show|start|stop|take|train|translate|try|tune|unpack|unset|update|use|wait|widen|write"
)
BEGINNING = r"(?:(?<=[.:;?] )|(?<=[)\]⟩] )(?=[A-Z])|(?<=[(\[])|(?<=[(\[] ))"
REMEDY = re.compile(rf"{BEGINNING}(?i:{VERBS})\b(?![/.=])|(?<=, )add\b|did you mean|{CLOSEST}|{CARRIED}|⟨remedy⟩")
PASTABLE = re.compile(rf"(?<![\w-])--[a-z]|stargan-fw [a-z]+|pip install|hf auth|git -C|did you mean|{CLOSEST}")


@dataclass(frozen=True)
class Message:
    """One message: where it is raised, as which error, and its text."""

    file: str
    line: int
    error: str
    text: str

    @property
    def remedy(self) -> str | None:
        """What the user is told to do: the message from there on, or None if that is missing."""
        found = REMEDY.search(self.text)
        return self.text[found.start() :] if found else None

    @property
    def parts(self) -> tuple[str, str]:
        """What is wrong, and from where on the message says what to do; a bracket is not divided."""
        at = len(self.text) - len(self.remedy or "")
        for opening, closing in ("()", "[]"):
            if self.text.count(opening, 0, at) > self.text.count(closing, 0, at):
                at = min(at, self.text.rindex(opening, 0, at))
        return self.text[:at].rstrip(), self.text[at:]

    @property
    def is_pastable(self) -> bool:
        """Whether the remedy names an option, a command or a name that can be pasted."""
        return PASTABLE.search(self.parts[1]) is not None

    @property
    def passes_on(self) -> bool:
        """Whether the whole text is another error's."""
        return not re.search(r"[a-z]{3}", re.sub(r"⟨[^⟩]*⟩", "", self.text))


class Module:
    """A parsed source file."""

    def __init__(self, file: Path, root: Path) -> None:
        self.file = file.relative_to(root).as_posix()
        self.tree = ast.parse(file.read_text(encoding="utf-8"))
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}
        self.functions: dict[str, list[ast.FunctionDef]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef):
                self.functions.setdefault(node.name, []).append(node)
        self.constants = {
            target.id: node.value
            for node in self.tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }

    def function_around(self, node: ast.AST) -> ast.AST:
        """The function that a node stands in, or the module."""
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, ast.FunctionDef):
                return node
        return self.tree


class Sources:
    """All source files of a repository, and the messages in them."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root

    @cached_property
    def modules(self) -> list[Module]:
        """Every source file, core first."""
        roots = (self._root / part for part in ("core", "registry", "plugins"))
        return [Module(file, self._root) for root in roots for file in sorted(root.rglob("*.py"))]

    @cached_property
    def errors(self) -> set[str]:
        """The names of RequestError and of all classes that derive from it."""
        found = {"RequestError"}
        classes = [node for module in self.modules for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
        while derived := {one.name for one in classes if any(_last_name(base) in found for base in one.bases)} - found:
            found |= derived
        return found

    @cached_property
    def messages(self) -> list[Message]:
        """Every message that is raised, in the order of the sources."""
        found = []
        for module in self.modules:
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Call) and (name := self._error_name(node, module)) and node.args:
                    texts = Reader(self, module).texts(node.args[0])
                    found += [Message(module.file, node.lineno, name, _squeeze(text)) for text in texts]
                elif isinstance(node, ast.Call) and (place := REMEDY_TAKERS.get(_last_name(node.func) or "")):
                    for argument in node.args[place:]:
                        text = f"⟨folder⟩ cannot be written to. {' '.join(Reader(self, module).texts(argument))}"
                        found.append(Message(module.file, node.lineno, "RequestError", _squeeze(text)))
        unique: dict[tuple[str, str], Message] = {}
        for one in sorted(found, key=lambda one: (one.file, one.line)):
            unique.setdefault((one.file, one.text), one)
        return list(unique.values())

    def _error_name(self, call: ast.Call, module: Module) -> str | None:
        name = _last_name(call.func)
        if isinstance(call.func, ast.Attribute) and name == "append" and module.file not in NO_ERRORS:
            return "DataError" if _last_name(call.func.value) == "problems" else None
        if name == "of" and isinstance(call.func, ast.Attribute):
            name = _last_name(call.func.value)
        return name if name in self.errors else None

    def is_caught(self, name: ast.Name, module: Module) -> bool:
        """Whether a variable is a caught RequestError, whose text has a remedy of its own."""
        node: ast.AST = name
        while node in module.parents:
            node = module.parents[node]
            if isinstance(node, ast.ExceptHandler) and node.name == name.id:
                return _last_name(node.type) in self.errors
        return False

    def function(self, name: str, module: Module) -> tuple[Module, ast.FunctionDef] | None:
        """The function or property of this name: of the module itself, or the only one of all."""
        for places in ([module], self.modules):
            found = [(place, node) for place in places for node in place.functions.get(name, ())]
            if len(found) == 1 or (found and places == [module]):
                return found[0]
        return None

    def constant(self, name: str, module: Module) -> tuple[Module, ast.expr] | None:
        """The value of a constant: of the module itself, or the only one of all."""
        if name in module.constants:
            return module, module.constants[name]
        found = [(place, place.constants[name]) for place in self.modules if name in place.constants]
        return found[0] if len(found) == 1 else None


class Reader:
    """Reads the text of an expression."""

    def __init__(self, sources: Sources, module: Module, seen: tuple[ast.AST, ...] = ()) -> None:
        self._sources, self._module, self._seen = sources, module, seen

    def texts(self, node: ast.expr) -> list[str]:
        """Returns the texts that an expression can be, each once."""
        if ast.unparse(node) in CARRIERS:
            return [CARRIED]
        read = getattr(self, f"_read_{type(node).__name__.lower()}", None)
        if read is None or node in self._seen or len(self._seen) > DEEPEST * 4:
            return [f"⟨{_last_name(node) or '…'}⟩"]
        inner = Reader(self._sources, self._module, (*self._seen, node))
        return list(dict.fromkeys(getattr(inner, f"_read_{type(node).__name__.lower()}")(node)))

    def _choice(self, node: ast.expr) -> str:
        """Returns all that an expression can be, as one text."""
        texts = self.texts(node)
        full = [text for text in texts if text]
        if len(full) > 1 and (all(_is_placeholder(text) for text in full) or sum(map(len, full)) > LONGEST):
            return full[0] if _is_placeholder(full[0]) else f"⟨{_last_name(node) or '…'}⟩"
        chosen = f"({' | '.join(full)})" if len(full) > 1 else "".join(full)
        return f"[{chosen}]" if len(full) < len(texts) and chosen else chosen

    def _choices(self, node: ast.expr) -> list[str]:
        """Returns all that an expression can be: each by itself if all are sentences, or else as one text."""
        texts = self.texts(node)
        apart = min(map(len, texts), default=0) >= SENTENCE and not all(map(_is_placeholder, texts))
        return texts if apart else [self._choice(node)]

    def _read_constant(self, node: ast.Constant) -> list[str]:
        return [str(node.value)] if node.value is not None else [""]

    def _read_joinedstr(self, node: ast.JoinedStr) -> list[str]:
        """Returns the text; if a part of it is one of several sentences, a text for each."""
        texts = [""]
        for part in node.values:
            choices = self._choices(part.value if isinstance(part, ast.FormattedValue) else part)
            texts = [text + choice for text in texts for choice in choices]
        return texts

    def _read_binop(self, node: ast.BinOp) -> list[str]:
        if not isinstance(node.op, ast.Add):
            return [f"⟨{_last_name(node.left) or 'number'}⟩"]
        left, right = self.texts(node.left), self.texts(node.right)
        if isinstance(node.left, ast.List) or isinstance(node.right, ast.List):
            return left + right
        return [first + second for first in self._choices(node.left) for second in self._choices(node.right)]

    def _read_ifexp(self, node: ast.IfExp) -> list[str]:
        return self.texts(node.body) + self.texts(node.orelse)

    def _read_boolop(self, node: ast.BoolOp) -> list[str]:
        texts = [text for value in node.values[isinstance(node.op, ast.And) :] for text in self.texts(value)]
        return [*texts, ""] if isinstance(node.op, ast.And) else texts

    def _read_namedexpr(self, node: ast.NamedExpr) -> list[str]:
        return self.texts(node.value)

    def _read_starred(self, node: ast.Starred) -> list[str]:
        return self.texts(node.value)

    def _read_list(self, node: ast.List) -> list[str]:
        return [text for item in node.elts for text in self.texts(item)]

    _read_tuple = _read_list

    def _read_listcomp(self, node: ast.ListComp) -> list[str]:
        return self.texts(node.elt)

    _read_generatorexp = _read_listcomp

    def _read_subscript(self, node: ast.Subscript) -> list[str]:
        start = node.slice.lower if isinstance(node.slice, ast.Slice) and node.slice.upper is None else None
        texts = self.texts(node.value) if isinstance(start, ast.Constant) and isinstance(start.value, int) else []
        return [text[start.value :] for text in texts if " " in text] or [f"⟨{_last_name(node) or '…'}⟩"]

    def _read_name(self, node: ast.Name) -> list[str]:
        if self._sources.is_caught(node, self._module):
            return [CARRIED]
        around = self._module.function_around(node)
        values = []
        for one in ast.walk(around) if isinstance(around, ast.FunctionDef) else ():
            values += list(_values_given(one, node.id))
        if not values and (constant := self._sources.constant(node.id, self._module)) and node.id.isupper():
            return self._elsewhere(constant[0]).texts(constant[1])
        texts = [text for value in values for text in self.texts(value)] or [f"⟨{node.id}⟩"]
        more = [self._choice(value) for one in ast.walk(around) for value in _values_added(one, node.id)]
        return [text + "".join(f"[{added}]" for added in more) for text in texts]

    def _read_attribute(self, node: ast.Attribute) -> list[str]:
        if isinstance(node.value, ast.Name) and node.value.id == "self" and node.attr in self._module.functions:
            return self._returned(node.attr)
        return [f"⟨{node.attr.strip('_')}⟩"]

    def _read_call(self, node: ast.Call) -> list[str]:
        name = _raw_name(node.func) or "…"
        writer = OPTION_WRITERS.get(ast.unparse(node.func)) or OPTION_WRITERS.get(name)
        if writer:
            return [writer.format(*(self._choice(one) for one in node.args))]
        if name == "join" and isinstance(node.func, ast.Attribute):
            listed = self._choice(node.args[0])
            if ast.unparse(node.func.value) == "''" and not _is_placeholder(listed):
                return [listed]
            return [f"⟨{_plural(node)}⟩"]
        if name in {"str", "one_line", "repr", "printable", "quote", "format_size", "Path", "next"} and node.args:
            return self.texts(node.args[0])
        if name in {"rstrip", "strip", "replace", "removeprefix", "removesuffix", "capitalize"}:
            return self.texts(node.func.value) if isinstance(node.func, ast.Attribute) else []
        return self._returned(name)

    def _returned(self, name: str) -> list[str]:
        """Returns what a function or property of the sources returns or yields, if that is text."""
        found = self._sources.function(name, self._module)
        if found is None or not _returns_text(found[1]):
            return [f"⟨{name.strip('_')}⟩"]
        module, function = found
        reader = self._elsewhere(module)
        values = [one.value for one in ast.walk(function) if isinstance(one, (ast.Return, ast.Yield)) and one.value]
        return [text for value in values for text in reader.texts(value)]

    def _elsewhere(self, module: Module) -> Reader:
        return Reader(self._sources, module, self._seen)


def _values_given(node: ast.AST, name: str) -> list[ast.expr]:
    """Returns what a statement gives to a variable, or appends to it."""
    if isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id == name for one in node.targets):
        return [node.value]
    if _values_added(node, name):
        return []
    if isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr)) and isinstance(node.target, ast.Name):
        return [node.value] if node.target.id == name and node.value else []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _last_name(node.func.value) == name:
        return node.args if node.func.attr in {"append", "extend"} else []
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
        pairs = zip(node.targets[0].elts, node.value.elts, strict=False)
        return [value for target, value in pairs if _last_name(target) == name]
    return []


def _values_added(node: ast.AST, name: str) -> list[ast.expr]:
    """Returns what a statement adds to the end of a text, or of a text in a list."""
    if not isinstance(node, ast.AugAssign) or _last_name(node.target) != name:
        return []
    added = isinstance(node.target, ast.Subscript) or isinstance(node.value, (ast.JoinedStr, ast.Constant))
    return [node.value] if added else []


def _returns_text(function: ast.FunctionDef) -> bool:
    return function.returns is not None and "str" in ast.unparse(function.returns)


def _raw_name(node: ast.AST) -> str | None:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def _last_name(node: ast.AST | None) -> str | None:
    """Returns the last name in an expression: what a reader would call its value."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr.strip("_")
    if isinstance(node, (ast.Subscript, ast.Starred, ast.FormattedValue)):
        return _last_name(node.value)
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    return None


def _plural(node: ast.Call) -> str:
    """Returns what a call of str.join lists."""
    listed = node.args[0]
    while isinstance(listed, (ast.ListComp, ast.GeneratorExp)):
        listed = listed.generators[0].iter
    if isinstance(listed, ast.Call) and listed.args:
        listed = listed.args[-1]
    return _last_name(listed) or "…"


def _is_placeholder(text: str) -> bool:
    return re.fullmatch(r"⟨[^⟩]*⟩", text) is not None


def _squeeze(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
