/*
 * test_admin_routes.c: what the operators' routes make of a valid request, and of what the database
 * says to it; and the token, which is asked for before anything else. See test_router_answers.c.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "domain/audit.h"
#include "door.h"
#include "unit.h"

#define TENANT "11111111-1111-4111-8111-111111111111"
#define OTHER_TENANT "22222222-2222-4222-8222-222222222222"
#define RESERVATION "44444444-4444-4444-8444-444444444444"
#define LOCK "018f0011-2233-7455-8677-8899aabbccfd"
#define TOKEN "let.me/in"

#define RELEASE_URI "/v1/locks/" LOCK "/manual-release"
#define MEMBERS                                                                                    \
    "\"tenantId\":\"" TENANT "\",\"reason\":\"guest moved\",\"actorId\":\"ops.42\","               \
    "\"actorName\":\"Alex Night\""

static struct door door;
static json_t *answer;   /* the body, parsed */
static PGresult *result; /* of the database */

/* The parameters live until the command is answered. */
static char method_param[64];
static char uri_param[1024];
static char *params[6];

static void setup(void) {
    door_init(&door);
    door_open(&door);
    door.context.manual_release_enabled = true;
    door.context.notifications_enabled = true;
    ck_assert(admin_tokens_init(&door.context.admin_tokens, "other," TOKEN));
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

static void read_answer(void) {
    json_error_t error;
    ck_assert_int_eq(door.answers, 1);
    json_decref(answer);
    answer = json_loadb(door.body.data, door.body.length, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(answer != NULL, "%s", error.text);
}

/* Up to two more parameters: those of headers. */
static void send_with(const char *method, const char *uri, const char *body, char *token,
                      char *param) {
    (void)snprintf(method_param, sizeof method_param, "REQUEST_METHOD=%s", method);
    (void)snprintf(uri_param, sizeof uri_param, "REQUEST_URI=%s", uri);
    params[0] = method_param;
    params[1] = uri_param;
    params[2] = "REQUEST_ID=request-1";
    params[3] = token == NULL ? param : token;
    params[4] = token == NULL ? NULL : param;
    params[5] = NULL;
    ck_assert(door_handle(&door, params, span(body)));
}

static const struct command *submit_with(const char *method, const char *uri, const char *body,
                                         char *param) {
    send_with(method, uri, body, "HTTP_X_GUARD_ADMIN_TOKEN=" TOKEN, param);
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
    door_answer(&door, outcome);
    read_answer();
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

START_TEST(release_command) {
    const struct command *command =
        submit("POST", RELEASE_URI,
               "{" MEMBERS ",\"reservationId\":\"" RESERVATION "\",\"correlationId\":\"case 7\","
               "\"actorEmail\":\"alex@hotel.example\",\"metadata\":{\"a\":[1]},\"unknown\":{},"
               "\"notify\":[\" gm@hotel.example\",\"#ops\",\"gm@hotel.example \",\"\"]}");
    const struct manual_release_request *request = &command->as.manual_release;
    ck_assert_int_eq(command->kind, COMMAND_MANUAL_RELEASE);
    ck_assert_id(request->tenant_id, TENANT);
    ck_assert_id(request->lock_id, LOCK);
    ck_assert_id(request->reservation_id.id, RESERVATION);
    ck_assert_span(request->reason, "guest moved");
    ck_assert_span(request->actor_id, "ops.42");
    ck_assert_span(request->actor_name, "Alex Night");
    ck_assert_span(request->actor_email, "alex@hotel.example");
    ck_assert_span(request->correlation_id, "case 7");
    ck_assert_span(request->metadata, "{\"a\":[1]}");
    ck_assert_span(request->recipients, "[\"gm@hotel.example\",\"#ops\"]");
}
END_TEST

START_TEST(release_command_with_headers) {
    const struct command *command =
        submit_with("POST", RELEASE_URI,
                    "{\"reason\":\"guest moved\",\"actorId\":\"ops.42\",\"actorName\":\"Alex\"}",
                    "HTTP_X_TENANT_ID=" TENANT);
    ck_assert_id(command->as.manual_release.tenant_id, TENANT);
    ck_assert_ptr_null(command->as.manual_release.actor_email.data);
    ck_assert_ptr_null(command->as.manual_release.metadata.data);
}
END_TEST

START_TEST(release_with_a_correlation_header) {
    const struct command *command =
        submit_with("POST", RELEASE_URI, "{" MEMBERS "}", "HTTP_X_CORRELATION_ID=from the header");
    ck_assert_span(command->as.manual_release.correlation_id, "from the header");
}
END_TEST

/* Who is told: those of the request and of the settings; nobody where that is switched off. */
static const struct {
    bool enabled;
    const char *list;
    const char *notify;
    const char *recipients; /* NULL: nobody */
} told[] = {
    {true, NULL, "", NULL},
    {true, "", ",\"notify\":[]", NULL},
    {true, " , ,", ",\"notify\":[\"\",\"  \"]", NULL},
    {true, "gm@hotel.example", "", "[\"gm@hotel.example\"]"},
    {true, "gm@hotel.example, +14155550123", ",\"notify\":[\"#ops\",\"gm@hotel.example\"]",
     "[\"#ops\",\"gm@hotel.example\",\"+14155550123\"]"},
    {false, "gm@hotel.example", ",\"notify\":[\"#ops\"]", NULL},
};

START_TEST(who_is_told) {
    char body[512];
    door.context.notifications_enabled = told[_i].enabled;
    door.context.notification_recipients = told[_i].list;
    (void)snprintf(body, sizeof body, "{" MEMBERS "%s}", told[_i].notify);
    const struct command *command = submit("POST", RELEASE_URI, body);
    const struct text_span recipients = command->as.manual_release.recipients;
    if (told[_i].recipients == NULL) {
        ck_assert_ptr_null(recipients.data);
        return;
    }
    ck_assert_uint_eq(recipients.length, strlen(told[_i].recipients));
    ck_assert_mem_eq(recipients.data, told[_i].recipients, recipients.length);
}
END_TEST

START_TEST(released) {
    char audit_id[ID_TEXT_LENGTH + 1];
    const struct command *command = submit("POST", RELEASE_URI, "{" MEMBERS "}");
    id_format(&command->as.manual_release.audit_id, audit_id);
    receive(&(struct outcome){.kind = OUTCOME_RELEASED});
    ck_assert_int_eq(door.status, 200);
    ck_assert_uint_eq(json_object_size(answer), 3);
    ck_assert_pstr_eq(member("status"), "released");
    ck_assert_pstr_eq(member("lockId"), LOCK);
    ck_assert_pstr_eq(member("auditId"), audit_id);
}
END_TEST

START_TEST(release_of_what_is_not_there) {
    (void)submit("POST", RELEASE_URI, "{" MEMBERS "}");
    receive(&(struct outcome){.kind = OUTCOME_NOT_FOUND});
    ck_assert_int_eq(door.status, 404);
    ck_assert_pstr_eq(member("error"), "not_found");
}
END_TEST

static char column_name[] = "column"; /* libpq copies it */

static void make_result(const unsigned *types, int columns) {
    PGresAttDesc attributes[AUDIT_COLUMNS] = {0};
    ck_assert_int_le(columns, AUDIT_COLUMNS);
    for (int i = 0; i < columns; i++) {
        attributes[i].name = column_name;
        attributes[i].format = 1;
        attributes[i].typid = types[i];
    }
    result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    ck_assert_int_eq(PQsetResultAttrs(result, columns, attributes), 1);
}

static void set(int row, int column, const char *bytes, int length) {
    char copy[64];
    ck_assert_int_le(length, (int)sizeof copy);
    memcpy(copy, bytes, (size_t)length);
    ck_assert_int_eq(PQsetvalue(result, row, column, copy, length), 1);
}

/* The detail names the lock's present status. */
START_TEST(release_of_what_has_ended) {
    static const unsigned types[] = {23, 25, 25};
    static const char *const statuses[] = {"RELEASED", "EXPIRED"};
    make_result(types, COUNT(types));
    set(0, 0, "\0\0\0\1", 4);
    set(0, 1, "NOT_ACTIVE", 10);
    set(0, 2, statuses[_i], (int)strlen(statuses[_i]));
    (void)submit("POST", RELEASE_URI, "{" MEMBERS "}");
    receive(&(struct outcome){.kind = OUTCOME_NOT_ACTIVE, .row = {result, 0}, .column = 2});
    ck_assert_int_eq(door.status, 409);
    ck_assert_pstr_eq(member("error"), "lock_not_active");
    ck_assert_ptr_nonnull(strstr(member("detail"), statuses[_i]));
}
END_TEST

START_TEST(releases_that_are_switched_off) {
    door.context.manual_release_enabled = false;
    send_with("POST", RELEASE_URI, "{}", "HTTP_X_GUARD_ADMIN_TOKEN=" TOKEN, NULL);
    read_answer();
    ck_assert_int_eq(door.status, 503);
    ck_assert_pstr_eq(member("error"), "manual_release_disabled");
    ck_assert_ptr_null(door_header(&door, "Retry-After").data); /* to wait does not help */
    ck_assert_ptr_null(door_command(&door));
}
END_TEST

START_TEST(audits_of_a_tenant) {
    const struct command *command =
        submit("GET",
               "/v1/locks/audit?tenantId=" TENANT "&lockId=" LOCK "&actorId=ops%2042&limit=200"
               "&cursor=77&from=1970-01-01T02:00:00+01:00&to=1970-01-02",
               "");
    const struct audits_request *request = &command->as.audits;
    ck_assert_int_eq(command->kind, COMMAND_AUDITS);
    ck_assert_int_eq(request->order, AUDIT_NEWEST_FIRST);
    ck_assert_id(request->tenant_id, TENANT);
    ck_assert_id(request->lock_id.id, LOCK);
    ck_assert_span(request->actor_id, "ops 42");
    ck_assert(request->has_from && request->has_to);
    ck_assert_int_eq(request->from, 3600 * US_PER_SECOND);
    ck_assert_int_eq(request->to, US_PER_DAY);
    ck_assert_int_eq(request->beyond, 77);
    ck_assert_int_eq(request->limit, 201); /* one more tells whether there is a next page */
}
END_TEST

/* The filters of the other route mean nothing here. */
START_TEST(audits_of_a_lock) {
    const struct command *command =
        submit_with("GET", "/v1/locks/" LOCK "/audit?lockId=x&actorId=&from=x&to=x", "",
                    "HTTP_X_TENANT_ID=" TENANT);
    const struct audits_request *request = &command->as.audits;
    ck_assert_int_eq(request->order, AUDIT_OLDEST_FIRST);
    ck_assert_id(request->tenant_id, TENANT);
    ck_assert_id(request->lock_id.id, LOCK);
    ck_assert_ptr_null(request->actor_id.data);
    ck_assert(!request->has_from && !request->has_to);
    ck_assert_int_eq(request->beyond, 0);
    ck_assert_int_eq(request->limit, 51);
}
END_TEST

/* Rows as the database shows them, with the numbers 100, 101, 102 … */
static void make_audits(int count) {
    static const unsigned types[] = {AUDIT_COLUMN_TYPES};
    static const char zeros[16];
    make_result(types, AUDIT_COLUMNS);
    for (int row = 0; row < count; row++) {
        const char sequence[8] = {0, 0, 0, 0, 0, 0, 0, (char)(100 + row)};
        for (int i = 0; i < 3; i++)
            set(row, i, zeros, 16);
        for (int i = 3; i < 8; i++)
            set(row, i, "text", 4);
        set(row, 8, "\1{\"k\": 1}", 9);
        set(row, 9, zeros, 8);
        set(row, 10, sequence, 8);
    }
}

/* Pages of two: with none, one, two and three rows from the database. */
static const struct {
    size_t shown;
    const char *cursor;
} pages[] = {{0, NULL}, {1, NULL}, {2, NULL}, {2, "101"}};

static void check_rows(size_t count) {
    const json_t *audits = json_object_get(answer, "audits");
    ck_assert_uint_eq(json_array_size(audits), count);
    for (size_t i = 0; i < count; i++) {
        const json_t *audit = json_array_get(audits, i);
        ck_assert_uint_eq(json_object_size(audit), 10); /* without the number */
        ck_assert_pstr_eq(json_string_value(json_object_get(audit, "reason")), "text");
    }
}

static void check_page(int number, size_t members) {
    receive(&(struct outcome){.kind = OUTCOME_AUDITED, .row = {result, 0}, .count = number});
    ck_assert_int_eq(door.status, 200);
    ck_assert_uint_eq(json_object_size(answer), members);
    check_rows(pages[number].shown);
    if (pages[number].cursor == NULL)
        ck_assert(json_is_null(json_object_get(answer, "nextCursor")));
    else
        ck_assert_pstr_eq(member("nextCursor"), pages[number].cursor);
}

START_TEST(pages_of_a_tenant) {
    make_audits(_i);
    (void)submit("GET", "/v1/locks/audit?limit=2&tenantId=" TENANT, "");
    check_page(_i, 2);
}
END_TEST

START_TEST(pages_of_a_lock) {
    make_audits(_i);
    (void)submit("GET", "/v1/locks/" LOCK "/audit?limit=2&tenantId=" TENANT, "");
    check_page(_i, 3);
    ck_assert_pstr_eq(member("lockId"), LOCK);
}
END_TEST

/* --- the token ------------------------------------------------------------------------------- */

static const struct {
    const char *method;
    const char *uri;
    const char *body;
} routes[] = {
    {"POST", RELEASE_URI, "{" MEMBERS "}"},
    {"GET", "/v1/locks/" LOCK "/audit?tenantId=" TENANT, ""},
    {"HEAD", "/v1/locks/" LOCK "/audit?tenantId=" TENANT, ""},
    {"GET", "/v1/locks/audit?tenantId=" TENANT, ""},
    {"HEAD", "/v1/locks/audit?tenantId=" TENANT, ""},
    {"POST", "/v1/notifications/manual-release/test", "{}"},
    /* What is wrong with a request is told to operators only. */
    {"POST", RELEASE_URI, "{}"},
    {"POST", RELEASE_URI, ""},
    {"POST", RELEASE_URI, "not json"},
    {"POST", "/v1/locks/x/manual-release", "{" MEMBERS "}"},
    {"GET", RELEASE_URI, ""},
    {"DELETE", RELEASE_URI, ""},
    {"PUT", "/v1/locks/audit", ""},
    {"POST", "/v1/locks/" LOCK "/audit", "{"},
    {"GET", "/v1/locks/audit", ""},
    {"GET", "/v1/locks/audit?tenantId=%", ""},
    {"GET", "/v1/notifications/manual-release/test", ""},
};

static char *const wrong_tokens[] = {
    NULL,
    "HTTP_X_GUARD_ADMIN_TOKEN=",
    "HTTP_X_GUARD_ADMIN_TOKEN=let.me/i",
    "HTTP_X_GUARD_ADMIN_TOKEN=let.me/inn",
    "HTTP_X_GUARD_ADMIN_TOKEN=LET.ME/IN",
    "HTTP_X_GUARD_ADMIN_TOKEN=other,let.me/in",
    "HTTP_AUTHORIZATION=let.me/in",
};

static void check_refusal(void) {
    read_answer();
    ck_assert_int_eq(door.status, 403);
    ck_assert_pstr_eq(member("error"), "admin_token_required");
    ck_assert_uint_eq(json_array_size(json_object_get(answer, "errors")), 0);
    ck_assert_ptr_null(door_header(&door, "Allow").data);
    ck_assert_ptr_null(door_command(&door));
}

START_TEST(nothing_is_open_without_a_token) {
    for (int i = 0; i < COUNT(wrong_tokens); i++) {
        send_with(routes[_i].method, routes[_i].uri, routes[_i].body, wrong_tokens[i], NULL);
        check_refusal();
    }
}
END_TEST

START_TEST(nothing_is_open_without_a_configured_token) {
    admin_tokens_exit(&door.context.admin_tokens);
    ck_assert(admin_tokens_init(&door.context.admin_tokens, ""));
    send_with(routes[_i].method, routes[_i].uri, routes[_i].body, NULL, NULL);
    check_refusal();
    send_with(routes[_i].method, routes[_i].uri, routes[_i].body, "HTTP_X_GUARD_ADMIN_TOKEN=" TOKEN,
              NULL);
    check_refusal();
    send_with(routes[_i].method, routes[_i].uri, routes[_i].body,
              "HTTP_X_GUARD_ADMIN_TOKEN=", NULL);
    check_refusal();
}
END_TEST

START_TEST(switched_off_is_told_to_operators_only) {
    door.context.manual_release_enabled = false;
    send_with("POST", RELEASE_URI, "{" MEMBERS "}", NULL, NULL);
    check_refusal();
}
END_TEST

/* The order behind the token: method, body, what the body says. */
static const struct {
    const char *method;
    const char *uri;
    const char *body;
    int status;
    const char *code;
    const char *allow; /* NULL: not said */
} refusals[] = {
    {"GET", RELEASE_URI, "", 405, "method_not_allowed", "POST"},
    {"DELETE", RELEASE_URI, "{}", 405, "method_not_allowed", "POST"},
    {"POST", "/v1/locks/audit", "", 405, "method_not_allowed", "GET, HEAD"},
    {"POST", "/v1/locks/" LOCK "/audit", "", 405, "method_not_allowed", "GET, HEAD"},
    {"DELETE", "/v1/locks/audit", "", 405, "method_not_allowed", "GET, HEAD"},
    {"GET", "/v1/notifications/manual-release/test", "", 405, "method_not_allowed", "POST"},
    {"POST", RELEASE_URI, "", 400, "invalid_json", NULL},
    {"POST", RELEASE_URI, "[]", 400, "invalid_json", NULL},
    {"POST", RELEASE_URI, "{", 400, "invalid_json", NULL},
    {"POST", RELEASE_URI, "{}", 400, "invalid_request", NULL},
    {"POST", "/v1/locks/x/manual-release", "{" MEMBERS "}", 400, "invalid_request", NULL},
    {"POST", RELEASE_URI, "{" MEMBERS ",\"notify\":\"gm@hotel.example\"}", 400, "invalid_request",
     NULL},
    {"POST", RELEASE_URI, "{" MEMBERS ",\"notify\":[1]}", 400, "invalid_request", NULL},
    {"POST", RELEASE_URI, "{" MEMBERS ",\"notify\":null}", 400, "invalid_request", NULL},
    {"POST", RELEASE_URI, "{" MEMBERS ",\"actorEmail\":null}", 400, "invalid_request", NULL},
    {"GET", "/v1/locks/x/audit?tenantId=" TENANT, "", 400, "invalid_request", NULL},
    {"GET", "/v1/locks/" LOCK "/audit", "", 400, "invalid_request", NULL},
    {"GET", "/v1/locks/audit", "", 400, "invalid_request", NULL},
    {"GET", "/v1/locks/audit?tenantId=" TENANT "&limit=1&limit=1", "", 400, "invalid_request",
     NULL},
};

START_TEST(order_of_checks) {
    send_with(refusals[_i].method, refusals[_i].uri, refusals[_i].body,
              "HTTP_X_GUARD_ADMIN_TOKEN=" TOKEN, NULL);
    read_answer();
    ck_assert_int_eq(door.status, refusals[_i].status);
    ck_assert_pstr_eq(member("error"), refusals[_i].code);
    const struct text_span allow = door_header(&door, "Allow");
    ck_assert_int_eq(allow.data != NULL, refusals[_i].allow != NULL);
    if (refusals[_i].allow != NULL) {
        ck_assert_uint_eq(allow.length, strlen(refusals[_i].allow));
        ck_assert_mem_eq(allow.data, refusals[_i].allow, allow.length);
    }
    ck_assert_ptr_null(door_command(&door));
}
END_TEST

START_TEST(a_tenant_given_twice) {
    send_with("POST", RELEASE_URI, "{" MEMBERS "}", "HTTP_X_GUARD_ADMIN_TOKEN=" TOKEN,
              "HTTP_X_TENANT_ID=" OTHER_TENANT);
    read_answer();
    ck_assert_int_eq(door.status, 400);
    send_with("GET", "/v1/locks/audit?tenantId=" TENANT, "", "HTTP_X_GUARD_ADMIN_TOKEN=" TOKEN,
              "HTTP_X_TENANT_ID=" OTHER_TENANT);
    read_answer();
    ck_assert_int_eq(door.status, 400);
}
END_TEST

/* Both tokens of the settings are good, and a wrong one does no harm where none is needed. */
START_TEST(tokens_that_are_right) {
    static char *const right[] = {"HTTP_X_GUARD_ADMIN_TOKEN=other",
                                  "HTTP_X_GUARD_ADMIN_TOKEN=" TOKEN};
    for (int i = 0; i < COUNT(right); i++) {
        send_with("GET", "/v1/locks/audit", "", right[i], NULL);
        read_answer();
        ck_assert_int_eq(door.status, 400);
    }
    send_with("GET", "/v1/locks", "", "HTTP_X_GUARD_ADMIN_TOKEN=wrong", NULL);
    read_answer();
    ck_assert_int_eq(door.status, 400);
}
END_TEST

/* What looks like an operators' path and is none needs no token and leads nowhere. */
static const struct {
    const char *uri;
    int status;
} near[] = {
    {"/v1/locks//manual-release", 404},
    {"/v1/locks/" LOCK "/manual-release/", 404},
    {"/v1/locks/" LOCK "/manual-releases", 404},
    {"/v1/locks/" LOCK "/manual%2Drelease", 404},
    {"/v1/locks/" LOCK "/x/manual-release", 404},
    {"/v1/locks/" LOCK "/audit/", 404},
    {"/v1/locks//audit", 404},
    {"/v1/locks/" LOCK "/Audit", 404},
    {"/v1/notifications/manual-release", 404},
    {"/v1/notifications/manual-release/test/", 404},
    {"/v1/notifications/" LOCK "/test", 404},
    {"/v1/locks/manual-release", 400}, /* the lock of this name: its id is none */
    {"/v1/locks/audi", 400},
};

START_TEST(near_misses) {
    send_with("GET", near[_i].uri, "", NULL, NULL);
    read_answer();
    ck_assert_int_eq(door.status, near[_i].status);
    ck_assert_pstr_eq(member("error"),
                      near[_i].status == 404 ? "route_not_found" : "invalid_request");
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("admin_routes");
    TCase *tcase = tcase_create("admin_routes");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, release_command);
    tcase_add_test(tcase, release_command_with_headers);
    tcase_add_test(tcase, release_with_a_correlation_header);
    tcase_add_loop_test(tcase, who_is_told, 0, COUNT(told));
    tcase_add_test(tcase, released);
    tcase_add_test(tcase, release_of_what_is_not_there);
    tcase_add_loop_test(tcase, release_of_what_has_ended, 0, 2);
    tcase_add_test(tcase, releases_that_are_switched_off);
    tcase_add_test(tcase, audits_of_a_tenant);
    tcase_add_test(tcase, audits_of_a_lock);
    tcase_add_loop_test(tcase, pages_of_a_tenant, 0, COUNT(pages));
    tcase_add_loop_test(tcase, pages_of_a_lock, 0, COUNT(pages));
    tcase_add_loop_test(tcase, nothing_is_open_without_a_token, 0, COUNT(routes));
    tcase_add_loop_test(tcase, nothing_is_open_without_a_configured_token, 0, COUNT(routes));
    tcase_add_test(tcase, switched_off_is_told_to_operators_only);
    tcase_add_loop_test(tcase, order_of_checks, 0, COUNT(refusals));
    tcase_add_test(tcase, a_tenant_given_twice);
    tcase_add_test(tcase, tokens_that_are_right);
    tcase_add_loop_test(tcase, near_misses, 0, COUNT(near));
    suite_add_tcase(suite, tcase);
    return suite;
}
