"""What callers of gRPC are told when a part is away, and who may call when there are tokens."""

import contextlib
import hashlib
import signal

import grpc
import pytest

from database import Database
from grpcclient import CANONICAL_HEALTH, PACKAGE, SERVICE, GrpcClient, GrpcTenant
from rawh2 import RawH2, frame
from shape import new_id
from systems import running, wait_for
from tenant import Tenant

pytestmark = pytest.mark.deadline(90)

CODE = grpc.StatusCode
PROTOCOL_ERROR = 1  # RFC 9113, section 7
TOKEN = "Token$1.*"
HASHED_TOKEN = "known-by-its-digest"
TOKENS = f"{TOKEN}, sha256:{hashlib.sha256(HASHED_TOKEN.encode()).hexdigest()}"

LOCK = f"/{SERVICE}/LockRoom"
CHECKS = [f"{PACKAGE}.Health/Check", f"{CANONICAL_HEALTH}/Check"]


@pytest.fixture(scope="module")
def fragile(request):
    with running(request.session, steady=False, GRPC_AUTH_TOKEN=TOKENS, GUARD_WORKERS=1,
                 DB_CONNECT_TIMEOUT_MS=500, AVAILABILITY_GUARD_FAIL_OPEN="false",
                 GUARD_QUEUE_MAX=1, GUARD_BATCH_MAX=1) as system:
        yield system


@pytest.fixture
def tenant(fragile):
    made = Tenant(fragile.base_url)
    yield made
    made.close()


@pytest.fixture
def caller(fragile, tenant):
    """Makes callers of the tenant, each with a channel and a token."""
    with contextlib.ExitStack() as stack:
        yield lambda token=TOKEN: GrpcTenant(
            stack.enter_context(GrpcClient(fragile.grpc_address, token)), tenant)


def failure(call, *arguments, **options):
    """(code, message, metadata at the end) of a call that must fail."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    error = caught.value
    return error.code(), error.details(), dict(error.trailing_metadata())


# Tokens

@pytest.mark.parametrize("token", [TOKEN, HASHED_TOKEN])
def test_a_token_lets_in(caller, token):
    guest = caller(token)
    lock = guest.locked()
    assert guest.release(lock.id).released
    assert guest.bulk([lock.id]).released == 0


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", TOKEN[:-1], f" {TOKEN}",
                                   TOKENS.split(", ")[1], TOKENS.replace(" ", "")])
def test_nobody_else_is_let_in(caller, tenant, token):
    guest = caller(token)
    for call in (guest.lock, lambda: guest.release(new_id()), lambda: guest.bulk([new_id()])):
        code, message, found = failure(call)
        assert code == CODE.UNAUTHENTICATED
        assert message == "the metadata authorization must hold a valid bearer token"
        assert "x-guard-fail-open" not in found
    assert tenant.listed() == []


@pytest.mark.parametrize("value, code", [
    (f"bearer {TOKEN}", 3), (f"BEARER {TOKEN}", 3), (TOKEN, 16), (f"Basic {TOKEN}", 16),
    ("Bearer", 16), ("Bearer ", 16), (f"Bearer  {TOKEN}", 16), (f"Bearer {TOKEN},x", 16),
    (f"Bearer {'x' * 10000}", 16)], ids=lambda value: str(value)[:24])
def test_spellings_of_the_header(fragile, value, code):
    with RawH2(fragile.grpc_address) as raw:
        assert raw.call(LOCK, frame(b""), [("authorization", value)]).grpc_status == code


@pytest.mark.parametrize("path", CHECKS)
def test_health_needs_no_token(caller, path):
    assert caller(None).client.health(SERVICE, path) == 1


# Parts that are away

def test_the_database_is_away(fragile, caller):
    guest = caller()
    lock = guest.locked()
    fragile.stop_postgres()
    try:
        wait_for(lambda: not fragile.is_ready(), 20, "the guard knows")
        code, message, found = failure(guest.lock)
        assert code == CODE.UNAVAILABLE
        assert message == ("the database can't be used; nothing was done: database: is not"
                           " reachable, or did not do it in time")
        assert found["x-guard-fail-open"] == "false"
        assert found["grpc-retry-pushback-ms"] == "1000"
        for path in CHECKS:
            assert guest.client.health("", path) == 2
    finally:
        fragile.start_postgres()
    wait_for(fragile.is_ready, 20, "the database is back")
    assert guest.client.health() == 1
    assert guest.release(lock.id).released


def test_the_pool_is_away(fragile, caller):
    guest = caller()
    fragile.stop_guards()
    try:
        code, message, found = failure(guest.lock)
        assert code == CODE.UNAVAILABLE
        assert message.startswith("guard_unreachable: ")
        assert found["x-guard-fail-open"] == "false"
        assert found["grpc-retry-pushback-ms"] == "1000"
        assert failure(guest.client.health)[0] == CODE.UNAVAILABLE
    finally:
        fragile.start_guards()
    wait_for(fragile.is_ready, 20, "the guard is back")
    assert guest.locked()


@pytest.mark.slow
def test_a_guard_that_does_not_answer(fragile, caller):
    guest = caller()
    key = new_id()
    fragile.kill_guards(signal.SIGSTOP)
    try:
        code, message, found = failure(guest.lock, idempotency_key=key)
    finally:
        fragile.kill_guards(signal.SIGCONT)
    assert code == CODE.UNAVAILABLE and message.startswith("guard_timeout: ")
    assert found["x-guard-fail-open"] == "false"
    # It was made when the guard went on, or is made now.
    assert guest.locked(idempotency_key=key).id == key


@pytest.mark.slow
def test_a_message_that_never_ends(fragile):
    """nginx waits for ten seconds and resets the stream; to libraries that is INTERNAL."""
    with RawH2(fragile.grpc_address) as raw:
        stream = raw.start(LOCK)
        raw.send(stream, frame(b"")[:3], end=False)
        assert raw.finish(stream).reset == PROTOCOL_ERROR
        assert raw.call(f"/{CHECKS[0]}", frame(b"")).grpc_status == 0


def test_too_much_to_do(fragile, caller):
    """A queue of one, and more calls than that while the table is locked."""
    guest = caller()
    with contextlib.closing(Database(fragile.owner_dsn)) as owner, \
            owner.connect().cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE inventory_locks_shadow IN ACCESS EXCLUSIVE MODE")
        calls = [guest.start_lock(room_id=new_id()) for _ in range(10)]
        wait_for(lambda: sum(call.done() for call in calls) == 8, 20, "all but two are answered")
        cursor.execute("ROLLBACK")
    refused = [call for call in calls if call.exception() is not None]
    assert len(refused) == 8
    for call in refused:
        assert call.code() == CODE.RESOURCE_EXHAUSTED
        assert call.details() == "too much to do; nothing was done"
        found = dict(call.trailing_metadata())
        assert found["grpc-retry-pushback-ms"] == "1000"
        assert found["x-guard-fail-open"] == "false"
