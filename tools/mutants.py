"""Change one thing at a time in the code that makes decisions, and see whether a test notices.

`python -m tools.mutants [module ...]` makes every mutant of the modules that tests/data/mutants.toml names, and runs
the tests that stand there beside the module. It prints the mutants that live and fails where too many do.

Python and the libraries are loaded once; each mutant gets a fork of that process, which imports the exporter anew.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import importlib
import math
import os
import re
import resource
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_loader
from multiprocessing import get_context
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import hypothesis
import pytest
import pytest_asyncio.plugin

LISTS = Path("tests/data/mutants.toml")
"""The modules with their tests, and the mutants that are equivalent to the code."""

ENOUGH = 0.9
"""The share of a module's mutants, without the equivalent ones, that has to be killed."""

LIBRARIES = (
    *("aiobotocore.session", "aiohttp.web", "aiohttp.test_utils", "bcrypt", "botocore.stub", "jinja2"),
    *("prometheus_client.parser", "pydantic_settings", "structlog.testing", "yaml"),
)
"""What takes long to import and is not ours."""

PYTEST = ("-x", "-q", "-p", "no:cacheprovider")

SWAPPED: dict[type[ast.AST], tuple[type[Any], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
}
"""Operators, each with its replacements."""

CALLED = {"min": "max", "max": "min", "any": "all", "all": "any", "ceil": "floor"}
"""Functions, each with its replacements."""

STATEMENT = re.compile(r"""f?"+\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|CASE)\b""")
"""How a text begins that is SQL."""

IN_STATEMENTS = (
    *((" AND ", " OR "), (" OR ", " AND "), (" IS NOT NULL", " IS NULL"), (" IS NULL", " IS NOT NULL")),
    *((" < ", " <= "), (" <= ", " < "), (" > ", " >= "), (" >= ", " > "), (" <> ", " = ")),
    *((" + ", " - "), (" - ", " + "), (" min(", " max("), (" max(", " min(")),
)
"""Words of SQL, each with its replacement."""

COMMENT = re.compile(r"--.*")

SMALL = 10
"""A number up to this is a count, and its mutant is one more; a larger one is a measure, and its mutant is doubled."""


class Mutant(NamedTuple):
    """A module with one thing changed."""

    path: str
    function: str
    """The qualified name of what contains the change; empty in the body of the module."""
    before: str
    after: str
    """The changed lines' text, on one line."""
    source: str
    """The whole module."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Return what identifies the mutant, regardless of where in the module it is."""
        return self[:4]


class Clean(NamedTuple):
    """The cost of a module's tests without a change."""

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Module:
    """A module to mutate."""

    path: str
    tests: tuple[str, ...]
    only: tuple[str, ...] = ()
    """The functions to mutate, if not all."""

    def mutants(self) -> list[Mutant]:
        """Return every mutant, in module order."""
        source = Path(self.path).read_text()
        found = {mutant.source: mutant for mutant in (*_mutants(self.path, source), *_in_statements(self.path, source))}
        return [mutant for mutant in found.values() if not self.only or mutant.function in self.only]


# What can be changed.


def _mutants(path: str, source: str) -> Iterator[Mutant]:
    for function, node, is_condition in _nodes(ast.parse(source)):
        for new in _instead(node, is_condition=is_condition):
            start, end = _span(source, node)
            yield _mutant(path, function, source, (start, end, _fitting(source, start, end, new)))


def _in_statements(path: str, source: str) -> Iterator[Mutant]:
    """Yield the mutants of SQL, which is text to Python."""
    for function, node, _ in _nodes(ast.parse(source)):
        if not isinstance(node, ast.Assign | ast.Return) or node.value is None:
            continue
        start, end = _span(source, node.value)
        text = source[start:end]
        if not STATEMENT.match(text):
            continue
        said = COMMENT.sub(lambda comment: "-" * len(comment[0]), text)
        for word, other in IN_STATEMENTS:
            for found in re.finditer(re.escape(word), said):
                yield _mutant(path, function, source, (start + found.start(), start + found.end(), other))


def _mutant(path: str, function: str, source: str, change: tuple[int, int, str]) -> Mutant:
    """Return a module with the text between two places replaced."""
    start, end, text = change
    mutated = source[:start] + text + source[end:]
    first, behind = source.count("\n", 0, start), source.count("\n", end) - 1
    before, after = (_one_line(each, first, behind) for each in (source, mutated))
    return Mutant(path, function, before, after, mutated)


def _one_line(source: str, first: int, behind: int) -> str:
    lines = source.splitlines()
    return " ".join(line.strip() for line in lines[first : len(lines) - behind])


def _nodes(node: ast.AST, function: str = "") -> Iterator[tuple[str, Any, bool]]:
    """Yield what may be changed with the function that it is in, and whether it is a condition.

    Types stay as they are, and so do texts.
    """
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.JoinedStr) or not isinstance(child, ast.AST) or _is_main(child):
                continue
            inner = function
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{function}.{child.name}".lstrip(".")
            if isinstance(child, ast.expr | ast.stmt):
                yield inner, child, name in {"test", "ifs"}
            yield from _nodes(child, inner)


