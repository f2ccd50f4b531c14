"""Bodies that no honest client sends. Clear errors, never a crash, never a wrong lock."""

import json

import pytest

from shape import check_json, check_locked, check_problem, new_id
from tenant import day

# A NUL or a lone surrogate makes the text one that is not JSON here, or the field a bad one.
BAD_TEXT = ("invalid_json", "invalid_request")

# Written as JSON, since not all of them can be made from Python values.
WRONG_FOR_UUID = [
    'null', 'true', 'false', '0', '-1', '1.5', '[]', '{}', '""', '"x"', '["{id}"]', '{"a": "{id}"}',
    '"6ba7b810-9dad-11d1-80b4-00c04fd430c"', '"6ba7b810-9dad-11d1-80b4-00c04fd430c88"',
    '"6ba7b810-9dad-11d1-80b4-00c04fd430cg"', '" 6ba7b810-9dad-11d1-80b4-00c04fd430c8"',
    '"6ba7b810-9dad-11d1-80b4-00c04fd430c8 "', '"6ba7b8109-dad-11d1-80b4-00c04fd430c8"',
    '"' + "a" * 10000 + '"', '"üba7b810-9dad-11d1-80b4-00c04fd430c8"',
]
WRONG_FOR_TIME = [
    'null', 'true', '0', '20900301', '4000000000', '1.5', '[]', '{}', '""', '"x"',
    '["2090-03-01"]', '"2026-02-30"', '"2026-02-29"', '"99999-01-01"', '"9999-99-99"',
    '"0000-01-01"', '"-0001-01-01"', '"2090-03-01T00:00:00Z2090"', '"' + "2" * 10000 + '"',
    '"2090-03-01T00:00:00.' + "0" * 5000 + 'Z"',
]
WRONG_FOR_TEXT = ['null', 'true', '0', '1.5', '[]', '{}', '""', '["x"]', '"' + "x" * 256 + '"',
                  '"' + "ü" * 5000 + '"', '"' + "🏨" * 256 + '"']
WRONG_FOR_TTL = ['null', 'true', '-1', '1.5', '0.0', '60.0', '1e3', '[]', '{}', '"60"', '""',
                 '-9223372036854775808', '1e300']
WRONG_FOR_OBJECT = ['null', 'true', '0', '1.5', '[]', '""', '"{}"', '[{}]']

FIELDS = {
    "tenantId": WRONG_FOR_UUID,
    "roomTypeId": WRONG_FOR_UUID,
    "propertyId": WRONG_FOR_UUID,
    "reservationId": WRONG_FOR_UUID,
    "roomId": [value for value in WRONG_FOR_UUID if value not in ('null', '""')],
    "stayStart": WRONG_FOR_TIME,
    "stayEnd": WRONG_FOR_TIME,
    "reason": WRONG_FOR_TEXT,
    "correlationId": WRONG_FOR_TEXT,
    "idempotencyKey": WRONG_FOR_TEXT,
    "ttlSeconds": WRONG_FOR_TTL,
    "metadata": WRONG_FOR_OBJECT,
}
# These are refused before or after a field is looked at, but refused.
WRONG_ANYWHERE = ['1e400', '-1e400', '1' + "0" * 30, '-1' + "0" * 30, '"\\u0000"', '"a\\u0000b"',
                  '"\\ud800"', '"\\udfff\\ud800"', '"\x00"', '"a\nb"', '"\\x"', "undefined", '']


def raw_body(tenant, **members):
    """A valid request in which these members are written just so."""
    body = tenant.body()
    texts = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in body.items()
             if name not in members]
    texts += [f"{json.dumps(name)}: {text}" for name, text in members.items()]
    return ("{" + ", ".join(texts) + "}").encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("field, value", [
    pytest.param(field, value, id=f"{field}-{value[:40]}")
    for field, values in FIELDS.items() for value in values])
def test_wrong_values_name_their_field(tenant, field, value):
    text = value.replace("{id}", new_id())
    answer = tenant.client.post("/v1/locks", raw_body(tenant, **{field: text}))
    check_problem(answer, 400, "invalid_request", [field])


@pytest.mark.parametrize("value", WRONG_ANYWHERE, ids=lambda value: repr(value)[:40])
def test_values_that_are_wrong_in_every_field(tenant, value):
    for field in FIELDS:
        if field == "ttlSeconds" and value.isdecimal():
            continue  # above the maximum means the maximum
        body = raw_body(tenant, **{field: value})
        answer = tenant.client.post("/v1/locks", body)
        assert answer.status == 400, (field, answer)
        check_problem(answer, 400, answer.json["error"])
        assert answer.json["error"] in BAD_TEXT
    assert tenant.listed() == []


