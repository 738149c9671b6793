"""Prints what another botocore has that the catalog does not know yet: `make catalog-news`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import distributions, version
from pathlib import Path
from typing import NamedTuple

from botocore.loaders import Loader
from botocore.model import ListShape, OperationModel, Shape, StringShape, StructureShape

from exporter.catalog import Catalog, Kind
from exporter.catalog.models import Checker, Models

LEFT_OUT = Path(__file__).parents[1] / "docs" / "catalog.md"
"""Names the operations that were looked at and are no kinds, with the reason."""

_LISTS = re.compile("(List|Describe|Get|Search)[A-Z]")
_STATUS = re.compile("(?i)(status|state)$")
_AT_WORK = re.compile("(?i)run|progress|pend|queue|submit|start|execut")
_DONE = re.compile("(?i)succ|complet|finish|done")
_FAILED = re.compile("(?i)fail|error")


class NewList(NamedTuple):
    """An operation that lists something with a status."""

    service: str
    operation: str
    status: str
    """Where the status of an item stands: `jobs[].status`."""
    words: tuple[str, ...]
    """Its values; empty if the model does not enumerate them."""

    @property
    def is_of_jobs(self) -> bool:
        """Whether the words are those of something that runs and then succeeds or fails, as a resource does not."""
        words = " ".join(self.words)
        return all(pattern.search(words) for pattern in (_AT_WORK, _DONE, _FAILED))

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.service} {self.operation}: {self.status} ({', '.join(self.words) or 'any text'})"


class News(NamedTuple):
    """What one botocore has that the catalog does not fit."""

    botocore: str
    compared_with: str
    misfits: Mapping[str, list[str]]
    """By kind, what does not fit any more: members that went, statuses that came."""
    jobs: list[NewList]
    others: list[NewList]
    """Lists whose items have a status, but not that of a job, as far as one can tell."""


def news(kinds: Iterable[Kind], newest: Loader, known: Loader, left_out: str, versions: tuple[str, str]) -> News:
    """Compare kinds with the newest models; an operation that the known ones have, or a text names, is no news."""
    checker = Checker(Models(newest))
    problems = {str(kind): checker.problems(kind) for kind in kinds}
    found = [each for each in lists(newest, known) if each.operation not in left_out]
    return News(
        *versions,
        {kind: each for kind, each in problems.items() if each},
        [each for each in found if each.is_of_jobs],
        [each for each in found if not each.is_of_jobs],
    )


def lists(newest: Loader, known: Loader) -> Iterator[NewList]:
    """Yield each operation that lists something with a status, and that is not known yet."""
    models = Models(newest)
    for service in newest.list_available_services("service-2"):
        for operation in sorted(_operations(newest, service) - _operations(known, service)):
            if _LISTS.match(operation) and (found := _status(models.operation(service, operation))):
                yield NewList(service, operation, *found)


def _operations(loader: Loader, service: str) -> frozenset[str]:
    if service not in loader.list_available_services("service-2"):
        return frozenset()
    return frozenset(loader.load_service_model(service, "service-2")["operations"])


def _status(model: OperationModel) -> tuple[str, tuple[str, ...]] | None:
    """Return where the items of an operation have a status, and its values; None if it lists nothing of that sort."""
    for name, shape in _members(model.output_shape):
        if isinstance(shape, ListShape):
            for path, member in _members(shape.member):
                if _STATUS.search(path) and isinstance(member, StringShape):
                    return f"{name}[].{path}", tuple(member.enum)
    return None


def _members(shape: Shape | None) -> Iterator[tuple[str, Shape]]:
    yield from shape.members.items() if isinstance(shape, StructureShape) else ()


def text(found: News) -> Iterator[str]:
    """Yield what there is to say, line by line."""
    yield f"botocore {found.botocore}, compared with {found.compared_with}, which is locked"
    sections: list[tuple[str, Sequence[object]]] = [
        ("Kinds that do not fit it", [f"{kind}: {each}" for kind, all_ in found.misfits.items() for each in all_]),
        ("New lists that may be of jobs", found.jobs),
        ("New lists with another status", found.others),
    ]
    for title, entries in sections:
        yield ""
        yield f"{title}: {len(entries) or 'none'}"
        yield from (f"  {entry}" for entry in entries)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the news; 0 whether there are any or not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where `pip install --target` has put the other botocore")
    parser.add_argument("--output", choices=("text", "json"), default="text", help="json for programs")
    options = parser.parse_args(arguments)
    data = options.folder / "botocore" / "data"
    if not data.is_dir():
        parser.error(f"{options.folder}: has no botocore/data: `make catalog-news` installs the newest botocore")
    newest = Loader(extra_search_paths=[str(data)], include_default_search_paths=False)
    names = {each.name: each.version for each in distributions(path=[str(options.folder)])}
    versions = names.get("botocore", "of unknown version"), version("botocore")
    found = news(Catalog().kinds(), newest, Loader(), LEFT_OUT.read_text(), versions)
    if options.output == "json":
        lists_ = {"jobs": [each._asdict() for each in found.jobs], "others": [each._asdict() for each in found.others]}
        print(json.dumps({**found._asdict(), **lists_}, indent=2))
    else:
        print(*text(found), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