def _is_main(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def _instead(node: ast.AST, *, is_condition: bool) -> Iterator[ast.AST]:
    """Yield the replacements of a node."""
    match node:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1 if value <= SMALL else value * 2)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp() | ast.BoolOp() | ast.Compare():
            yield from _operated(node)
        case ast.Call():
            yield from _called(node)
        case ast.stmt():
            yield from _done(node)
    if is_condition and isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.NamedExpr):
        # The opposite of a comparison is already among its own mutants.
        yield ast.UnaryOp(ast.Not(), node)


def _operated(node: ast.BinOp | ast.BoolOp | ast.Compare) -> Iterator[ast.AST]:
    """Yield the expression with another operator, and with an operand left out."""
    match node:
        case ast.BinOp(left=left, right=right):
            yield from (ast.BinOp(left, other(), right) for other in SWAPPED.get(type(node.op), ()))
            yield left
        case ast.BoolOp(values=values):
            yield from (ast.BoolOp(other(), values) for other in SWAPPED[type(node.op)])
            for n in range(len(values)):
                rest = [*values[:n], *values[n + 1 :]]
                yield ast.BoolOp(node.op, rest) if len(rest) > 1 else rest[0]
        case ast.Compare(ops=ops):
            for n, op in enumerate(ops):
                for other in SWAPPED[type(op)]:
                    yield ast.Compare(node.left, [*ops[:n], other(), *ops[n + 1 :]], node.comparators)


def _called(node: ast.Call) -> Iterator[ast.AST]:
    """Yield the opposite of a function, and what a limit leaves unchanged."""
    func, args = node.func, node.args
    name = func.attr if isinstance(func, ast.Attribute) else ast.unparse(func)
    if other := CALLED.get(name):
        new = ast.Attribute(func.value, other) if isinstance(func, ast.Attribute) else ast.Name(other)
        yield ast.Call(new, args, node.keywords)
    if name in {"min", "max"} and len(args) > 1:
        yield from args


def _done(node: ast.stmt) -> Iterator[ast.AST]:
    """Yield the replacements of a statement: nothing, or the opposite."""
    match node:
        case ast.AugAssign(target=target, op=op, value=value):
            yield from (ast.AugAssign(target, other(), value) for other in SWAPPED.get(type(op), ()))
            yield ast.Pass()
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Delete() | ast.Return(value=None) | ast.Raise():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            yield ast.Pass()
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Pass()


def _span(source: str, node: Any) -> tuple[int, int]:
    """Return where a node begins and ends; `ast` counts bytes of a line."""
    lines = source.encode().splitlines(keepends=True)
    places = ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))
    start, end = (len((b"".join(lines[: line - 1]) + lines[line - 1][:column]).decode()) for line, column in places)
    return start, end


def _fitting(source: str, start: int, end: int, new: ast.AST) -> str:
    """Return the text of a node that is put there, in parentheses where precedence requires them."""
    text = ast.unparse(ast.fix_missing_locations(new))
    if isinstance(new, ast.stmt):
        return text
    plain, safe = (f"{source[:start]}{each}{source[end:]}" for each in (text, f"({text})"))
    with contextlib.suppress(SyntaxError):
        if ast.dump(ast.parse(plain)) == ast.dump(ast.parse(safe)):
            return text
    return f"({text})"


