/*
 * test_router.c: paths and methods, and that every route checks its request before it submits it.
 * The door is closed: 503 is the answer to what was valid.
 */
#include "guard/router.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "door.h"
#include "unit.h"

#define TENANT "11111111-1111-4111-8111-111111111111"
#define OTHER_TENANT "22222222-2222-4222-8222-222222222222"
#define TYPE "33333333-3333-4333-8333-333333333333"
#define LOCK "018f0011-2233-7455-8677-8899aabbccfd"

/* The members that a lock must have, and a body of them alone. */
#define LOCK_MEMBERS                                                                               \
    "\"tenantId\":\"" TENANT "\",\"roomTypeId\":\"" TYPE "\","                                     \
    "\"stayStart\":\"2030-01-01\",\"stayEnd\":\"2030-01-02\""
#define LOCK_BODY "{" LOCK_MEMBERS "}"

static struct door door;
static json_t *answer; /* the body, parsed */

static void setup(void) {
    door_init(&door);
    answer = NULL;
}

static void teardown(void) {
    json_decref(answer);
    door_exit(&door);
}

static struct text_span span(const char *text) {
    return (struct text_span){text, strlen(text)};
}

/* Sends a request with up to one more parameter, and reads the answer. */
static void ask_with(const char *method, const char *uri, const char *body, const char *param) {
    char method_param[64];
    char uri_param[2048];
    char *params[] = {method_param, uri_param, "REQUEST_ID=request-1",
                      param == NULL ? "UNUSED=" : (char *)param, NULL};
    json_error_t error;
    (void)snprintf(method_param, sizeof method_param, "REQUEST_METHOD=%s", method);
    (void)snprintf(uri_param, sizeof uri_param, "REQUEST_URI=%s", uri);
    ck_assert(door_handle(&door, params, span(body)));
    ck_assert_int_eq(door.answers, 1);
    ck_assert_ptr_null(door_command(&door));
    json_decref(answer);
    answer = json_loadb(door.body.data, door.body.length, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(answer != NULL, "%s", error.text);
}

static void ask(const char *method, const char *uri, const char *body) {
    ask_with(method, uri, body, NULL);
}

static const char *error_code(void) {
    return json_string_value(json_object_get(answer, "error"));
}

/* The fields of the answer's errors, in alphabetical order, with a space between them. */
static const char *error_fields(void) {
    static char text[512];
    const char *fields[VIOLATIONS_MAX];
    const json_t *errors = json_object_get(answer, "errors");
    const size_t count = json_array_size(errors);
    size_t length = 0;
    ck_assert_uint_le(count, VIOLATIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *field = json_string_value(json_object_get(json_array_get(errors, i), "field"));
        ck_assert_ptr_nonnull(field);
        size_t at = i;
        for (; at > 0 && strcmp(fields[at - 1], field) > 0; at--)
            fields[at] = fields[at - 1];
        fields[at] = field;
    }
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", i == 0 ? "" : " ",
                                   fields[i]);
    return text;
}

#define ck_assert_header(name, value)                                                              \
    ck_assert_bytes_eq(door_header(&door, (name)).data, door_header(&door, (name)).length, value)

static const struct {
    const char *path;
    const char *allow;
} paths[] = {
    {"/v1/locks", "GET, HEAD, POST"},
    {"/v1/locks/bulk-release", "POST"},
    {"/v1/locks/" LOCK, "GET, HEAD, DELETE"},
    {"/v1/locks/anything", "GET, HEAD, DELETE"},
    {"/health", "GET, HEAD"},
    {"/health/liveness", "GET, HEAD"},
    {"/ready", "GET, HEAD"},
    {"/health/readiness", "GET, HEAD"},
    {"/metrics", "GET, HEAD"},
};

/* Each path has the methods it says it has, and no other. */
START_TEST(methods_of_a_path) {
    static const char *const methods[] = {"GET", "HEAD",  "POST",    "DELETE",
                                          "PUT", "PATCH", "OPTIONS", "nonsense"};
    for (int i = 0; i < COUNT(methods); i++) {
        ask(methods[i], paths[_i].path, "");
        if (strstr(paths[_i].allow, methods[i]) != NULL) {
            ck_assert_int_ne(door.status, 405);
            ck_assert_int_ne(door.status, 404);
            continue;
        }
        ck_assert_int_eq(door.status, 405);
        ck_assert_pstr_eq(error_code(), "method_not_allowed");
        const struct text_span allow = door_header(&door, "Allow");
        ck_assert_uint_eq(allow.length, strlen(paths[_i].allow));
        ck_assert_mem_eq(allow.data, paths[_i].allow, allow.length);
    }
}
END_TEST