@pytest.mark.parametrize("field", ["tenantId", "lockIds", "reason", "correlationId"])
@pytest.mark.parametrize("value", ['true', '0', '{}', '"\\u0000"', '1e400', '[null]', '[[]]'])
def test_wrong_values_in_a_bulk_release(tenant, field, value):
    lock = tenant.locked()
    members = {"tenantId": json.dumps(tenant.id), "lockIds": json.dumps([lock["id"]]),
               field: value}
    text = "{" + ", ".join(f'"{name}": {member}' for name, member in members.items()) + "}"
    answer = tenant.client.post("/v1/locks/bulk-release", text.encode())
    assert answer.status == 400, answer
    assert check_problem(answer, 400, answer.json["error"])["error"] in BAD_TEXT
    assert tenant.fetched(lock["id"]) == lock


@pytest.mark.parametrize("field", ["tenantId", "reservationId", "reason", "correlationId",
                                   "metadata"])
@pytest.mark.parametrize("value", ['true', '0', '[]', '"\\u0000"', '1e400', 'null', '""'])
def test_wrong_values_in_a_release(tenant, field, value):
    lock = tenant.locked()
    members = {"tenantId": json.dumps(tenant.id), field: value}
    text = "{" + ", ".join(f'"{name}": {member}' for name, member in members.items()) + "}"
    answer = tenant.client.delete(f"/v1/locks/{lock['id']}", text.encode())
    assert answer.status == 400, answer
    assert check_problem(answer, 400, answer.json["error"])["error"] in BAD_TEXT
    assert tenant.fetched(lock["id"]) == lock


def test_every_truncation_of_a_request(tenant):
    body = json.dumps(tenant.body(metadata={"a": [1, 2.5, "x\\u00fc", None, {"b": True}]},
                                  reason="ü")).encode()
    for size in range(1, len(body)):
        check_problem(tenant.client.post("/v1/locks", body[:size]), 400, "invalid_json", [])
    assert tenant.listed() == []
    check_locked(tenant.client.post("/v1/locks", body))


def test_every_byte_of_a_request_replaced(tenant):
    """Whatever a flipped byte makes of a request: a lock, a conflict or a clear error."""
    body = json.dumps(tenant.body(metadata={"a": [1, "x"]}, ttlSeconds=60)).encode()
    for place in range(len(body)):
        for byte in (b"\x00", b"\xff", b"{", b'"', b"\\"):
            broken = body[:place] + byte + body[place + 1:]
            answer = tenant.client.post("/v1/locks", broken)
            assert answer.status in (200, 400, 409), (broken, answer)
            if answer.status == 400:
                check_problem(answer, 400, answer.json["error"])
                assert answer.json["error"] in BAD_TEXT


NESTINGS = {
    "arrays": (b"[", b"]"), "objects": (b'{"a":', b"}"), "mixed": (b'[{"a":', b"}]"),
}


@pytest.mark.parametrize("depth", [3000, 100_000])
@pytest.mark.parametrize("opening, closing", NESTINGS.values(), ids=NESTINGS)
def test_deep_nesting(tenant, depth, opening, closing):
    for body in (opening * depth + b"1" + closing * depth, opening * depth):
        check_problem(tenant.client.post("/v1/locks", body), 400, "invalid_json", [])
        metadata = raw_body(tenant, metadata="HERE").replace(b"HERE", b'{"a":' + body + b"}")
        check_problem(tenant.client.post("/v1/locks", metadata), 400, "invalid_json", [])


def test_nesting_that_is_accepted_is_kept(tenant):
    for depth in (10, 100, 400):
        text = "[" * depth + "]" * depth
        body = raw_body(tenant, metadata='{"a":' + text + "}", roomId=json.dumps(new_id()))
        lock = check_locked(tenant.client.post("/v1/locks", body))
        assert json.dumps(lock["metadata"]["a"]).replace(" ", "") == text
        assert tenant.fetched(lock["id"])["metadata"] == lock["metadata"]


@pytest.mark.parametrize("sequence", [
    b"\xff", b"\xc3", b"\xc0\xaf", b"\xe2\x82", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x80",
    b"\xf0\x82\x82\xac", b"\xf8\x88\x80\x80\x80", b"\xfe",
])
@pytest.mark.parametrize("field", ["reason", "metadata", "idempotencyKey", "colour"])
def test_invalid_utf_8(tenant, field, sequence):
    value = b'{"a": "%s"}' % sequence if field == "metadata" else b'"%s"' % sequence
    body = raw_body(tenant, **{field: "HERE"}).replace(b"HERE", value)
    answer = tenant.client.post("/v1/locks", body)
    check_problem(answer, 400, answer.json["error"])
    assert answer.json["error"] in BAD_TEXT
    assert tenant.listed() == []


@pytest.mark.parametrize("text", [
    '{"a": "\\u0000"}', '{"\\u0000": 1}', '{"a": "\\ud800"}', '{"\\udc00": 1}', '{"a": 1e400}',
    '{"a": -1e400}', '{"a": 1e99999999}', '{"a": ' + "9" * 400 + '}', '{"a": "\x00"}',
    '{"a": {"b": 1, "b": 2}}', '{"a": 1, "\\u0061": 2}',
])
def test_metadata_that_is_refused(tenant, text):
    answer = tenant.client.post("/v1/locks", raw_body(tenant, metadata=text))
    check_problem(answer, 400, answer.json["error"])
    assert answer.json["error"] in BAD_TEXT
    assert tenant.listed() == []


