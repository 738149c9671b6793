"""The permissions that a configuration needs: actions as IAM names them, and their resources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from exporter.catalog import EVERY_CALL, Catalog, Kind
from exporter.catalog.models import Models
from exporter.settings import EventQueue, Organization, Selection, ServiceSettings, Settings

Resources = tuple[str, ...]

Permissions = Mapping[str, Resources]
"""Actions as IAM writes them, each with its resources."""

ANY: Resources = ("*",)

REGIONS_ACTION = "ec2:DescribeRegions"


class Operation(NamedTuple):
    """An operation, and the names of the arguments that it is called with."""

    service: str
    operation: str
    arguments: tuple[str, ...] = ()


RECEIVING = (Operation("sqs", "ReceiveMessage"), Operation("sqs", "DeleteMessageBatch"))
"""What reading a queue takes."""

TAGS = Operation("resourcegroupstaggingapi", "GetResources", ("ResourceARNList",))
"""What tells the tags of jobs and scopes."""

_ALLOWED_BY = {"sqs:DeleteMessageBatch": "sqs:DeleteMessage", "tagging:GetResources": "tag:GetResources"}
"""Operations that IAM has no action for by their name, and the action that allows each."""

QUEUE_ACTIONS = ("sqs:DeleteMessage", "sqs:ReceiveMessage")
"""What IAM calls that."""


ASSUMING_ACTIONS = ("sts:AssumeRole", "sts:TagSession")
"""What assuming a role takes: credentials of EKS Pod Identity have tags, which go on to the next role."""


class Statement(NamedTuple):
    """A statement of a policy that allows actions on resources."""

    sid: str
    actions: tuple[str, ...]
    resources: Resources


def calls(kind: Kind, settings: ServiceSettings) -> Iterator[Operation]:
    """Yield the operations that read a kind: they find its scopes, list its jobs, and say why one of them failed."""
    for name, scope in kind.scopes:
        if settings.named(name) is None:
            yield Operation(scope.service or kind.service, scope.operation, tuple(scope.arguments))
    yield Operation(kind.service, kind.operation, (*kind.arguments, *kind.sweep))
    if kind.describe:
        yield Operation(kind.service, kind.describe.operation, (kind.describe.ids,))
    if kind.details:
        yield Operation(kind.service, kind.details.operation, tuple(kind.details.arguments))
    if settings.tags_of(kind):
        yield TAGS


def action(call: Operation, catalog: Catalog) -> str:
    """Return the action named after an operation."""
    known = call.service in catalog
    # Most services have one name for signing and for IAM; the catalog's files know the others.
    prefix = catalog[call.service].iam_prefix if known else Models().service(call.service).signing_name
    name = f"{prefix}:{call.operation}"
    return _ALLOWED_BY.get(name, name)


def actions(call: Operation, kind: Kind, catalog: Catalog) -> Iterator[str]:
    """Yield the actions that a call made for a kind needs, the one named after its operation first."""
    yield action(call, catalog)
    for argument in (*call.arguments, EVERY_CALL):
        yield from kind.permissions.get(argument, ())


def reading(settings: Settings, catalog: Catalog) -> Permissions:
    """Return the permissions that reading an account needs; where no role does, those that its queues need as well."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for selection in settings.selections(catalog):
        for kind in selection.kinds:
            for call in calls(kind, selection.settings):
                for name in actions(call, kind, catalog):
                    found[name].update(_resources(name, kind, selection))
    if settings.finds_regions:
        found[REGIONS_ACTION].add("*")
    kinds = {name: ANY if "*" in resources else tuple(sorted(resources)) for name, resources in found.items()}
    has_roles = settings.organization or any(account.role_arn for account in settings.named_accounts)
    return kinds if has_roles else {**kinds, **_receiving(_own_queues(settings), settings)}


def receiving(settings: Settings, _: Catalog) -> Permissions:
    """Return the permissions that reading the queues of events needs, whoever reads each."""
    return _receiving(settings.events, settings)


def _own_queues(settings: Settings) -> Sequence[EventQueue]:
    return [queue for queue in settings.events if queue.role_arn is None]


def _receiving(queues: Sequence[EventQueue], settings: Settings) -> Permissions:
    arns = tuple(arn for queue in queues for arn in queue.arns(settings.shard.count))
    return dict.fromkeys(QUEUE_ACTIONS, arns) if arns else {}


def base(settings: Settings, catalog: Catalog) -> Permissions:
    """Return the permissions of the exporter's own identity: to assume the roles, and to read where no role is named.

    With an organization it also lists the accounts, and reads the account that it runs in without a role.
    """
    roles = {account.role_arn for account in settings.named_accounts if account.role_arn}
    roles |= {queue.role_arn for queue in settings.events if queue.role_arn}
    own = _receiving(_own_queues(settings), settings)
    if settings.organization or any(account.role_arn is None for account in settings.named_accounts):
        own = {**reading(settings, catalog), **own}
    if organization := settings.organization:
        roles.add(f"arn:*:iam::*:role/{organization.role_name}")
        own = {**own, **dict.fromkeys(map("organizations:{}".format, listings(organization)), ANY)}
    return {**own, **dict.fromkeys(ASSUMING_ACTIONS, tuple(sorted(roles)))} if roles else own


def listings(organization: Organization) -> Sequence[str]:
    """Return the operations of AWS Organizations that find its accounts."""
    if not organization.units:
        return ("ListAccounts",)
    return ("ListAccounts", "ListAccountsForParent", "ListOrganizationalUnitsForParent")


def statements(permissions: Permissions) -> list[Statement]:
    """Return permissions as statements, one for each service and set of resources, in a stable order."""
    groups: defaultdict[tuple[str, Resources], list[str]] = defaultdict(list)
    for name, resources in sorted(permissions.items()):
        groups[name.partition(":")[0], resources].append(name)
    return [
        Statement(_sid(service, resources, names), tuple(names), resources)
        for (service, resources), names in sorted(groups.items())
    ]


def _resources(name: str, kind: Kind, selection: Selection) -> Iterable[str]:
    """Return the resources of an action: the scopes that the configuration names, or everything."""
    # For a kind in another scope, only AWS's responses say which resources the action will be needed for.
    for sort, scope in kind.scopes[:1]:
        ids = selection.settings.named(sort)
        if ids is not None and scope.resource and name in scope.resource.actions:
            return [scope.resource.arn.format(id=identifier) for identifier in ids]
    return ANY


def _sid(service: str, resources: Resources, names: Iterable[str]) -> str:
    """Return a unique id of a statement; IAM allows only letters and digits."""
    words = "".join(word.capitalize() for word in service.split("-"))
    return words if resources == ANY else words + next(iter(names)).partition(":")[2]