# The effect of a change on the tests.


class _Loader(SourceFileLoader):
    """Imports one module from other source text than its file's."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """Return how to import a module, if it is the replaced one."""
        return spec_from_loader(name, self) if name == self.name else None

    def get_code(self, _name: str) -> CodeType:
        """Return the compiled text; a cached bytecode file does not matter."""
        return compile(self._source, self.path, "exec", dont_inherit=True)


def _test(path: str, source: str, tests: Sequence[str], cpu_seconds: int) -> None:
    """Run tests with a module's text replaced, and end the process with their result."""
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(silence, stream)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    sys.meta_path.insert(0, _Loader(name, path, source))
    # The same examples for every mutant; shrinking a failing one or timing it would be wasted effort.
    hypothesis.settings.register_profile(
        "mutants",
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("mutants")
    os._exit(pytest.main([*PYTEST, *tests], plugins=[pytest_asyncio.plugin]))


def _passes(path: str, source: str, tests: Sequence[str], most: Clean) -> bool:
    """Return whether tests pass with a module's text replaced; tests that hang do not."""
    process = get_context("fork").Process(target=_test, args=(path, source, tests, math.ceil(most.cpu_seconds)))
    process.start()
    process.join(most.seconds)
    process.kill()
    process.join()
    return process.exitcode == 0


def _clean(module: Module) -> Clean:
    """Return the limits of a mutant: far more than the tests take without a change."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    if not _passes(module.path, Path(module.path).read_text(), module.tests, Clean(600, 600)):
        raise SystemExit(f"the tests of {module.path} fail while nothing is changed")
    took = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    return Clean(60 + 5 * (time.monotonic() - began), 10 + 3 * took)


def _lives(task: tuple[Mutant, Module, Clean]) -> bool:
    mutant, module, most = task
    return _passes(mutant.path, mutant.source, module.tests, most)


# The report.


def diff(mutant: Mutant) -> str:
    """Return what a mutant changes, as a diff with two lines around it."""
    before, after = (text.splitlines(keepends=True) for text in (Path(mutant.path).read_text(), mutant.source))
    return "".join(difflib.unified_diff(before, after, mutant.path, f"{mutant.path} {mutant.function}", n=2))


def main(requested: Sequence[str]) -> str:
    """Try the mutants of the given modules, or of all if none are given; return what is wrong, empty if nothing is."""
    lists = tomllib.loads(LISTS.read_text())
    modules = [Module(**entry) for entry in lists["module"] if not requested or entry["path"] in requested]
    equal = {(entry["path"], entry["function"], entry["before"], entry["after"]) for entry in lists["equal"]}
    for library in LIBRARIES:
        importlib.import_module(library)
    complaints, rows = [], []
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("fork")) as pool:
        for module in modules:
            most, every = pool.submit(_clean, module).result(), module.mutants()
            tried = [mutant for mutant in every if mutant.key not in equal]
            survived = 0
            for mutant, lives in zip(tried, pool.map(_lives, [(m, module, most) for m in tried]), strict=True):
                if lives:
                    survived += 1
                    print(diff(mutant), flush=True)
            dead = len(tried) - survived
            rows.append((module.path, len(every), dead, len(every) - len(tried), survived))
            if dead < ENOUGH * len(tried):
                complaints.append(f"{module.path}: only {dead} of {len(tried)} mutants died")
            unknown = {key for key in equal if key[0] == module.path} - {mutant.key for mutant in every}
            complaints += [f"{LISTS}: there is no such mutant: {key}" for key in sorted(unknown)]
            idle = set(module.only) - {mutant.function for mutant in every}
            complaints += [f"{LISTS}: nothing to change in {module.path} {name}" for name in sorted(idle)]
    print(f"{'module':<32}{'mutants':>9}{'killed':>9}{'equal':>9}{'survived':>9}")
    for path, *numbers in rows:
        print(f"{path:<32}", *(f"{number:>9}" for number in numbers), sep="")
    return "\n".join(complaints)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or 0)
