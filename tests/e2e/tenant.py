"""A tenant of its own for every test, so that no test is in the way of another."""

import datetime

from client import Client
from shape import (check_conflict, check_json, check_lock, check_locked, instant, is_uuid, new_id)
from systems import ADMIN_TOKEN

# A value that takes a field out of the request.
ABSENT = object()

OPERATOR = {"X-Guard-Admin-Token": ADMIN_TOKEN}

FIRST_DAY = datetime.datetime(2090, 3, 1, tzinfo=datetime.timezone.utc)


def moment(days, hours=0):
    """A moment far in the future, as the service writes it."""
    when = FIRST_DAY + datetime.timedelta(days=days, hours=hours)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"


def day(days):
    """The same as a plain date."""
    return moment(days)[:10]


class Tenant:
    """One tenant with a client of its own. Its default place is one room."""

    def __init__(self, base_url, tenant_id=None, timeout=30):
        self.id = tenant_id or new_id()
        self.room = new_id()
        self.room_type = new_id()
        self.client = Client(base_url, timeout)

    def close(self):
        self.client.close()

    # Requests

    def body(self, **changes):
        body = {
            "tenantId": self.id,
            "roomTypeId": self.room_type,
            "roomId": self.room,
            "stayStart": day(0),
            "stayEnd": day(3),
        }
        body.update(changes)
        return {name: value for name, value in body.items() if value is not ABSENT}

    def lock(self, headers=None, **changes):
        return self.client.post("/v1/locks", self.body(**changes), headers=headers)

    def release(self, lock_id, headers=None, **fields):
        body = {"tenantId": self.id, **fields}
        body = {name: value for name, value in body.items() if value is not ABSENT}
        return self.client.delete(f"/v1/locks/{lock_id}", body, headers=headers)

    def bulk(self, lock_ids, headers=None, **fields):
        body = {"tenantId": self.id, "lockIds": lock_ids, **fields}
        return self.client.post("/v1/locks/bulk-release", body, headers=headers)

    def get(self, lock_id):
        return self.client.get(f"/v1/locks/{lock_id}", query={"tenantId": self.id})

    def list(self, **query):
        return self.client.get("/v1/locks", query={"tenantId": self.id, **query})

    def manual_release(self, lock_id, headers=None, **fields):
        body = {"tenantId": self.id, "reason": "guest moved", "actorId": "ops.1",
                "actorName": "Alex Night", **fields}
        body = {name: value for name, value in body.items() if value is not ABSENT}
        return self.client.post(f"/v1/locks/{lock_id}/manual-release", body,
                                headers=OPERATOR if headers is None else headers)

    def audits(self, headers=None, **query):
        return self.client.get("/v1/locks/audit", query={"tenantId": self.id, **query},
                               headers=OPERATOR if headers is None else headers)

    def lock_audits(self, lock_id, headers=None, **query):
        return self.client.get(f"/v1/locks/{lock_id}/audit",
                               query={"tenantId": self.id, **query},
                               headers=OPERATOR if headers is None else headers)

    # Requests that must succeed in one way, and what they give

    def locked(self, headers=None, **changes):
        return check_locked(self.lock(headers, **changes))

    def conflict(self, headers=None, **changes):
        return check_conflict(self.lock(headers, **changes))

    def released(self, lock_id, **fields):
        body = check_json(self.release(lock_id, **fields))
        assert body == {"status": "released", "lockId": lock_id}, body

    def manually_released(self, lock_id, **fields):
        """The id of the audit row."""
        body = check_json(self.manual_release(lock_id, **fields))
        assert set(body) == {"status", "lockId", "auditId"}, body
        assert (body["status"], body["lockId"]) == ("released", lock_id), body
        assert is_uuid(body["auditId"]), body
        return body["auditId"]

    def bulk_released(self, lock_ids, **fields):
        body = check_json(self.bulk(lock_ids, **fields))
        assert set(body) == {"status", "released"} and body["status"] == "released", body
        return body["released"]

    def fetched(self, lock_id):
        body = check_json(self.get(lock_id))
        assert set(body) == {"lock"}, body
        assert body["lock"]["id"] == lock_id
        return check_lock(body["lock"])

    def page(self, **query):
        """One page: its locks and the cursor of the next."""
        body = check_json(self.list(**query))
        assert set(body) == {"locks", "nextCursor"}, body
        return [check_lock(lock) for lock in body["locks"]], body["nextCursor"]

    def pages(self, **query):
        """All pages of a listing, one list each."""
        found = []
        cursor = None
        while True:
            more = {} if cursor is None else {"cursor": cursor}
            locks, cursor = self.page(**query, **more)
            found.append(locks)
            if cursor is None:
                return found
            assert isinstance(cursor, str) and cursor, cursor
            assert len(found) < 1000, "the listing does not end"

    def listed(self, **query):
        return [lock for page in self.pages(**query) for lock in page]

    def expired(self, database, **changes):
        """A lock whose TTL of one second has run out."""
        lock = self.locked(**{"ttlSeconds": 1, **changes})
        database.wait_past(instant(lock["expires_at"]))
        return lock
