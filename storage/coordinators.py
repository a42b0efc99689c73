"""Coordinators: their accounts, their sessions in a browser, and what slows guessing down.

Passwords are kept as argon2id hashes, session tokens as SHA-256. Knows nothing about studies.
"""

import hashlib
import math
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import IPv6Address, ip_address, ip_network

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from sqlite_utils import Database

from storage.database import Store
from storage.errors import StorageError
from storage.ids import new_id, storable, utc_now

FIRST_NAME = "coordinator"
SESSION_HOURS = 12
MIN_PASSWORD_LENGTH = 10
MAX_LENGTH = 200
FREE_FAILURES = 5
FAILURE_MINUTES = 15
MAX_WAIT_SECONDS = 60
"""After ``FREE_FAILURES`` of one name from one address within ``FAILURE_MINUTES``, the next try
there has to wait: 2 seconds, then twice as long each time, up to this. No name is ever closed: who
fails elsewhere slows nobody here."""

_guessing = threading.Lock()
_hasher = PasswordHasher()


@cache
def _nobodys_hash() -> str:
    """Checked where there is no such account, so that the answer takes as long."""
    return _hasher.hash(secrets.token_urlsafe())


@dataclass(frozen=True)
class Coordinator:
    id: str
    name: str


@dataclass(frozen=True)
class FirstAccount:
    """The account made at the first start; its password cannot be read again later."""

    name: str
    password: str = field(repr=False)


def make_first(store: Store, password: str | None = None) -> FirstAccount | None:
    """Make the first account if there is none, with ``password`` or a random one.

    Raises:
        StorageError: as ``add_coordinator``.
    """
    chosen = password or secrets.token_urlsafe(12)
    _check(FIRST_NAME, chosen)
    with store.connect() as db:
        if db.table("coordinators").count:
            return None
    hashed = _hasher.hash(chosen)
    with store.transaction() as db:
        if db.table("coordinators").count:  # another program was quicker
            return None
        _insert(db, FIRST_NAME, hashed)
    return FirstAccount(FIRST_NAME, chosen)


def add_coordinator(store: Store, name: str, password: str) -> Coordinator:
    """Add an account.

    Raises:
        StorageError: coordinator_name_empty, coordinator_exists, password_too_short, text_too_long.
    """
    name = storable(name).strip()
    _check(name, password)
    hashed = _hasher.hash(storable(password))
    with store.transaction() as db:
        if db.table("coordinators").count_where("name = ?", [name]):
            raise StorageError("coordinator_exists", name=name)
        return _insert(db, name, hashed)


def set_password(store: Store, name: str, password: str) -> None:
    """Give an account another password and end its sessions; what failed before, and from where
    somebody signed in, is forgotten.

    Raises:
        StorageError: unknown_coordinator, password_too_short, text_too_long.
    """
    name = storable(name).strip()
    _check(name, password)
    hashed = _hasher.hash(storable(password))
    with store.transaction() as db:
        row = db.execute("SELECT id FROM coordinators WHERE name = ?", [name]).fetchone()
        if row is None:
            raise StorageError("unknown_coordinator", name=name)
        db.execute("UPDATE coordinators SET password_hash = ? WHERE id = ?", [hashed, row[0]])
        db.execute("DELETE FROM coordinator_sessions WHERE coordinator = ?", [row[0]])
        db.execute("DELETE FROM sign_in_failures WHERE name = ?", [name])
        db.execute("DELETE FROM sign_in_addresses WHERE coordinator = ?", [row[0]])


# -- sessions --


def sign_in(store: Store, name: str, password: str, address: str) -> str:
    """Return a new session's token for the browser of who knows the password.

    From an address where this name has signed in before, the right password always gets in. The
    caller bounds how many run at once: each takes 64 MiB for a moment.

    Raises:
        StorageError: too_many_attempts, sign_in_failed.
    """
    name, password = storable(name).strip()[:MAX_LENGTH], storable(password)[:MAX_LENGTH]
    network = _network(address)
    if knows_address(store, name, address):
        coordinator = _require_password(store, name, password, network)
    else:
        # One after the other: of many at once, no more are tried than are counted.
        with _guessing:
            with store.connect() as db:
                _refuse_guessing(db, name, network)
            coordinator = _require_password(store, name, password, network)
    token = secrets.token_urlsafe(32)
    with store.transaction() as db:
        _begin(db, coordinator, token)
        db.execute(
            "INSERT OR REPLACE INTO sign_in_addresses VALUES (?, ?, ?)",
            [coordinator, network, utc_now()],
        )
        db.execute("DELETE FROM sign_in_failures WHERE name = ? AND address = ?", [name, network])
    return token


