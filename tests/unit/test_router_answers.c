/*
 * test_router_answers.c: what routes make of a valid request, and of what the database says to it.
 * The door is open: the command waits, the test answers it as the dispatcher would.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "domain/lock.h"
#include "door.h"
#include "unit.h"

#define TENANT "11111111-1111-4111-8111-111111111111"
#define TYPE "33333333-3333-4333-8333-333333333333"
#define ROOM "44444444-4444-4444-8444-444444444444"
#define LOCK "018f0011-2233-7455-8677-8899aabbccfd"

#define LOCK_MEMBERS                                                                               \
    "\"tenantId\":\"" TENANT "\",\"roomTypeId\":\"" TYPE "\","                                     \
    "\"stayStart\":\"2030-01-01\",\"stayEnd\":\"2030-01-02\""

static struct door door;
static json_t *answer;   /* the body, parsed */
static PGresult *result; /* of the database */

/* The parameters live until the command is answered. */
static char method_param[64];
static char uri_param[1024];
static char *params[5];

static void setup(void) {
    door_init(&door);
    door_open(&door);
    answer = NULL;
    result = NULL;
}

static void teardown(void) {
    json_decref(answer);
    admin_tokens_exit(&door.context.admin_tokens);
    door_exit(&door);
    PQclear(result);
}

static struct text_span span(const char *text) {
    return (struct text_span){text, strlen(text)};
}

/* Sends a request with up to one more parameter; it must be valid. Returns its command. */
static const struct command *submit_with(const char *method, const char *uri, const char *body,
                                         char *param) {
    (void)snprintf(method_param, sizeof method_param, "REQUEST_METHOD=%s", method);
    (void)snprintf(uri_param, sizeof uri_param, "REQUEST_URI=%s", uri);
    params[0] = method_param;
    params[1] = uri_param;
    params[2] = "REQUEST_ID=request-1";
    params[3] = param;
    params[4] = NULL;
    ck_assert(door_handle(&door, params, span(body)));
    ck_assert_int_eq(door.answers, 0);
    const struct command *command = door_command(&door);
    ck_assert_ptr_nonnull(command);
    ck_assert_str_eq(command->request_id, "request-1");
    return command;
}

static const struct command *submit(const char *method, const char *uri, const char *body) {
    return submit_with(method, uri, body, NULL);
}

