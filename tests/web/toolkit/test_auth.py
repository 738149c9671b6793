"""Passwords are compared slowly, once, and the cache of results has a limit."""

import asyncio
import base64

import bcrypt
import pytest

from exporter.web.toolkit import auth
from exporter.web.toolkit.auth import Authenticator, credentials


def hashed(password):
    """Return a hash that is fast to compare with."""
    return bcrypt.hashpw(password, bcrypt.gensalt(4)).decode()


async def test_cache_size():
    """TestCacheSize: never more than 100 results; the 101st leaves 90."""
    authenticator, users = Authenticator(), {"user": hashed(b"right")}
    sizes = []
    for number in range(300):
        assert not await authenticator.admits(b"user", str(number).encode(), users)
        sizes.append(len(authenticator._found))
    assert max(sizes) == 100
    assert sizes[100] == 90


async def test_guessing_passwords_does_not_evict_the_right_ones():
    """Otherwise everyone would have to wait behind the attempts; where all are right, some are still dropped."""
    authenticator, users = Authenticator(), {"user": hashed(b"right")}
    assert await authenticator.admits(b"user", b"right", users)
    for number in range(300):
        await authenticator.admits(b"user", str(number).encode(), users)
    assert list(authenticator._found.values()).count(True) == 1
    many = {str(number): users["user"] for number in range(150)}
    for user in many:
        assert await authenticator.admits(user.encode(), b"right", many)
    assert len(authenticator._found) <= 100


async def test_results_are_cached():
    """A rejection is cached, too, and shared by requests that arrived during the first comparison."""
    authenticator, users = Authenticator(), {"user": hashed(b"right")}
    attempts = [authenticator.admits(b"user", word, users) for word in (b"right", b"wrong") * 50]
    assert await asyncio.gather(*attempts) == [True, False] * 50
    assert len(authenticator._found) == 2


async def test_a_new_hash_is_compared_again():
    """The cached result belongs to user, hash and password."""
    authenticator = Authenticator()
    old, new = hashed(b"old"), hashed(b"new")
    for _ in ("cold", "cached"):
        assert await authenticator.admits(b"user", b"old", {"user": old})
        assert not await authenticator.admits(b"user", b"old", {"user": new})
    assert len(authenticator._found) == 2


async def test_an_unknown_user_costs_a_comparison_too():
    """Otherwise the response time would reveal which users exist."""
    authenticator = Authenticator()
    assert not await authenticator.admits(b"nobody", b"right", {"user": hashed(b"right")})
    assert len(authenticator._found) == 1


async def test_no_password_is_stored():
    """It is kept neither in plain text nor as a hash that could be attacked without the exporter's secret."""
    authenticator = Authenticator()
    await authenticator.admits(b"user", b"secret", {"user": "hash"})
    other = Authenticator()
    await other.admits(b"user", b"secret", {"user": "hash"})
    assert b"secret" not in b"".join(authenticator._found)
    assert authenticator._found.keys() != other._found.keys()


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
async def test_hashes_of_every_kind_that_go_accepts(prefix):
    """Htpasswd writes $2y$."""
    secret = hashed(b"word").replace("$2b$", prefix)
    assert auth.problem(secret) == ""
    assert await Authenticator().admits(b"user", b"word", {"user": secret})


@pytest.mark.parametrize("password", [b"x" * 72, b"x" * 73, b"x" * 500])
async def test_a_long_password_is_cut_as_go_cuts_it(password):
    """Bcrypt reads 72 bytes."""
    assert await Authenticator().admits(b"user", password, {"user": hashed(b"x" * 72)})


@pytest.mark.parametrize(
    "wrong",
    ["$2y$10$short", "doe", "$1$" + "x" * 56, "$2y$99$" + "x" * 53, "$2y$03$" + "x" * 53, "$2y$10$" + "ä" * 53],
)
async def test_an_invalid_hash_is_reported_at_the_start_and_admits_nobody_later(wrong):
    """The file may have changed since the start."""
    assert auth.problem(wrong)
    assert not await Authenticator().admits(b"user", b"word", {"user": wrong})


def basic(text):
    """Return a header with these credentials."""
    return f"Basic {base64.b64encode(text).decode()}"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (basic(b"user:word"), (b"user", b"word")),
        (basic(b"user:wo:rd").replace("Basic", "bAsIc"), (b"user", b"wo:rd")),
        (basic(b":"), (b"", b"")),
        (basic("bär:wört".encode()), ("bär".encode(), "wört".encode())),
        (basic(b"\xff:\x00"), (b"\xff", b"\x00")),
        (basic(b"user"), None),
        ("", None),
        ("Basic", None),
        ("Basic !!!!", None),
        ("Basic dXNlcg", None),
        ("Basic ä", None),
        ("Bearer dXNlcjp3b3Jk", None),
    ],
)
def test_credentials(header, expected):
    """RFC 7617 defines their form; anything else counts as no credentials."""
    assert credentials(header) == expected
