"""Where credentials come from: botocore's providers, made fit for a server that nobody sits in front of."""

# ruff: noqa: SLF001 - botocore makes its providers itself, and passes none of this on
from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

from aiobotocore.credentials import AioProcessProvider
from aiobotocore.utils import _RefCountedSession
from botocore.exceptions import CredentialRetrievalError, ReadTimeoutError
from botocore.utils import get_environ_proxies

from exporter.aws.credential_process import CredentialProcess


class MetadataSession(_RefCountedSession):  # type: ignore[misc] # aiobotocore has no types
    """What sends requests to the EC2 metadata service; notes whether the one for a token got no response."""

    has_lost_token = False

    async def send(self, request: Any) -> Any:
        """Send a request and return the response."""
        is_for_token = request.method == "PUT"
        try:
            response = await super().send(request)
        except ReadTimeoutError:
            # A connection, but no response: the service sends that with a limit of hops, and drops it at the next one.
            self.has_lost_token |= is_for_token
            raise
        if is_for_token:
            self.has_lost_token = False
        return response


class Unattended:
    """Adapts a resolver of credentials: it asks nobody, and what it starts may run for `seconds`."""

    def __init__(self, resolver: Any, profiles: Callable[[], Mapping[str, Any]], seconds: float) -> None:
        """Adapt a resolver; `profiles` returns those of AWS's configuration."""
        self._profiles = profiles
        self._popen = partial(CredentialProcess.start, seconds=seconds)
        for provider in resolver.providers:
            if isinstance(provider, AioProcessProvider):
                provider._popen = self._popen
        roles = resolver.get_provider("assume-role")
        roles._prompter = self._refuse
        self._adapt_source_profiles(roles._profile_provider_builder)
        self._metadata = self._watched(resolver.get_provider("iam-role")._role_fetcher)

    @property
    def hint(self) -> str:
        """Why there are no credentials, if that can be told; else empty."""
        return _HOPS if self._metadata.has_lost_token else ""

    def _adapt_source_profiles(self, builder: Any) -> None:
        """Have the programs of source profiles run as that of the profile itself."""
        make = builder._create_process_provider

        def bounded(profile_name: str) -> AioProcessProvider:
            provider = make(profile_name)
            provider._popen = self._popen
            return provider

        builder._create_process_provider = bounded

    def _refuse(self, prompt: str) -> NoReturn:
        """Raise CredentialRetrievalError instead of asking on the terminal for a code of MFA."""
        serials = {name: keys.get("mfa_serial") for name, keys in self._profiles().items()}
        names = [name for name, serial in serials.items() if serial and serial in prompt]
        words = f"the AWS profile {' or '.join(names)} has an mfa_serial: nobody can type a code of MFA into a server"
        raise CredentialRetrievalError(provider="assume-role", error_msg=words)

    def _watched(self, fetcher: Any) -> MetadataSession:
        """Have what fetches from the metadata service use a session that notes lost responses, and return that."""
        proxies = get_environ_proxies(fetcher._base_url)
        fetcher._session = session = MetadataSession(timeout=fetcher._timeout, proxies=proxies)
        return session


_HOPS = (
    "the EC2 metadata service did not respond to the request for a token: in a container, the instance needs a hop "
    "limit of 2 (HttpPutResponseHopLimit)"
)
