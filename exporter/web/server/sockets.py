"""The sockets to listen on: bound to addresses, or passed on by systemd."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterable
from contextlib import ExitStack

_FIRST_DESCRIPTOR = 3
"""The first of systemd's sockets, see sd_listen_fds(3)."""

_NO_IPV6 = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


async def listen(addresses: Iterable[str]) -> list[socket.socket]:
    """Return sockets that listen on addresses such as `:10058`, `localhost:0` and `[::1]:10058`.

    An address without a host means every address of the machine, IPv4 and IPv6. If one of them cannot be listened on,
    closes the others and raises OSError, which names the address.
    """
    with ExitStack() as opened:
        sockets = [opened.enter_context(one) for address in addresses for one in await _listen(address)]
        opened.pop_all()
        return sockets


def from_systemd() -> list[socket.socket]:
    """Return the sockets that systemd activated this process with; raises OSError if there are none."""
    count, process = os.environ.get("LISTEN_FDS", ""), os.environ.get("LISTEN_PID")
    # The variables are inherited, but meant for one process alone: sd_listen_fds(3) compares as well.
    if process != str(os.getpid()) or not count.isdecimal() or not int(count):
        raise OSError(errno.ENOENT, "no socket activation file descriptors found")
    return [_adopted(descriptor) for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + int(count))]


def _adopted(descriptor: int) -> socket.socket:
    adopted = socket.socket(fileno=descriptor)
    if adopted.family not in {socket.AF_INET, socket.AF_INET6} or adopted.type != socket.SOCK_STREAM:
        raise OSError(errno.EINVAL, f"file descriptor {descriptor} is not a TCP socket: use ListenStream=PORT")
    return adopted


async def _listen(address: str) -> list[socket.socket]:
    host, _, port = address.rpartition(":")
    try:
        if not host:
            return [_everywhere(int(port))]
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        with ExitStack() as opened:
            sockets = [
                opened.enter_context(socket.create_server((str(ip), number), family=family))
                # Without duplicates: a hosts file may list an address of `localhost` twice.
                for family, ip, number in dict.fromkeys((family, *name[:2]) for family, _, _, _, name in found)
            ]
            opened.pop_all()
            return sockets
    except OSError as error:
        raise OSError(error.errno, f"{address}: {error.strerror}") from None


def _everywhere(port: int) -> socket.socket:
    """Return one socket for IPv4 and IPv6, so that port 0 is one port; for IPv4 alone if the machine has no IPv6."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return socket.create_server(("", port))
