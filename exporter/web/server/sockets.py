"""The sockets to listen on: of addresses, or handed over by systemd."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterable
from contextlib import ExitStack

_FIRST_DESCRIPTOR = 3
"""Where systemd's sockets begin, see sd_listen_fds(3)."""

_QUEUE = 1024
"""Connections that the kernel keeps until they are accepted, if net.core.somaxconn allows."""

_NO_IPV6 = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


async def listen(addresses: Iterable[str]) -> list[socket.socket]:
    """Return sockets that listen on addresses such as `:10058`, `localhost:0` and `[::1]:10058`.

    An address without a host is every address of the machine, of IPv4 and IPv6. Raises OSError, which names the
    address, where one cannot be listened on; then the others are let go.
    """
    with ExitStack() as opened:
        sockets = [opened.enter_context(one) for address in addresses for one in await _listen(address)]
        opened.pop_all()
        return sockets


def from_systemd() -> list[socket.socket]:
    """Return the sockets that systemd activated this process with; raises OSError where there are none."""
    count, process = os.environ.get("LISTEN_FDS", ""), os.environ.get("LISTEN_PID")
    if process != str(os.getpid()) or not count.isdecimal() or not int(count):
        raise OSError(errno.ENOENT, "no socket activation file descriptors found")
    return [_adopted(descriptor) for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + int(count))]


def _adopted(descriptor: int) -> socket.socket:
    adopted = socket.socket(fileno=descriptor)
    if adopted.family not in {socket.AF_INET, socket.AF_INET6} or adopted.type != socket.SOCK_STREAM:
        raise OSError(errno.EINVAL, f"file descriptor {descriptor} is no TCP socket: use ListenStream=PORT")
    adopted.setblocking(False)  # noqa: FBT003 - its signature
    return adopted


async def _listen(address: str) -> list[socket.socket]:
    host, _, port = address.rpartition(":")
    try:
        if not host:
            return [_everywhere(int(port))]
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        places = dict.fromkeys((family, str(name[0]), int(name[1])) for family, _, _, _, name in found)
        with ExitStack() as opened:
            sockets = [opened.enter_context(_opened((ip, number), family)) for family, ip, number in places]
            opened.pop_all()
            return sockets
    except OSError as error:
        raise OSError(error.errno, f"{address}: {error.strerror}") from None


def _everywhere(port: int) -> socket.socket:
    """Return one socket for both families, so that port 0 is one port; IPv4 alone where the machine has no IPv6."""
    if socket.has_dualstack_ipv6():
        try:
            return _opened(("", port), socket.AF_INET6, both=True)
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return _opened(("", port), socket.AF_INET)


def _opened(name: tuple[str, int], family: int, *, both: bool = False) -> socket.socket:
    opened = socket.create_server(name, family=family, backlog=_QUEUE, dualstack_ipv6=both)
    opened.setblocking(False)  # noqa: FBT003 - its signature
    return opened
