"""The permissions that a configuration needs: IAM's names of the actions, and the resources that they are for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from exporter.catalog import Catalog, Kind
from exporter.catalog.models import Models
from exporter.settings import Organization, Selection, ServiceSettings, Settings

Resources = tuple[str, ...]

Permissions = Mapping[str, Resources]
"""Actions as IAM writes them, each with the resources that it is for."""

ANY: Resources = ("*",)

_BESIDES = {"timestream-write": ("timestream:DescribeEndpoints",)}
"""What the calls of a service need whatever they pass: Timestream's clients first ask where to send a call."""

_NARROWED = {
    "cleanrooms:GetProtectedJob": "membership",
    "cleanrooms:GetProtectedQuery": "membership",
    "cleanrooms:ListProtectedJobs": "membership",
    "cleanrooms:ListProtectedQueries": "membership",
    "cleanrooms:PassCollaboration": "collaboration",
    "cleanrooms:PassMembership": "membership",
}
"""Actions that AWS checks against the container alone, and the sort of container."""

_ARN = "arn:*:cleanrooms:*:*:{sort}/{id}"
"""The id is unique in all of AWS, and the account would be that of the collaboration's creator: it tells nothing."""


class Operation(NamedTuple):
    """An operation, and the names of the arguments that it is called with."""

    service: str
    operation: str
    arguments: tuple[str, ...] = ()


class Statement(NamedTuple):
    """A statement of a policy: what it allows."""

    sid: str
    actions: tuple[str, ...]
    resources: Resources


def calls(kind: Kind, settings: ServiceSettings) -> Iterator[Operation]:
    """Yield what reading a kind calls: to find its containers, to list its jobs, to ask why one of them failed."""
    for name, scope in kind.scopes:
        if settings.named(name) is None:
            yield Operation(scope.service or kind.service, scope.operation, tuple(scope.arguments))
    yield Operation(kind.service, kind.operation, (*kind.arguments, *kind.sweep))
    if kind.details:
        yield Operation(kind.service, kind.details.operation, tuple(kind.details.arguments))


def action(call: Operation, catalog: Catalog) -> str:
    """Return the action that bears the name of an operation."""
    known = call.service in catalog
    prefix = catalog[call.service].iam_prefix if known else Models().service(call.service).signing_name
    return f"{prefix}:{call.operation}"


def actions(call: Operation, kind: Kind, catalog: Catalog) -> Iterator[str]:
    """Yield the actions that a call made for a kind needs, its own first."""
    yield action(call, catalog)
    yield from (needed for argument in call.arguments for needed in kind.permissions.get(argument, ()))
    yield from _BESIDES.get(call.service, ())


def reading(settings: Settings, catalog: Catalog) -> Permissions:
    """Return what reading an account needs."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for selection in settings.selections(catalog):
        for kind in selection.kinds:
            for call in calls(kind, selection.settings):
                for name in actions(call, kind, catalog):
                    found[name].update(_resources(name, kind, selection))
    if settings.all_regions:
        found[REGIONS_ACTION].add("*")
    return {name: ANY if "*" in resources else tuple(sorted(resources)) for name, resources in found.items()}


def base(settings: Settings, catalog: Catalog) -> Permissions:
    """Return what the exporter's own identity needs: to assume the roles, and to read where no role is named.

    An organisation's accounts are listed, and the one that the exporter runs in is read without a role.
    """
    if organization := settings.organization:
        role = f"arn:*:iam::*:role/{organization.role_name}"
        listing = dict.fromkeys(map("organizations:{}".format, listings(organization)), ANY)
        return {**reading(settings, catalog), **listing, "sts:AssumeRole": (role,)}
    roles = tuple(sorted({account.role_arn for account in settings.named_accounts if account.role_arn}))
    own = reading(settings, catalog) if any(account.role_arn is None for account in settings.named_accounts) else {}
    return {**own, "sts:AssumeRole": roles} if roles else own


def listings(organization: Organization) -> Sequence[str]:
    """Return the operations of Organizations that finding its accounts calls."""
    return ("ListAccounts", *_OF_UNITS) if organization.units else ("ListAccounts",)


REGIONS_ACTION = "ec2:DescribeRegions"

_OF_UNITS = ("ListAccountsForParent", "ListOrganizationalUnitsForParent")


def statements(permissions: Permissions) -> list[Statement]:
    """Return permissions as statements: one for each service and what it is allowed for, in a stable order."""
    groups: defaultdict[tuple[str, Resources], list[str]] = defaultdict(list)
    for name, resources in sorted(permissions.items()):
        groups[name.partition(":")[0], resources].append(name)
    return [
        Statement(_sid(service, resources, names), tuple(names), resources)
        for (service, resources), names in sorted(groups.items())
    ]


def _resources(name: str, kind: Kind, selection: Selection) -> Iterable[str]:
    """Return what an action is needed for: the containers that are named, else everything."""
    sort = _NARROWED.get(name)
    # Of a kind in another sort of container only AWS's answers tell which containers the action will be needed for.
    named = selection.settings.named(sort) if sort and sort == kind.outer_scope else None
    return ANY if named is None else [_ARN.format(sort=sort, id=identifier) for identifier in named]


def _sid(service: str, resources: Resources, names: Iterable[str]) -> str:
    """Return a name of letters and digits that no other statement has."""
    words = "".join(word.capitalize() for word in service.split("-"))
    return words if resources == ANY else words + next(iter(names)).partition(":")[2]