def _require_password(store: Store, name: str, password: str, network: str) -> str:
    """The id of whose name and password these are; a failure is written down."""
    with store.connect() as db:
        row = db.execute(
            "SELECT id, password_hash FROM coordinators WHERE name = ?", [name]
        ).fetchone()
    nobody = _nobodys_hash()  # whether there is an account or not: the first call takes longer
    if not _matches(row[1] if row else nobody, password) or row is None:
        with store.transaction() as db:
            _note_failure(db, name, network)
        raise StorageError("sign_in_failed")
    return str(row[0])


def knows_address(store: Store, name: str, address: str) -> bool:
    """Whether a coordinator called ``name`` has signed in from this address before."""
    with store.connect() as db:
        return _has_succeeded(db, storable(name).strip()[:MAX_LENGTH], _network(address))


def coordinator_of_session(db: Database, token: str) -> Coordinator | None:
    """Return who signed in with this session, None when it is over or never was."""
    row = db.execute(
        """
        SELECT coordinators.id, coordinators.name
        FROM coordinator_sessions JOIN coordinators
            ON coordinators.id = coordinator_sessions.coordinator
        WHERE coordinator_sessions.token_hash = ? AND coordinator_sessions.expires_at > ?
        """,
        [_hash_of(token), utc_now()],
    ).fetchone()
    return Coordinator(*row) if row else None


def sign_out(store: Store, token: str) -> None:
    with store.transaction() as db:
        db.execute("DELETE FROM coordinator_sessions WHERE token_hash = ?", [_hash_of(token)])


def _begin(db: Database, coordinator: str, token: str) -> None:
    now = datetime.now(UTC)
    db.execute("DELETE FROM coordinator_sessions WHERE expires_at < ?", [utc_now()])
    db.table("coordinator_sessions").insert(
        {
            "token_hash": _hash_of(token),
            "coordinator": coordinator,
            "created_at": utc_now(),
            "expires_at": (now + timedelta(hours=SESSION_HOURS)).isoformat(timespec="milliseconds"),
        }
    )


def _has_succeeded(db: Database, name: str, network: str) -> bool:
    sql = (
        "SELECT 1 FROM sign_in_addresses JOIN coordinators ON coordinators.id = coordinator"
        " WHERE name = ? AND address = ?"
    )
    return db.execute(sql, [name, network]).fetchone() is not None


def _refuse_guessing(db: Database, name: str, network: str) -> None:
    """Raises StorageError too_many_attempts. What a clock set wrong has dated ahead counts not."""
    failures, last = db.execute(
        "SELECT count(*), max(failed_at) FROM sign_in_failures"
        " WHERE name = ? AND address = ? AND failed_at BETWEEN ? AND ?",
        [name, network, _minutes_ago(FAILURE_MINUTES), utc_now()],
    ).fetchone()
    if failures < FREE_FAILURES:
        return
    wait = min(2 ** (failures - FREE_FAILURES + 1), MAX_WAIT_SECONDS)
    since_last = (datetime.now(UTC) - datetime.fromisoformat(last)).total_seconds()
    if since_last < wait:
        raise StorageError("too_many_attempts", seconds=math.ceil(wait - since_last))


def _note_failure(db: Database, name: str, network: str) -> None:
    """Write a failure down, and forget those that count no more."""
    db.execute(
        "DELETE FROM sign_in_failures WHERE failed_at NOT BETWEEN ? AND ?",
        [_minutes_ago(FAILURE_MINUTES), utc_now()],
    )
    db.execute(
        "INSERT INTO sign_in_failures (name, address, failed_at) VALUES (?, ?, ?)",
        [name, network, utc_now()],
    )


def _minutes_ago(minutes: int) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(timespec="milliseconds")


def _network(address: str) -> str:
    """What counts as one address: of IPv6 the 64 bits that a household or a company gets."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return storable(address)[:MAX_LENGTH]
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or ip_network((ip, 64), strict=False))
    return str(ip)


def _matches(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


def _check(name: str, password: str) -> None:
    if not name:
        raise StorageError("coordinator_name_empty")
    if len(password) < MIN_PASSWORD_LENGTH:
        raise StorageError("password_too_short", least=MIN_PASSWORD_LENGTH)
    if max(len(name), len(password)) > MAX_LENGTH:
        raise StorageError("text_too_long", most=MAX_LENGTH)


def _insert(db: Database, name: str, hashed: str) -> Coordinator:
    coordinator = Coordinator(new_id(), name)
    db.table("coordinators").insert(
        {"id": coordinator.id, "name": name, "password_hash": hashed, "created_at": utc_now()}
    )
    return coordinator


def _hash_of(token: str) -> str:
    return hashlib.sha256(storable(token).encode()).hexdigest()
