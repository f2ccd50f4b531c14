"""What a guard process keeps in memory while the database lets it wait."""

import threading
from pathlib import Path

import psycopg2
import pytest

from client import Client
from shape import new_id
from systems import running, wait_for
from tenant import Tenant

# Sanitizers need memory of their own: this is for the plain build.
pytestmark = pytest.mark.slow

BODIES = 20
WAITING_KIB_MAX = 32 * 1024
AFTER_KIB_MAX = 32 * 1024


@pytest.fixture(scope="module")
def system(request):
    with running(request.session, GUARD_WORKERS=1, GUARD_QUEUE_TIMEOUT_MS=20000,
                 DB_STATEMENT_TIMEOUT_MS=20000) as started:
        yield started


def guard_folder(system):
    (pid,) = system.guard_pids()
    return Path(f"/proc/{pid}")


def resident_kib(system):
    status = (guard_folder(system) / "status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def open_files(system):
    return len(list((guard_folder(system) / "fd").iterdir()))


def test_large_bodies_do_not_wait_in_memory(system):
    """A body of 1 MB is many times that as a tree; a command needs a few hundred bytes of it."""
    tenant = Tenant(system.base_url)
    junk = b'"x":[' + b"0," * 500_000 + b"0]"
    bodies = [b'{"tenantId":"%s","roomTypeId":"%s","stayStart":"2090-01-01","stayEnd":"2090-01-02",'
              % (tenant.id.encode(), new_id().encode()) + junk + b"}" for _ in range(BODIES)]
    answers = []

    def send(body):
        client = Client(system.base_url, 30)
        answers.append(client.post("/v1/locks", body))
        client.close()

    threads = [threading.Thread(target=send, args=(body,)) for body in bodies]
    holder = psycopg2.connect(system.owner_dsn)
    try:
        holder.cursor().execute("LOCK TABLE inventory_locks_shadow IN ACCESS EXCLUSIVE MODE")
        for thread in threads:
            thread.start()
        # nginx opens a connection when it has a whole request, and the guard takes them in turn:
        # when it answers this one it has read those before.
        wait_for(lambda: open_files(system) > BODIES, 10, "all have arrived")
        assert Client(system.base_url, 10).get("/health").status == 200
        waiting_kib = resident_kib(system)
    finally:
        holder.rollback()
        holder.close()
    for thread in threads:
        thread.join()
    assert sorted({answer.status for answer in answers}) == [200]
    assert waiting_kib < WAITING_KIB_MAX
    wait_for(lambda: resident_kib(system) < AFTER_KIB_MAX, 5, "the memory is given back")
