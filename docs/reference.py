"""The reference of the library from its docstrings: MkDocs calls ``on_page_markdown``. Nothing is imported or run."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
DIRECTIVE = re.compile(r"^::: (?P<module>[\w.]+)(?P<names>(?: \w+)*)$", flags=re.MULTILINE)
"""``::: module`` is its docstring and its public functions; ``::: module name …`` is those functions alone."""

PART_OF_THE_PACKAGE = re.compile(r"\.(adaptive|explanation|functional|linking)$")
"""Modules whose functions are taken from ``poolbench.strided``."""


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put a module's reference in the place of each directive."""
    return DIRECTIVE.sub(lambda found: reference(found["module"], found["names"].split()), markdown)


def reference(module: str, names: list[str]) -> str:
    """Return Markdown for a module: headings of the third level, signatures and docstrings. KeyError for a name."""
    tree = ast.parse(source_of(module).read_text(encoding="utf-8"))
    public = {node.name: node for node in functions(tree)}
    parts = [] if names else [in_markdown(ast.get_docstring(tree) or "")]
    for name in names or public:
        node = public[name]
        prefix = PART_OF_THE_PACKAGE.sub("", module.removeprefix("poolbench."))
        docstring = in_markdown(ast.get_docstring(node) or "")
        parts.append(f"### {prefix}.{name}\n\n```python\n{signature(node)}\n```\n\n{docstring}")
    return "\n\n".join(parts)


def source_of(module: str) -> Path:
    """Return a module's file."""
    return ROOT / f"{module.replace('.', '/')}.py"


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Yield a module's public functions in the order of the file."""
    return (node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"))


def signature(node: ast.FunctionDef) -> str:
    """Return a function's signature, on several lines where one is too narrow for a phone."""
    line = f"{node.name}({ast.unparse(node.args)})"
    if len(line) <= 60:
        return line
    parts = re.split(r", (?![^\[(]*[\])])", ast.unparse(node.args))
    return f"{node.name}(\n" + "".join(f"    {part},\n" for part in parts) + ")"


def in_markdown(docstring: str) -> str:
    """Return a docstring as Markdown: definitions become a list, literals and doctests code."""
    lines, is_definition = [], False
    for line in docstring.splitlines():
        if re.fullmatch(r"``.*``", line):
            lines += ["", f"- {line.replace('``', '`')}: "]
            is_definition = True
        elif is_definition and line.startswith("    "):
            lines[-1] += f"{line.strip()} "
        else:
            lines += [""] if is_definition else []
            is_definition = False
            lines.append(line)
    text = "\n".join(line.rstrip() for line in lines).replace("``", "`").replace("*spatial", r"\*spatial")
    return re.sub(r"(?:^    >>> .*\n?(?:^    .*\n?)*)+", as_code, text, flags=re.MULTILINE)


def as_code(found: re.Match[str]) -> str:
    """Return an example as a block of code."""
    return f"```pycon\n{textwrap.dedent(found[0]).rstrip()}\n```\n"