@pytest.mark.parametrize("number", ["1e-400", "1e-99999", "-1e-16000", "1e308", "0e999999",
                                    "1E+2", "-0", "-0.0", "1" + "0" * 18, "0." + "3" * 5000])
def test_extreme_numbers_are_refused_or_kept(tenant, number):
    answer = tenant.client.post("/v1/locks", raw_body(tenant, metadata='{"a": %s}' % number))
    if answer.status == 400:
        check_problem(answer, 400, answer.json["error"])
        assert answer.json["error"] in BAD_TEXT
        return
    lock = check_locked(answer)
    expected = json.loads(number, parse_float=float, parse_int=int)
    assert float(lock["metadata"]["a"]) == float(expected)


@pytest.mark.parametrize("number", ["1e308", "1e-300", "1e-16000"])
def test_small_metadata_does_not_grow_large(tenant, number):
    """Numbers that are short to write and long to print must not multiply an answer's size."""
    count = 16000 // (len(number) + 1)
    text = '{"a":[' + ",".join([number] * count) + "]}"
    answer = tenant.client.post("/v1/locks", raw_body(tenant, metadata=text))
    if answer.status == 200:
        assert len(answer.body) < 64 * 1024
    else:
        check_problem(answer, 400, answer.json["error"])
        assert answer.json["error"] in BAD_TEXT


@pytest.mark.parametrize("body", [
    '{{"tenantId": "{t}", {rest}, "tenantId": "{t}"}}',
    '{{"tenantId": "{t}", {rest}, "tenant\\u0049d": "{t}"}}',
    '{{"metadata": {{"a": 1, "a": 1}}, "tenantId": "{t}", {rest}}}',
    '{{"ignored": {{"a": 1, "a": 1}}, "tenantId": "{t}", {rest}}}',
])
def test_duplicate_keys(tenant, body):
    rest = ", ".join(f'"{name}": "{value}"' for name, value in tenant.body().items()
                     if name != "tenantId")
    text = body.format(t=tenant.id, rest=rest)
    check_problem(tenant.client.post("/v1/locks", text.encode()), 400, "invalid_json", [])
    assert tenant.listed() == []


def test_escaped_names_are_the_names(tenant):
    text = raw_body(tenant, metadata='{"b": 0.1}').decode()
    text = text.replace('"metadata"', '"m\\u0065tadata"').replace('"roomId"', '"\\u0072oomId"')
    lock = check_locked(tenant.client.post("/v1/locks", text.encode()))
    assert lock["metadata"] == {"b": 0.1}
    assert lock["room_id"] == tenant.room


def test_names_inside_of_other_values_are_not_taken(tenant):
    text = raw_body(tenant, ignored='{"metadata": {"wrong": 1}, "x": "\\"metadata\\": {"}',
                    reason='"metadata"', metadata='{"right": 1}').decode()
    lock = check_locked(tenant.client.post("/v1/locks", text.encode()))
    assert lock["metadata"] == {"right": 1}


@pytest.mark.parametrize("start, end", [
    ("1970-01-01", "2970-01-01"), ("2090-01-01", "3090-01-01"), ("1970-01-01", "9999-12-31"),
    ("2090-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"),
])
def test_a_stay_of_a_thousand_years(tenant, start, end):
    answer = tenant.lock(stayStart=start, stayEnd=end)
    check_problem(answer, 400, "invalid_request", ["stayEnd"])


def test_the_last_days_that_there_are(tenant):
    lock = tenant.locked(stayStart="9999-12-30", stayEnd="9999-12-31T23:59:59.999Z")
    assert lock["stay_end"] == "9999-12-31T23:59:59.999Z"
    assert tenant.conflict(stayStart="9999-12-31", stayEnd="9999-12-31T01:00:00Z")


def test_many_members_and_long_names(tenant):
    members = {f"unknown {n}": "1" for n in range(20000)}
    members["x" * 100_000] = '"' + "y" * 300_000 + '"'
    check_locked(tenant.client.post("/v1/locks", raw_body(tenant, **members)))


def test_sql_and_markup_are_just_text(tenant):
    text = "'; DROP TABLE inventory_locks_shadow; -- <script> %s %n \\ {} ${PORT} $1"
    lock = tenant.locked(reason=text, correlationId=text, idempotencyKey=text,
                         metadata={text: text})
    assert lock["reason"] == lock["correlation_id"] == text
    assert lock["metadata"] == {text: text}
    again = tenant.locked(idempotencyKey=text, stayStart=day(5), stayEnd=day(6))
    assert again["id"] == lock["id"]
    check_json(tenant.list())