static const char *const unknown_paths[] = {
    "",
    "/",
    "/v1",
    "/v1/",
    "/v1/locks/",
    "/v1/lock",
    "/v1/locksx",
    "/V1/locks",
    "//v1/locks",
    "/v1//locks",
    ("/v1/locks/" LOCK "/"),
    ("/v1/locks/" LOCK "/more"),
    "/v1/locks/bulk-release/",
    "/health/",
    "/health/x",
    "/healthy",
    "/readyness",
    "/ready/",
    "/metrics/",
    "/%76%31/locks",
    "v1/locks",
    "http://host/v1/locks",
};

START_TEST(unknown_path) {
    static const char *const methods[] = {"GET", "POST", "DELETE", "PUT"};
    for (int i = 0; i < COUNT(methods); i++) {
        ask(methods[i], unknown_paths[_i], LOCK_BODY);
        ck_assert_int_eq(door.status, 404);
        ck_assert_pstr_eq(error_code(), "route_not_found");
    }
}
END_TEST

/* What is right gets as far as the database. */
static const struct {
    const char *method;
    const char *uri;
    const char *body;
} valid_requests[] = {
    {"POST", "/v1/locks", LOCK_BODY},
    {"POST", "/v1/locks?x=%zz", LOCK_BODY},
    {"POST", "/v1/locks", "{" LOCK_MEMBERS ",\"unknown\":[1],\"roomId\":null}"},
    {"POST", "/v1/locks", "{" LOCK_MEMBERS ",\"roomId\":\"\",\"metadata\":{},\"ttlSeconds\":0}"},
    {"GET", "/v1/locks?tenantId=" TENANT, ""},
    {"HEAD", "/v1/locks?tenantId=" TENANT, ""},
    {"GET", "/v1/locks?tenantId=" TENANT "&status=ACTIVE&limit=200&unknown=1&unknown=2", ""},
    {"GET", "/v1/locks?tenantId=" TENANT, "not read"},
    {"GET", "/v1/locks/" LOCK "?tenantId=" TENANT, ""},
    {"DELETE", "/v1/locks/" LOCK, "{\"tenantId\":\"" TENANT "\"}"},
    {"DELETE", "/v1/locks/" LOCK "?tenantId=" TENANT, ""},
    {"DELETE", "/v1/locks/" LOCK "?tenantId=" TENANT, "{}"},
    {"DELETE", "/v1/locks/" LOCK "?tenantId=" TENANT, "{\"tenantId\":\"" TENANT "\"}"},
    {"POST", "/v1/locks/bulk-release",
     "{\"tenantId\":\"" TENANT "\",\"lockIds\":[\"" LOCK "\",\"" LOCK "\"]}"},
    {"GET", "/ready", ""},
    {"GET", "/health/readiness", ""},
};

START_TEST(valid_request) {
    ask(valid_requests[_i].method, valid_requests[_i].uri, valid_requests[_i].body);
    ck_assert_int_eq(door.status, 503);
    ck_assert_pstr_eq(error_code(), "database_unavailable");
    ck_assert_str_eq(error_fields(), "database");
    ck_assert(json_is_true(json_object_get(answer, "failOpen")));
    ck_assert_header("X-Guard-Fail-Open", "true");
    ck_assert_header("Retry-After", "1");
    ck_assert_header("Content-Type", "application/problem+json");
}
END_TEST

