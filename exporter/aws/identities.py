"""Identities: whose credentials requests are signed with, found and renewed while the exporter runs."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from aiobotocore.credentials import AioCredentials, AioDeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, NoCredentialsError

from exporter.aws.items import seconds
from exporter.aws.poll_error import BadResponseError, PollError, credentials_error, error_reason
from exporter.aws.session import Session
from exporter.settings import Account
from exporter.telemetry import PollErrorReason

_NAMES = "access key", "secret access key", "session token"
_ONE_WORD = re.compile(r"[!-~]+")


class Identity:
    """Credentials that renew themselves, and the account that they belong to."""

    def __init__(self, find: Callable[[], Awaitable[Any]], *, is_fixed: bool) -> None:
        """Use the credentials that `find` returns, None if there are none.

        `is_fixed` says that they always belong to the same account, however often they are renewed.
        """
        self._find = find
        self._is_fixed = is_fixed
        self._known = ("", "")

    async def ready(self) -> None:
        """Return once there are valid credentials; raises PollError if there are none."""
        try:
            await self.frozen()
        # botocore lets much of what happens in a provider through: a KeyError if a response has no keys, a ValueError
        # if their expiry is not a time, a RuntimeError if renewed keys have expired already.
        except (BotoCoreError, OSError, LookupError, RuntimeError, ValueError) as error:
            raise credentials_error(error) from error

    async def credentials(self) -> Any:
        """Return the credentials, which renew themselves; raises NoCredentialsError if there are none."""
        credentials = await self._find()
        if credentials is None:
            raise NoCredentialsError
        return credentials

    async def frozen(self) -> Any:
        """Return the keys of the moment, renewed if need be."""
        return await (await self.credentials()).get_frozen_credentials()

    def account_of(self, access_key: str) -> str:
        """Return the account that a key belongs to, as far as STS was asked; else the empty string."""
        known, account_id = self._known
        return account_id if self._is_fixed or known == access_key else ""

    def note_account(self, access_key: str, account_id: str) -> None:
        """Note the account that a key belongs to, which holds until the key is replaced."""
        self._known = access_key, account_id

    async def answered(self, response: Mapping[str, Any]) -> None:
        """Do nothing about a response: the credentials of a role renew themselves before they expire."""


class Keys(Identity):
    """Keys that stay as they are: those of one request."""

    def __init__(self, keys: Any) -> None:
        async def find() -> Keys:
            return self

        super().__init__(find, is_fixed=False)
        self._keys = keys

    async def get_frozen_credentials(self) -> Any:
        """Return the keys, as botocore's signer asks for them."""
        return self._keys


class Default(Identity):
    """The credentials of botocore's default chain."""

    def __init__(self, session: Session) -> None:
        super().__init__(session.get_credentials, is_fixed=False)
        self._session = session

    async def ready(self) -> None:
        """Return once there are valid credentials; raises PollError if there are none, and says why if it can."""
        try:
            await super().ready()
        except PollError as failure:
            if not self._session.hint:
                raise
            raise PollError(failure.reason, f"{failure}; {self._session.hint}") from failure

    async def frozen(self) -> Any:
        """Return the keys of the moment, renewed if need be; raises PollError if they cannot be sent."""
        credentials = await self.credentials()
        keys = await credentials.get_frozen_credentials()
        for name, key in zip(_NAMES, (keys.access_key, keys.secret_key, keys.token), strict=True):
            # Neither would be accepted, and a line end would be taken for an attack by what sends the request.
            if key and not _ONE_WORD.fullmatch(key):
                place = self._session.place(credentials.method)
                words = f"the {name} of {place} has white space or a line end in it"
                raise PollError(PollErrorReason.EXPIRED_CREDENTIALS, words)
        return keys

    async def answered(self, response: Mapping[str, Any]) -> None:
        """Read static keys again once AWS rejects them: botocore reads their file once, and it may have newer ones."""
        if error_reason(response) is not PollErrorReason.EXPIRED_CREDENTIALS:
            return
        held = await self._session.get_credentials()
        # Not credentials that renew themselves, and not explicit keys, which are in no file.
        if type(held) is AioCredentials and held.method != "explicit":
            found = await self._session.get_component("credential_provider").load_credentials()
            if type(found) is AioCredentials:
                # In place, because the session holds this object.
                held.access_key, held.secret_key, held.token = found.access_key, found.secret_key, found.token


Assume = Callable[[str, Mapping[str, str]], Awaitable[Mapping[str, Any]]]
"""Calls AssumeRole in a region with some arguments, and returns the credentials in its response."""


class Identities:
    """One identity for the default credentials, and one for each role in each region."""

    def __init__(self, session: Session, assume: Assume) -> None:
        self.default = Default(session)
        self._assume = assume
        self._roles: dict[tuple[Account, str], Identity] = {}

    def of(self, account: Account, region: str) -> Identity:
        """Return the identity that reads an account.

        A role is assumed in the region that is read, so that an outage of STS in one region spares the others.
        """
        if account.role_arn is None:
            return self.default
        key = (account, region)
        if key not in self._roles:
            self._roles[key] = self._role(account, region)
        return self._roles[key]

    def drop(self, account: Account, region: str) -> None:
        """Drop the credentials of a role in a region."""
        self._roles.pop((account, region), None)

    def _role(self, account: Account, region: str) -> Identity:
        """Return an identity with the credentials of a role (STS AssumeRole)."""
        # CloudTrail shows the name of the session with each request.
        arguments = {"RoleArn": str(account.role_arn), "RoleSessionName": "aws-job-exporter"}
        if account.external_id:
            arguments["ExternalId"] = account.external_id.get_secret_value()

        async def assume() -> dict[str, str]:
            credentials = await self._assume(region, arguments)
            expires = seconds(credentials["Expiration"])
            if expires is None:
                raise BadResponseError("AssumeRole returned credentials whose expiration is not a time")
            return {
                "access_key": credentials["AccessKeyId"],
                "secret_key": credentials["SecretAccessKey"],
                "token": credentials["SessionToken"],
                "expiry_time": datetime.fromtimestamp(expires, UTC).isoformat(),
            }

        renewing = AioDeferredRefreshableCredentials(refresh_using=assume, method="assume-role")

        async def find() -> AioDeferredRefreshableCredentials:
            return renewing

        return Identity(find, is_fixed=True)
