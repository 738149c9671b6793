"""The rooms of the exporter are layers, and each imports only from those below it."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

ROOMS = (
    "__main__",
    "cli",
    "app",
    "simulator",
    "web",
    "poller",
    "event_log",
    "exposition",
    "families",
    "store",
    "aws",
    "permissions",
    "settings",
    "telemetry",
    "reasons",
    "catalog",
    "text",
    "jobs",
    "turns",
    "threads",
    "bucket",
    "clock",
    "",  # the package itself, which holds nothing but the version
)
"""The rooms from top to bottom."""

CONFINED = {"aiobotocore": {"aws"}, "botocore": {"aws", "catalog", "cli", "simulator"}, "boto3": set[str]()}
"""The rooms that may import a library."""

ROOT = Path(__file__).parents[2]


def imports(file: Path) -> Iterator[str]:
    """Yield the dotted name of everything that a file imports: `asyncio`, `exporter.jobs.Job`."""
    package = ".".join(file.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{source}.{alias.name}" for alias in node.names)


def module_name(file: Path) -> str:
    """Return the dotted name of a file: `exporter.catalog` for `exporter/catalog/__init__.py`."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_name(file): file for file in sorted(ROOT.glob("exporter/**/*.py"))}
IMPORTS = {module: sorted(imports(file)) for module, file in FILES.items()}


def source(name: str) -> str:
    """Return our module that defines an imported name."""
    return name if name in IMPORTS else name.rpartition(".")[0]


def room(module: str) -> str:
    """Return the room that a module belongs to: `catalog` for `exporter.catalog.kind`."""
    return "".join(module.split(".")[1:2])


OURS = [(module, name) for module, names in IMPORTS.items() for name in names if name.split(".")[0] == "exporter"]
"""Every module with each of our names that it imports."""


def test_every_room_is_known() -> None:
    """A module outside of every room is an error."""
    unknown = {room(module) for module in IMPORTS} - set(ROOMS)
    assert not unknown, f"give these a place in ROOMS: {', '.join(sorted(unknown))}"


def test_imports_go_down() -> None:
    """A module imports from its own room and from rooms below it, never from one above."""
    depth = {name: number for number, name in enumerate(ROOMS)}
    upward = [
        f"{module} imports {name}, but {room(source(name))} stands above {room(module) or 'the package'}"
        for module, name in OURS
        if depth.get(room(source(name)), len(ROOMS)) < depth.get(room(module), 0)
    ]
    assert not upward, "\n".join(upward)


def test_imports_form_no_cycle() -> None:
    """No module imports itself, not even indirectly within its room."""
    graph: dict[str, set[str]] = {}
    for module, name in OURS:
        graph.setdefault(module, set()).add(source(name))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle = " <- ".join(error.args[1])
        raise AssertionError(f"imported in a circle: {cycle}") from None


def test_the_toolkit_can_be_extracted() -> None:
    """Only the code that assembles the site imports `web.toolkit`, which imports `web.server` and rooms below `web`."""
    toolkit = "exporter.web.toolkit"
    importers = {module for module, name in OURS if source(name).startswith(toolkit) and not module.startswith(toolkit)}
    imported = {source(name) for module, name in OURS if module.startswith(toolkit)}
    inside = {module for module in imported if room(module) == "web" and not module.startswith(toolkit)}
    assert importers == {"exporter.web"}
    assert {module.rpartition(".")[0] for module in inside} == {"exporter.web.server"}


def test_names_are_unique() -> None:
    """The name of a file or of a public class is unique."""
    files = [file.stem for file in FILES.values() if file.name not in {"__init__.py", "__main__.py"}]
    classes = [
        node.name
        for file in FILES.values()
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert [name for name, count in Counter([*files, *classes]).items() if count > 1] == []


def test_the_package_needs_nothing_from_the_checkout() -> None:
    """No module imports from a folder beside the package, which a wheel lacks."""
    beside = {"config", "helm", "image", "tests", "tools"}
    assert [(module, name) for module, names in IMPORTS.items() for name in names if name.split(".")[0] in beside] == []


def test_libraries_stay_in_their_rooms() -> None:
    """Only the rooms named for it import a library of AWS."""
    strays = [
        f"{module} imports {name}, which is for {', '.join(sorted(CONFINED[library])) or 'nobody'}"
        for module, names in IMPORTS.items()
        for name in names
        if (library := name.split(".")[0]) in CONFINED and room(module) not in CONFINED[library]
    ]
    assert not strays, "\n".join(strays)


def test_blocking_calls_run_in_pools_of_their_own() -> None:
    """None runs in the event loop's own threads, which a name server that is silent fills."""
    shared = re.compile(r"to_thread\(|run_in_executor\(None")
    assert [module for module, file in FILES.items() if shared.search(file.read_text())] == []


def test_the_package_exports_only_its_version() -> None:
    """The only name imported from the package itself is its version."""
    others = [f"{module} imports {name}" for module, name in OURS if source(name) in {"", "exporter"}]
    others = [line for line in others if not line.endswith(" exporter.__version__")]
    assert not others, "\n".join(others)