static const struct {
    const char *method;
    const char *uri;
    const char *body;
    const char *code;
    const char *fields;
} invalid_requests[] = {
    {"POST", "/v1/locks", "", "invalid_json", ""},
    {"POST", "/v1/locks", "[]", "invalid_json", ""},
    {"POST", "/v1/locks", "{", "invalid_json", ""},
    {"POST", "/v1/locks", "{\"a\":1,\"a\":1}", "invalid_json", ""},
    {"POST", "/v1/locks/bulk-release", "", "invalid_json", ""},
    {"POST", "/v1/locks/bulk-release", "1", "invalid_json", ""},
    {"DELETE", "/v1/locks/" LOCK "?tenantId=" TENANT, "x", "invalid_json", ""},
    {"POST", "/v1/locks", "{}", "invalid_request", "roomTypeId stayEnd stayStart tenantId"},
    /* the query says nothing about a lock */
    {"POST", "/v1/locks?tenantId=" TENANT, "{}", "invalid_request",
     "roomTypeId stayEnd stayStart tenantId"},
    {"POST", "/v1/locks",
     "{\"tenantId\":1,\"propertyId\":null,\"reservationId\":[],\"roomTypeId\":{},\"roomId\":1,"
     "\"stayStart\":1893456000,\"stayEnd\":true,\"reason\":1,\"correlationId\":1,"
     "\"idempotencyKey\":1,\"metadata\":[],\"ttlSeconds\":\"60\"}",
     "invalid_request",
     "correlationId idempotencyKey metadata propertyId reason reservationId roomId roomTypeId "
     "stayEnd stayStart tenantId ttlSeconds"},
    {"POST", "/v1/locks",
     "{" LOCK_MEMBERS
     ",\"propertyId\":\"x\",\"reservationId\":\"\",\"roomId\":\"r\",\"reason\":\"\","
     "\"correlationId\":\"\",\"idempotencyKey\":\"\",\"metadata\":null,\"ttlSeconds\":-1}",
     "invalid_request",
     "correlationId idempotencyKey metadata propertyId reason reservationId roomId ttlSeconds"},
    {"POST", "/v1/locks",
     "{\"tenantId\":\"" TENANT "\",\"roomTypeId\":\"" TYPE "\",\"stayStart\":\"2030-01-02\","
     "\"stayEnd\":\"2030-01-02\"}",
     "invalid_request", "stayEnd"},
    {"GET", "/v1/locks", "", "invalid_request", "tenantId"},
    {"GET", "/v1/locks?tenantId=", "", "invalid_request", "tenantId"},
    {"GET", "/v1/locks?tenantId=" TENANT "&tenantId=" TENANT, "", "invalid_request", "tenantId"},
    {"GET", "/v1/locks?tenantId=%ff", "", "invalid_request", "tenantId"},
    {"GET",
     "/v1/locks?tenantId=1&roomId=1&roomTypeId=1&reservationId=1&status=1&from=1&to=1&limit=0"
     "&cursor=1",
     "", "invalid_request", "cursor from limit reservationId roomId roomTypeId status tenantId to"},
    {"GET",
     "/v1/locks?tenantId=%&roomId=%&roomTypeId=%&reservationId=%&status=%&from=%&to=%&limit=%"
     "&cursor=%",
     "", "invalid_request", "cursor from limit reservationId roomId roomTypeId status tenantId to"},
    {"GET", "/v1/locks?tenantId=" TENANT "&from=2030-01-02&to=2030-01-01", "", "invalid_request",
     "to"},
    {"GET", "/v1/locks?tenantId=" TENANT "&from=2030-01-01T00:00:00+0%32", "", "invalid_request",
     "from"},
    {"GET", "/v1/locks/x", "", "invalid_request", "lockId tenantId"},
    {"GET", "/v1/locks/" LOCK, "", "invalid_request", "tenantId"},
    /* a GET's body is not read */
    {"GET", "/v1/locks/" LOCK, "{\"tenantId\":\"" TENANT "\"}", "invalid_request", "tenantId"},
    {"GET", "/v1/locks/bulk%2Drelease?tenantId=" TENANT, "", "invalid_request", "lockId"},
    {"DELETE", "/v1/locks/x", "", "invalid_request", "lockId tenantId"},
    {"DELETE", "/v1/locks/" LOCK, "{}", "invalid_request", "tenantId"},
    {"DELETE", "/v1/locks/" LOCK "?tenantId=" TENANT, "{\"tenantId\":\"" OTHER_TENANT "\"}",
     "invalid_request", "tenantId"},
    {"DELETE", "/v1/locks/" LOCK "?tenantId=" TENANT, "{\"tenantId\":null}", "invalid_request",
     "tenantId"},
    {"DELETE", "/v1/locks/" LOCK "?tenantId=" TENANT,
     "{\"reservationId\":\"x\",\"reason\":\"\",\"correlationId\":1,\"metadata\":\"\"}",
     "invalid_request", "correlationId metadata reason reservationId"},
    {"POST", "/v1/locks/bulk-release", "{}", "invalid_request", "lockIds tenantId"},
    {"POST", "/v1/locks/bulk-release", "{\"tenantId\":\"" TENANT "\",\"lockIds\":[]}",
     "invalid_request", "lockIds"},
    {"POST", "/v1/locks/bulk-release",
     "{\"tenantId\":\"x\",\"lockIds\":[\"x\"],\"reason\":1,\"correlationId\":\"\"}",
     "invalid_request", "correlationId lockIds reason tenantId"},
    /* the ids are fine and have to be freed */
    {"POST", "/v1/locks/bulk-release", "{\"lockIds\":[\"" LOCK "\"]}", "invalid_request",
     "tenantId"},
};