static void receive(const struct outcome *outcome) {
    json_error_t error;
    door_answer(&door, outcome);
    ck_assert_int_eq(door.answers, 1);
    json_decref(answer);
    answer = json_loadb(door.body.data, door.body.length, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(answer != NULL, "%s", error.text);
}

static const char *member(const char *name) {
    return json_string_value(json_object_get(answer, name));
}

#define ck_assert_id(id_value, text)                                                               \
    do {                                                                                           \
        char formatted[ID_TEXT_LENGTH + 1];                                                        \
        id_format(&(id_value), formatted);                                                         \
        ck_assert_str_eq(formatted, (text));                                                       \
    } while (0)

#define ck_assert_span(value, text) ck_assert_bytes_eq((value).data, (value).length, text)

static void set(int row, int column, const char *bytes, int length) {
    char copy[64];
    ck_assert_int_le(length, (int)sizeof copy);
    memcpy(copy, bytes, (size_t)length);
    ck_assert_int_eq(PQsetvalue(result, row, column, copy, length), 1);
}

/* Locks as the database shows them, behind so many other columns. Their ids end with 0, 1, 2 …;
 * most of what they have are zeros. */
static void make_locks(int before, int count) {
    static const unsigned types[] = {LOCK_COLUMN_TYPES};
    static const char zeros[16];
    static char name[] = "column"; /* libpq copies it */
    PGresAttDesc attributes[LOCK_COLUMNS + 2] = {0};
    for (int i = 0; i < before + LOCK_COLUMNS; i++) {
        attributes[i].name = name;
        attributes[i].format = 1;
        attributes[i].typid = i < before ? 25 : types[i - before];
    }
    result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    ck_assert_int_eq(PQsetResultAttrs(result, before + LOCK_COLUMNS, attributes), 1);
    for (int row = 0; row < count; row++) {
        for (int i = 0; i < before; i++)
            set(row, i, "x", 1);
        for (int i = 0; i < LOCK_COLUMNS; i++) {
            const int length = types[i] == 2950 ? 16 : types[i] == 23 ? 4 : 8;
            set(row, before + i, zeros, length);
        }
        char id[16] = {0};
        id[15] = (char)row;
        set(row, before, id, 16);
        set(row, before + 8, "WHY", 3);
        set(row, before + 9, "c", 1);
        set(row, before + 12, "\1{\"k\": \"hushhush\"}", 18);
        set(row, before + 13, "ACTIVE", 6);
        ck_assert_int_eq(PQsetvalue(result, row, before + 14, NULL, -1), 1);
        ck_assert_int_eq(PQsetvalue(result, row, before + 15, NULL, -1), 1);
    }
}

START_TEST(lock_command) {
    const struct command *command =
        submit("POST", "/v1/locks",
               "{" LOCK_MEMBERS ",\"roomId\":\"" ROOM "\",\"propertyId\":\"" TYPE "\","
               "\"reservationId\":\"" TENANT "\",\"ttlSeconds\":90000,\"reason\":\"WHY\","
               "\"correlationId\":\"c\",\"idempotencyKey\":\"" LOCK "\","
               "\"metadata\": { \"n\" : 1.10 } }");
    const struct lock_request *lock = &command->as.lock;
    ck_assert_int_eq(command->kind, COMMAND_LOCK);
    ck_assert_id(lock->tenant_id, TENANT);
    ck_assert_id(lock->id, LOCK);
    ck_assert(lock->has_key);
    ck_assert_id(lock->room_type_id, TYPE);
    ck_assert_id(lock->room_id.id, ROOM);
    ck_assert_id(lock->property_id.id, TYPE);
    ck_assert_id(lock->reservation_id.id, TENANT);
    ck_assert_int_eq(lock->stay_end - lock->stay_start, US_PER_DAY);
    ck_assert_int_eq(lock->ttl_seconds, 86400);
    ck_assert_span(lock->reason, "WHY");
    ck_assert_span(lock->correlation_id, "c");
    ck_assert_span(lock->metadata, "{ \"n\" : 1.10 }");
}
END_TEST

START_TEST(lock_command_with_headers) {
    const struct command *command =
        submit_with("POST", "/v1/locks", "{" LOCK_MEMBERS "}", "HTTP_IDEMPOTENCY_KEY=\"" LOCK "\"");
    ck_assert(command->as.lock.has_key);
    ck_assert_id(command->as.lock.id, LOCK);
}
END_TEST

START_TEST(correlation_header) {
    const struct command *command =
        submit_with("POST", "/v1/locks", "{" LOCK_MEMBERS "}", "HTTP_X_CORRELATION_ID=c-1");
    ck_assert_span(command->as.lock.correlation_id, "c-1");
}
END_TEST

START_TEST(locked) {
    make_locks(2, 1);
    (void)submit("POST", "/v1/locks", "{" LOCK_MEMBERS "}");
    receive(&(struct outcome){.kind = OUTCOME_LOCKED, .row = {result, 0}, .column = 2});
    ck_assert_int_eq(door.status, 200);
    ck_assert_span(door_header(&door, "Content-Type"), "application/json; charset=utf-8");
    ck_assert_pstr_eq(member("status"), "LOCKED");
    ck_assert_uint_eq(json_object_size(answer), 2);
    const json_t *lock = json_object_get(answer, "lock");
    ck_assert_uint_eq(json_object_size(lock), LOCK_COLUMNS);
    ck_assert_pstr_eq(json_string_value(json_object_get(lock, "reason")), "WHY");
    ck_assert_pstr_eq(json_string_value(json_object_get(lock, "stay_start")),
                      "2000-01-01T00:00:00.000Z");
    ck_assert_pstr_eq(json_string_value(json_object_get(json_object_get(lock, "metadata"), "k")),
                      "hushhush");
}
END_TEST

START_TEST(conflict_shows_no_metadata) {
    make_locks(2, 1);
    (void)submit("POST", "/v1/locks", "{" LOCK_MEMBERS "}");
    receive(&(struct outcome){.kind = OUTCOME_CONFLICT, .row = {result, 0}, .column = 2});
    ck_assert_int_eq(door.status, 409);
    ck_assert_span(door_header(&door, "Content-Type"), "application/json; charset=utf-8");
    ck_assert_pstr_eq(member("status"), "CONFLICT");
    ck_assert_uint_eq(json_object_size(json_object_get(answer, "conflict")), LOCK_COLUMNS - 1);
    buffer_append_char(&door.body, '\0');
    ck_assert_ptr_null(strstr(door.body.data, "hushhush"));
}
END_TEST

START_TEST(stay_over) {
    (void)submit("POST", "/v1/locks", "{" LOCK_MEMBERS "}");
    receive(&(struct outcome){.kind = OUTCOME_STAY_OVER});
    ck_assert_int_eq(door.status, 400);
    ck_assert_pstr_eq(member("error"), "invalid_request");
    const json_t *violation = json_array_get(json_object_get(answer, "errors"), 0);
    ck_assert_pstr_eq(json_string_value(json_object_get(violation, "field")), "stayEnd");
}
END_TEST

START_TEST(release) {
    const struct command *command =
        submit("DELETE", "/v1/locks/018F0011-2233-7455-8677-8899AABBCCFD",
               "{\"tenantId\":\"" TENANT "\",\"reservationId\":\"" ROOM "\",\"reason\":\"WHY\","
               "\"correlationId\":\"c\",\"metadata\":{\"a\":[]}}");
    const struct release_request *request = &command->as.release;
    ck_assert_int_eq(command->kind, COMMAND_RELEASE);
    ck_assert_id(request->tenant_id, TENANT);
    ck_assert_id(request->lock_id, LOCK);
    ck_assert_id(request->reservation_id.id, ROOM);
    ck_assert_span(request->reason, "WHY");
    ck_assert_span(request->correlation_id, "c");
    ck_assert_span(request->metadata, "{\"a\":[]}");
    receive(&(struct outcome){.kind = OUTCOME_RELEASED});
    ck_assert_int_eq(door.status, 200);
    ck_assert_bytes_eq(door.body.data, door.body.length,
                       "{\"status\":\"released\",\"lockId\":\"" LOCK "\"}");
}
END_TEST

START_TEST(release_by_query) {
    const struct command *command =
        submit("DELETE",
               "/v1/locks/" LOCK "?correlationId=c%2B1&reservationId=" ROOM "&tenantId=" TENANT
               "&reason=no+show",
               "");
    const struct release_request *request = &command->as.release;
    ck_assert_id(request->tenant_id, TENANT);
    ck_assert_id(request->reservation_id.id, ROOM);
    ck_assert_span(request->reason, "no show");
    ck_assert_span(request->correlation_id, "c+1");
    ck_assert_ptr_null(request->metadata.data);
    receive(&(struct outcome){.kind = OUTCOME_NOT_FOUND});
    ck_assert_int_eq(door.status, 404);
    ck_assert_pstr_eq(member("error"), "not_found");
}
END_TEST

START_TEST(bulk_release) {
    const struct command *command =
        submit("POST", "/v1/locks/bulk-release",
               "{\"tenantId\":\"" TENANT "\",\"lockIds\":[\"" LOCK "\",\"" ROOM "\"],"
               "\"correlationId\":\"c\"}");
    const struct bulk_release_request *request = &command->as.bulk_release;
    ck_assert_int_eq(command->kind, COMMAND_BULK_RELEASE);
    ck_assert_id(request->tenant_id, TENANT);
    ck_assert_uint_eq(request->lock_count, 2);
    ck_assert_id(request->lock_ids[0], LOCK);
    ck_assert_id(request->lock_ids[1], ROOM);
    ck_assert_span(request->reason, "BULK_RELEASE");
    ck_assert_span(request->correlation_id, "c");
    receive(&(struct outcome){.kind = OUTCOME_RELEASED, .count = 1});
    ck_assert_int_eq(door.status, 200);
    ck_assert_bytes_eq(door.body.data, door.body.length,
                       "{\"status\":\"released\",\"released\":1}");
}
END_TEST

/* An exchange that is given up, when the process ends, leaks nothing. */
START_TEST(given_up) {
    (void)submit("POST", "/v1/locks/bulk-release",
                 "{\"tenantId\":\"" TENANT "\",\"lockIds\":[\"" LOCK "\"]}");
}
END_TEST

START_TEST(get) {
    make_locks(0, 1);
    const struct command *command = submit("GET", "/v1/locks/" LOCK "?tenantId=" TENANT, "");
    ck_assert_int_eq(command->kind, COMMAND_GET);
    ck_assert_id(command->as.get.tenant_id, TENANT);
    ck_assert_id(command->as.get.lock_id, LOCK);
    receive(&(struct outcome){.kind = OUTCOME_FOUND, .row = {result, 0}});
    ck_assert_int_eq(door.status, 200);
    ck_assert_uint_eq(json_object_size(answer), 1);
    ck_assert_uint_eq(json_object_size(json_object_get(answer, "lock")), LOCK_COLUMNS);
}
END_TEST

START_TEST(get_what_is_not_there) {
    (void)submit("GET", "/v1/locks/" LOCK "?tenantId=" TENANT, "");
    receive(&(struct outcome){.kind = OUTCOME_NOT_FOUND});
    ck_assert_int_eq(door.status, 404);
    ck_assert_pstr_eq(member("error"), "not_found");
}
END_TEST

START_TEST(list_command) {
    const struct command *command =
        submit("GET",
               "/v1/locks?cursor=" LOCK "&limit=200&to=1970-01-02T02:00:00+01:00&from=1970-01-01"
               "&status=EXPIRED&reservationId=" TENANT "&roomTypeId=" TYPE "&roomId=" ROOM
               "&tenantId=" TENANT,
               "");
    const struct list_request *request = &command->as.list;
    ck_assert_int_eq(command->kind, COMMAND_LIST);
    ck_assert_id(request->tenant_id, TENANT);
    ck_assert_id(request->room_id.id, ROOM);
    ck_assert_id(request->room_type_id.id, TYPE);
    ck_assert_id(request->reservation_id.id, TENANT);
    ck_assert_span(request->status, "EXPIRED");
    ck_assert_int_eq(request->from, 0);
    ck_assert_int_eq(request->to, US_PER_DAY + 3600 * US_PER_SECOND);
    ck_assert(request->after.set);
    ck_assert_id(request->after.id, LOCK);
    ck_assert_int_eq(request->limit, 201); /* one more tells whether there is a next page */
}
END_TEST

/* Pages of two: with none, one, two and three rows from the database. */
START_TEST(list_pages) {
    static const struct {
        size_t shown;
        const char *cursor;
    } pages[] = {{0, NULL}, {1, NULL}, {2, NULL}, {2, "00000000-0000-0000-0000-000000000001"}};
    make_locks(0, _i);
    (void)submit("GET", "/v1/locks?limit=2&tenantId=" TENANT, "");
    receive(&(struct outcome){.kind = OUTCOME_LISTED, .row = {result, 0}, .count = _i});
    ck_assert_int_eq(door.status, 200);
    ck_assert_uint_eq(json_object_size(answer), 2);
    const json_t *locks = json_object_get(answer, "locks");
    ck_assert_uint_eq(json_array_size(locks), pages[_i].shown);
    for (size_t i = 0; i < pages[_i].shown; i++)
        ck_assert_uint_eq(json_object_size(json_array_get(locks, i)), LOCK_COLUMNS);
    if (pages[_i].cursor == NULL)
        ck_assert(json_is_null(json_object_get(answer, "nextCursor")));
    else
        ck_assert_pstr_eq(member("nextCursor"), pages[_i].cursor);
}
END_TEST

/* The look at the table ended before the page was full: behind the locks is where to go on. */
START_TEST(list_cut_off) {
    make_locks(0, _i + 1);
    (void)submit("GET", "/v1/locks?limit=9&tenantId=" TENANT, "");
    receive(&(struct outcome){
        .kind = OUTCOME_LISTED, .row = {result, 0}, .count = _i, .cut_off = true});
    ck_assert_int_eq(door.status, 200);
    ck_assert_uint_eq(json_array_size(json_object_get(answer, "locks")), (size_t)_i);
    char cursor[40];
    snprintf(cursor, sizeof cursor, "00000000-0000-0000-0000-00000000000%d", _i);
    ck_assert_pstr_eq(member("nextCursor"), cursor);
}
END_TEST

START_TEST(ready) {
    const struct command *command = submit("GET", "/ready", "");
    ck_assert_int_eq(command->kind, COMMAND_PING);
    receive(&(struct outcome){.kind = OUTCOME_ALIVE});
    ck_assert_int_eq(door.status, 200);
    ck_assert_bytes_eq(door.body.data, door.body.length, "{\"status\":\"ready\"}");
}
END_TEST

static const struct {
    const char *method;
    const char *uri;
    const char *body;
} requests[] = {
    {"POST", "/v1/locks", "{" LOCK_MEMBERS "}"},
    {"DELETE", "/v1/locks/" LOCK "?tenantId=" TENANT, ""},
    {"POST", "/v1/locks/bulk-release", "{\"tenantId\":\"" TENANT "\",\"lockIds\":[\"" LOCK "\"]}"},
    {"GET", "/v1/locks/" LOCK "?tenantId=" TENANT, ""},
    {"GET", "/v1/locks?tenantId=" TENANT, ""},
    {"GET", "/ready", ""},
    {"POST", "/v1/locks/" LOCK "/manual-release",
     "{\"tenantId\":\"" TENANT "\",\"reason\":\"why\",\"actorId\":\"a\",\"actorName\":\"b\"}"},
    {"GET", "/v1/locks/" LOCK "/audit?tenantId=" TENANT, ""},
    {"GET", "/v1/locks/audit?tenantId=" TENANT, ""},
};

static const struct {
    enum outcome_kind kind;
    bool maybe_done;
    int status;
    const char *code;
    const char *field;  /* of the only error; NULL: none */
    const char *detail; /* a piece of it */
} failures[] = {
    {OUTCOME_REFUSED, false, 400, "invalid_request", NULL, "can't store"},
    {OUTCOME_OVERLOADED, false, 503, "overloaded", NULL, "nothing was done"},
    {OUTCOME_UNAVAILABLE, false, 503, "database_unavailable", "database", "nothing was done"},
    {OUTCOME_UNAVAILABLE, true, 503, "database_unavailable", "database", "may have been done"},
    {OUTCOME_WRONG_SCHEMA, false, 503, "database_unavailable", "schema", "nothing was done"},
    {OUTCOME_WRONG_SCHEMA, true, 503, "database_unavailable", "schema", "may have been done"},
    {OUTCOME_FAILED, false, 500, "internal_error", NULL, ""},
};

/* Every route answers these in the same way. */
START_TEST(failure) {
    door.context.manual_release_enabled = true;
    ck_assert(admin_tokens_init(&door.context.admin_tokens, "token"));
    for (int i = 0; i < COUNT(requests); i++) {
        (void)submit_with(requests[i].method, requests[i].uri, requests[i].body,
                          "HTTP_X_GUARD_ADMIN_TOKEN=token");
        receive(
            &(struct outcome){.kind = failures[_i].kind, .maybe_done = failures[_i].maybe_done});
        ck_assert_int_eq(door.status, failures[_i].status);
        ck_assert_pstr_eq(member("error"), failures[_i].code);
        ck_assert_pstr_eq(member("requestId"), "request-1");
        ck_assert_ptr_nonnull(strstr(member("detail"), failures[_i].detail));
        const json_t *violation = json_array_get(json_object_get(answer, "errors"), 0);
        ck_assert_pstr_eq(json_string_value(json_object_get(violation, "field")),
                          failures[_i].field);
        ck_assert_int_eq(door_header(&door, "Retry-After").data != NULL,
                         failures[_i].status == 503);
        ck_assert_int_eq(json_is_true(json_object_get(answer, "failOpen")),
                         failures[_i].status >= 500);
        ck_assert_int_eq(door_header(&door, "X-Guard-Fail-Open").data != NULL,
                         failures[_i].status >= 500);
    }
}
END_TEST

/* An answer for which there was no memory is told as such, and the next one is whole again. */
START_TEST(no_memory_for_an_answer) {
    make_locks(0, 1);
    (void)submit("GET", "/v1/locks/" LOCK "?tenantId=" TENANT, "");
    ck_assert(!buffer_reserve(exchange_body(&door.exchange), SIZE_MAX));
    exchange_answer(&door.exchange, "200 OK");
    ck_assert_int_eq(door.status, 500);
    door.dispatcher.first = NULL;
    door.dispatcher.last = NULL;
    door.dispatcher.queued = 0;
    (void)submit("GET", "/v1/locks/" LOCK "?tenantId=" TENANT, "");
    receive(&(struct outcome){.kind = OUTCOME_FOUND, .row = {result, 0}});
    ck_assert_int_eq(door.status, 200);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("router_answers");
    TCase *tcase = tcase_create("router_answers");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, lock_command);
    tcase_add_test(tcase, lock_command_with_headers);
    tcase_add_test(tcase, correlation_header);
    tcase_add_test(tcase, locked);
    tcase_add_test(tcase, conflict_shows_no_metadata);
    tcase_add_test(tcase, stay_over);
    tcase_add_test(tcase, release);
    tcase_add_test(tcase, release_by_query);
    tcase_add_test(tcase, bulk_release);
    tcase_add_test(tcase, given_up);
    tcase_add_test(tcase, get);
    tcase_add_test(tcase, get_what_is_not_there);
    tcase_add_test(tcase, list_command);
    tcase_add_loop_test(tcase, list_pages, 0, 4);
    tcase_add_loop_test(tcase, list_cut_off, 0, 3);
    tcase_add_test(tcase, ready);
    tcase_add_loop_test(tcase, failure, 0, COUNT(failures));
    tcase_add_test(tcase, no_memory_for_an_answer);
    suite_add_tcase(suite, tcase);
    return suite;
}
