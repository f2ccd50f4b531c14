#include "guard/problem.h"

#include <jansson.h>
#include <string.h>

#include "unit.h"

static struct buffer out;

static void setup(void) {
    buffer_init(&out);
}

static void teardown(void) {
    buffer_free(&out);
}

static json_t *parse(void) {
    json_error_t error;
    json_t *value = json_loadb(out.data, out.length, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(value != NULL, "%s", error.text);
    return value;
}

static const struct {
    enum problem problem;
    int status;
    const char *code;
    bool passes;
} problems[] = {
    {PROBLEM_INVALID_JSON, 400, "invalid_json", false},
    {PROBLEM_INVALID_REQUEST, 400, "invalid_request", false},
    {PROBLEM_UNAUTHENTICATED, 401, "unauthenticated", false},
    {PROBLEM_ADMIN_TOKEN_REQUIRED, 403, "admin_token_required", false},
    {PROBLEM_NOT_FOUND, 404, "not_found", false},
    {PROBLEM_ROUTE_NOT_FOUND, 404, "route_not_found", false},
    {PROBLEM_METHOD_NOT_ALLOWED, 405, "method_not_allowed", false},
    {PROBLEM_LOCK_NOT_ACTIVE, 409, "lock_not_active", false},
    {PROBLEM_PAYLOAD_TOO_LARGE, 413, "payload_too_large", false},
    {PROBLEM_UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type", false},
    {PROBLEM_INTERNAL_ERROR, 500, "internal_error", false},
    {PROBLEM_NOT_IMPLEMENTED, 501, "not_implemented", false},
    {PROBLEM_OVERLOADED, 503, "overloaded", true},
    {PROBLEM_DATABASE_UNAVAILABLE, 503, "database_unavailable", true},
    {PROBLEM_MANUAL_RELEASE_DISABLED, 503, "manual_release_disabled", false},
    {PROBLEM_METRICS_UNAVAILABLE, 503, "metrics_unavailable", false},
    {PROBLEM_DEADLINE_EXCEEDED, 504, "deadline_exceeded", false},
};

#define ck_assert_member(object, name, text)                                                       \
    ck_assert_pstr_eq(json_string_value(json_object_get((object), (name))), (text))

START_TEST(status_and_body) {
    const enum problem problem = problems[_i].problem;
    ck_assert_int_eq(problem_status(problem), problems[_i].status);
    ck_assert_int_eq(problem_passes(problem), problems[_i].passes);
    ck_assert_uint_gt(strlen(problem_title(problem)), 0);
    for (int fail_open = 0; fail_open < 2; fail_open++) {
        buffer_clear(&out);
        problem_append(&out, problem, "what happened", NULL, "request-1", fail_open != 0);
        json_t *body = parse();
        ck_assert_member(body, "type", "about:blank");
        ck_assert_member(body, "title", problem_title(problem));
        ck_assert_int_eq(json_integer_value(json_object_get(body, "status")), problems[_i].status);
        ck_assert_member(body, "error", problems[_i].code);
        ck_assert_member(body, "detail", "what happened");
        ck_assert_member(body, "requestId", "request-1");
        ck_assert(json_is_array(json_object_get(body, "errors")));
        ck_assert_uint_eq(json_array_size(json_object_get(body, "errors")), 0);
        const json_t *told = json_object_get(body, "failOpen");
        if (problems[_i].status >= 500)
            ck_assert_ptr_eq(told, json_boolean(fail_open != 0));
        else
            ck_assert_ptr_null(told);
        ck_assert_uint_eq(json_object_size(body), problems[_i].status >= 500 ? 8 : 7);
        json_decref(body);
    }
}
END_TEST

START_TEST(violations_in_their_order) {
    struct violations v = {.count = 0};
    violations_add(&v, "tenantId", "is required");
    violations_add(&v, "reason", "is \"too\" long");
    problem_append(&out, PROBLEM_INVALID_REQUEST, "d", &v, "r", true);
    ck_assert_bytes_eq(
        out.data, out.length,
        "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
        "\"error\":\"invalid_request\",\"detail\":\"d\","
        "\"errors\":[{\"field\":\"tenantId\",\"message\":\"is required\"},"
        "{\"field\":\"reason\",\"message\":\"is \\\"too\\\" long\"}],\"requestId\":\"r\"}");
    json_decref(parse());
}
END_TEST

START_TEST(texts_are_escaped) {
    problem_append(&out, PROBLEM_INTERNAL_ERROR, "\"\\\n", NULL, "\"id\"", false);
    json_t *body = parse();
    ck_assert_member(body, "detail", "\"\\\n");
    ck_assert_member(body, "requestId", "\"id\"");
    json_decref(body);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("problem");
    TCase *tcase = tcase_create("problem");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, status_and_body, 0, COUNT(problems));
    tcase_add_test(tcase, violations_in_their_order);
    tcase_add_test(tcase, texts_are_escaped);
    suite_add_tcase(suite, tcase);
    return suite;
}