START_TEST(invalid_request) {
    ask(invalid_requests[_i].method, invalid_requests[_i].uri, invalid_requests[_i].body);
    ck_assert_int_eq(door.status, 400);
    ck_assert_pstr_eq(error_code(), invalid_requests[_i].code);
    ck_assert_str_eq(error_fields(), invalid_requests[_i].fields);
    ck_assert_pstr_eq(json_string_value(json_object_get(answer, "requestId")), "request-1");
    ck_assert_ptr_null(json_object_get(answer, "failOpen"));
    ck_assert_ptr_null(door_header(&door, "X-Guard-Fail-Open").data);
    ck_assert_ptr_null(door_header(&door, "Retry-After").data);
}
END_TEST

/* Headers stand in for fields, and must not contradict them. */
static const struct {
    const char *method;
    const char *uri;
    const char *body;
    char *param;
    const char *fields; /* that are wrong; NULL: none */
} headers[] = {
    {"GET", "/v1/locks", "", "HTTP_X_TENANT_ID=" TENANT, NULL},
    {"GET", "/v1/locks?tenantId=" TENANT, "", "HTTP_X_TENANT_ID=" TENANT, NULL},
    {"GET", "/v1/locks?tenantId=" TENANT, "", "HTTP_X_TENANT_ID=" OTHER_TENANT, "tenantId"},
    {"GET", "/v1/locks?tenantId=" TENANT, "", "HTTP_X_TENANT_ID=x", "tenantId"},
    {"GET", "/v1/locks?tenantId=" TENANT, "", "HTTP_X_TENANT_ID=", NULL},
    {"GET", "/v1/locks", "", "HTTP_X_TENANT_ID=x", "tenantId"},
    {"GET", "/v1/locks/" LOCK, "", "HTTP_X_TENANT_ID=" TENANT, NULL},
    {"DELETE", "/v1/locks/" LOCK, "", "HTTP_X_TENANT_ID=" TENANT, NULL},
    {"DELETE", "/v1/locks/" LOCK "?tenantId=" TENANT, "", "HTTP_X_TENANT_ID=" OTHER_TENANT,
     "tenantId"},
    {"DELETE", "/v1/locks/" LOCK, "{\"tenantId\":\"" OTHER_TENANT "\"}", "HTTP_X_TENANT_ID=" TENANT,
     "tenantId"},
    {"DELETE", "/v1/locks/" LOCK, "{\"tenantId\":1}", "HTTP_X_TENANT_ID=" TENANT, "tenantId"},
    {"DELETE", "/v1/locks/" LOCK "?tenantId=" TENANT, "{\"correlationId\":\"a\"}",
     "HTTP_X_CORRELATION_ID=b", "correlationId"},
    {"POST", "/v1/locks", LOCK_BODY, "HTTP_X_TENANT_ID=" TENANT, NULL},
    {"POST", "/v1/locks", LOCK_BODY, "HTTP_X_TENANT_ID=" OTHER_TENANT, "tenantId"},
    {"POST", "/v1/locks", LOCK_BODY, "HTTP_X_CORRELATION_ID=c", NULL},
    {"POST", "/v1/locks", LOCK_BODY, "HTTP_X_CORRELATION_ID=\xff", "correlationId"},
    {"POST", "/v1/locks", "{" LOCK_MEMBERS ",\"correlationId\":\"c\"}", "HTTP_X_CORRELATION_ID=c",
     NULL},
    {"POST", "/v1/locks", "{" LOCK_MEMBERS ",\"correlationId\":\"c\"}", "HTTP_X_CORRELATION_ID=C",
     "correlationId"},
    {"POST", "/v1/locks", "{" LOCK_MEMBERS ",\"correlationId\":\"\"}", "HTTP_X_CORRELATION_ID=c",
     "correlationId"},
    {"POST", "/v1/locks", LOCK_BODY, "HTTP_IDEMPOTENCY_KEY=\"k\"", NULL},
    {"POST", "/v1/locks", LOCK_BODY, "HTTP_IDEMPOTENCY_KEY=\"\"", "idempotencyKey"},
    {"POST", "/v1/locks", "{" LOCK_MEMBERS ",\"idempotencyKey\":\"k\"}",
     "HTTP_IDEMPOTENCY_KEY=\"k\"", NULL},
    {"POST", "/v1/locks", "{" LOCK_MEMBERS ",\"idempotencyKey\":\"k\"}", "HTTP_IDEMPOTENCY_KEY=K",
     "idempotencyKey"},
    /* one id in two spellings */
    {"POST", "/v1/locks", "{" LOCK_MEMBERS ",\"idempotencyKey\":\"" LOCK "\"}",
     "HTTP_IDEMPOTENCY_KEY=018F0011-2233-7455-8677-8899AABBCCFD", NULL},
    {"POST", "/v1/locks/bulk-release", "{\"lockIds\":[\"" LOCK "\"]}", "HTTP_X_TENANT_ID=" TENANT,
     NULL},
    {"POST", "/v1/locks/bulk-release", "{\"lockIds\":[\"" LOCK "\"],\"tenantId\":\"" TENANT "\"}",
     "HTTP_X_TENANT_ID=" OTHER_TENANT, "tenantId"},
};

