"""Calls of a cluster's service."""

import http.client
import json
import uuid

import psycopg2


def ask(cluster, method, path, body=None, headers=None, seconds=20):
    connection = http.client.HTTPConnection("127.0.0.1", cluster.http_port, timeout=seconds)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None,
                           {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def a_lock(**more):
    return {"tenantId": str(uuid.uuid4()), "roomTypeId": str(uuid.uuid4()), "roomId": str(uuid.uuid4()),
            "stayStart": "2031-07-01", "stayEnd": "2031-07-04", **more}


def waits_for(outside, pid):
    """Whether somebody waits for what this session of the database holds."""
    with psycopg2.connect(outside.owner_dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))", (pid,))
        found = cursor.fetchone()[0]
    connection.close()
    return found > 0


def refuses(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.connect()
    except ConnectionRefusedError:
        return True
    finally:
        connection.close()
    return False
