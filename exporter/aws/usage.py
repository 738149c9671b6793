"""What a job used, by the catalog's description of what AWS tells of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeGuard

from exporter.aws.paths import Item, getter
from exporter.catalog.kind import RUN_TIME, Use, Used
from exporter.jobs import FINAL, Job, duration

UsageReader = Callable[[Job, Item], Mapping[str, float]]
"""Returns how much of each resource a job used, once it has ended."""

_MOST = 1e15
"""The first amount out of range: nothing checks a response, and a counter never forgets."""

_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What AWS calls a type of an instance or a worker: any other text is no label."""

_NOTHING: Mapping[str, float] = MappingProxyType({})


def usage(used: Used, *, has_starts: bool) -> UsageReader:
    """Return a function that reads what a job used; where the list `has_starts`, a job without one never ran."""
    reads = {resource: (_amount(use), _type(use)) for resource, use in used.items()}

    def read(job: Job, item: Item) -> Mapping[str, float]:
        if job.state not in FINAL:
            return _NOTHING
        ran = duration(job, has_starts=has_starts)
        amounts = {f"{resource}{type_(item)}": amount(item, ran) for resource, (amount, type_) in reads.items()}
        return {what: number for what, number in amounts.items() if number}

    return read


def _amount(use: Use) -> Callable[[Item, float | None], float | None]:
    products = [_product(factors) for factors in (use.amount, use.otherwise) if factors]

    def amount(item: Item, ran: float | None) -> float | None:
        for product in products:
            found = product(item, ran)
            if found is not None:
                return found * use.times if found * use.times < _MOST else None
        return None

    return amount


def _product(factors: Sequence[str]) -> Callable[[Item, float | None], float | None]:
    gets = [None if factor == RUN_TIME else getter(factor) for factor in factors]

    def product(item: Item, ran: float | None) -> float | None:
        numbers = [ran if get is None else get(item) for get in gets]
        amounts = [number for number in numbers if _is_amount(number)]
        return math.prod(amounts) if len(amounts) == len(numbers) else None

    return product


def _is_amount(number: Any) -> TypeGuard[float]:
    # `type`, because a boolean is an `int`, too.
    return type(number) in {int, float} and 0 <= number < _MOST


def _type(use: Use) -> Callable[[Item], str]:
    """Return what reads the type of the resource, after a slash; empty where there is none."""
    if use.type is None:
        return lambda _: ""
    get = getter(use.type)

    def type_(item: Item) -> str:
        found = get(item)
        return f"/{found}" if isinstance(found, str) and _TYPE.fullmatch(found) else ""

    return type_