START_TEST(header_for_a_field) {
    ask_with(headers[_i].method, headers[_i].uri, headers[_i].body, headers[_i].param);
    ck_assert_int_eq(door.status, headers[_i].fields == NULL ? 503 : 400);
    if (headers[_i].fields != NULL)
        ck_assert_str_eq(error_fields(), headers[_i].fields);
}
END_TEST

START_TEST(media_type) {
    ask_with("POST", "/v1/locks", LOCK_BODY, "CONTENT_TYPE=text/plain");
    ck_assert_int_eq(door.status, 415);
    ck_assert_pstr_eq(error_code(), "unsupported_media_type");
    ask_with("POST", "/v1/locks", LOCK_BODY, "CONTENT_TYPE=application/json; charset=utf-8");
    ck_assert_int_eq(door.status, 503);
    ask_with("DELETE", "/v1/locks/" LOCK "?tenantId=" TENANT, "{}", "CONTENT_TYPE=text/plain");
    ck_assert_int_eq(door.status, 415);
    /* there is nothing that could be of the wrong type */
    ask_with("DELETE", "/v1/locks/" LOCK "?tenantId=" TENANT, "", "CONTENT_TYPE=text/plain");
    ck_assert_int_eq(door.status, 503);
    ask_with("GET", "/v1/locks?tenantId=" TENANT, "", "CONTENT_TYPE=text/plain");
    ck_assert_int_eq(door.status, 503);
    /* the path comes first */
    ask_with("POST", "/v1/lock", LOCK_BODY, "CONTENT_TYPE=text/plain");
    ck_assert_int_eq(door.status, 404);
    ask_with("POST", "/health", LOCK_BODY, "CONTENT_TYPE=text/plain");
    ck_assert_int_eq(door.status, 405);
}
END_TEST

START_TEST(liveness_asks_nobody) {
    static const char *const uris[] = {"/health", "/health/liveness", "/health?x=%zz"};
    for (int i = 0; i < COUNT(uris); i++) {
        ask("GET", uris[i], "");
        ck_assert_int_eq(door.status, 200);
        ck_assert_bytes_eq(door.body.data, door.body.length,
                           "{\"status\":\"ok\",\"shadowMode\":true}");
    }
    ck_assert_header("Content-Type", "application/json; charset=utf-8");
    door.context.shadow_mode = false;
    ask("HEAD", "/health", "");
    ck_assert_bytes_eq(door.body.data, door.body.length,
                       "{\"status\":\"ok\",\"shadowMode\":false}");
}
END_TEST

START_TEST(no_metrics_without_their_file) {
    ask("GET", "/metrics", "");
    ck_assert_int_eq(door.status, 503);
    ck_assert_pstr_eq(error_code(), "metrics_unavailable");
}
END_TEST

START_TEST(fail_closed) {
    door.context.fail_open = false;
    ask("GET", "/ready", "");
    ck_assert_int_eq(door.status, 503);
    ck_assert(json_is_false(json_object_get(answer, "failOpen")));
    ck_assert_header("X-Guard-Fail-Open", "false");
}
END_TEST

START_TEST(wrong_schema) {
    door.dispatcher.session.problem = SESSION_PROBLEM_SCHEMA;
    ask("GET", "/ready", "");
    ck_assert_int_eq(door.status, 503);
    ck_assert_pstr_eq(error_code(), "database_unavailable");
    ck_assert_str_eq(error_fields(), "schema");
}
END_TEST

START_TEST(queue_full) {
    door_open(&door);
    door.dispatcher.queue_max = 0;
    ask("POST", "/v1/locks", LOCK_BODY);
    ck_assert_int_eq(door.status, 503);
    ck_assert_pstr_eq(error_code(), "overloaded");
    ck_assert_header("Retry-After", "1");
    ck_assert_header("X-Guard-Fail-Open", "true");
    ask("POST", "/v1/locks/bulk-release",
        "{\"lockIds\":[\"" LOCK "\"],\"tenantId\":\"" TENANT "\"}");
    ck_assert_int_eq(door.status, 503);
}
END_TEST

/* The length that is announced is that of the body, and the headers end with an empty line. */
START_TEST(headers_fit_the_body) {
    static const char *const uris[] = {"/health", "/ready", "/nowhere", "/v1/locks"};
    for (int i = 0; i < COUNT(uris); i++) {
        char length[32];
        ask("GET", uris[i], "");
        const struct text_span header = door_header(&door, "Content-Length");
        const int printed = snprintf(length, sizeof length, "%zu", door.body.length);
        ck_assert_uint_eq(header.length, (size_t)printed);
        ck_assert_mem_eq(header.data, length, header.length);
        ck_assert_str_eq(door.headers.data + door.headers.length - 5, "\r\n\r\n");
        ck_assert_ptr_eq(strstr(door.headers.data, "\r\n\r\n"),
                         door.headers.data + door.headers.length - 5);
    }
}
END_TEST

/* Where in the body JSON ends is told, not what stands there. */
START_TEST(syntax_error_with_position) {
    ask("POST", "/v1/locks", "{\"tenantId\":\n secret}");
    ck_assert_pstr_eq(error_code(), "invalid_json");
    const char *detail = json_string_value(json_object_get(answer, "detail"));
    ck_assert_ptr_nonnull(strstr(detail, "at line 2, column"));
    ck_assert_ptr_null(strstr(detail, "secret"));
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("router");
    TCase *tcase = tcase_create("router");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, methods_of_a_path, 0, COUNT(paths));
    tcase_add_loop_test(tcase, unknown_path, 0, COUNT(unknown_paths));
    tcase_add_loop_test(tcase, valid_request, 0, COUNT(valid_requests));
    tcase_add_loop_test(tcase, invalid_request, 0, COUNT(invalid_requests));
    tcase_add_loop_test(tcase, header_for_a_field, 0, COUNT(headers));
    tcase_add_test(tcase, media_type);
    tcase_add_test(tcase, liveness_asks_nobody);
    tcase_add_test(tcase, no_metrics_without_their_file);
    tcase_add_test(tcase, fail_closed);
    tcase_add_test(tcase, wrong_schema);
    tcase_add_test(tcase, queue_full);
    tcase_add_test(tcase, headers_fit_the_body);
    tcase_add_test(tcase, syntax_error_with_position);
    suite_add_tcase(suite, tcase);
    return suite;
}
