#include "guard/grpc_problem.h"

#include <string.h>

#include "unit.h"

static struct buffer out;

static void setup(void) {
    buffer_init(&out);
}

static void teardown(void) {
    buffer_free(&out);
}

static const struct {
    enum problem problem;
    enum grpc_status status;
    const char *http;
    bool passes;
    bool is_ours; /* the service has failed: whether to go on without a lock is told */
} problems[] = {
    {PROBLEM_INVALID_REQUEST, GRPC_STATUS_INVALID_ARGUMENT, "200 OK", false, false},
    {PROBLEM_UNAUTHENTICATED, GRPC_STATUS_UNAUTHENTICATED, "200 OK", false, false},
    {PROBLEM_NOT_FOUND, GRPC_STATUS_NOT_FOUND, "200 OK", false, false},
    {PROBLEM_METHOD_NOT_ALLOWED, GRPC_STATUS_UNIMPLEMENTED, "405 Method Not Allowed", false, false},
    {PROBLEM_PAYLOAD_TOO_LARGE, GRPC_STATUS_RESOURCE_EXHAUSTED, "200 OK", false, false},
    {PROBLEM_UNSUPPORTED_MEDIA_TYPE, GRPC_STATUS_INVALID_ARGUMENT, "415 Unsupported Media Type",
     false, false},
    {PROBLEM_INTERNAL_ERROR, GRPC_STATUS_INTERNAL, "200 OK", false, true},
    {PROBLEM_NOT_IMPLEMENTED, GRPC_STATUS_UNIMPLEMENTED, "200 OK", false, false},
    {PROBLEM_OVERLOADED, GRPC_STATUS_RESOURCE_EXHAUSTED, "200 OK", true, true},
    {PROBLEM_DATABASE_UNAVAILABLE, GRPC_STATUS_UNAVAILABLE, "200 OK", true, true},
    {PROBLEM_DEADLINE_EXCEEDED, GRPC_STATUS_DEADLINE_EXCEEDED, "200 OK", false, true},
};

START_TEST(headers) {
    for (int fail_open = 0; fail_open < 2; fail_open++) {
        struct buffer wanted = {0};
        buffer_printf(&wanted,
                      "Status: %s\r\nContent-Type: application/grpc\r\nGrpc-Status: %d\r\n"
                      "Grpc-Message: what happened\r\n%s%s%s\r\n",
                      problems[_i].http, (int)problems[_i].status,
                      problems[_i].problem == PROBLEM_METHOD_NOT_ALLOWED ? "Allow: POST\r\n" : "",
                      problems[_i].passes ? "Grpc-Retry-Pushback-Ms: 1000\r\n" : "",
                      !problems[_i].is_ours ? ""
                      : fail_open != 0      ? "X-Guard-Fail-Open: true\r\n"
                                            : "X-Guard-Fail-Open: false\r\n");
        buffer_clear(&out);
        grpc_problem_append(&out, problems[_i].problem, "what happened", NULL, fail_open != 0);
        buffer_append_char(&out, '\0');
        buffer_append_char(&wanted, '\0');
        ck_assert_str_eq(out.data, wanted.data);
        buffer_free(&wanted);
    }
}
END_TEST

/* The message of a problem. */
static void ck_assert_message(const char *message) {
    static const char NAME[] = "Grpc-Message: ";
    buffer_append_char(&out, '\0');
    const char *found = strstr(out.data, NAME);
    ck_assert_ptr_nonnull(found);
    found += sizeof NAME - 1;
    ck_assert_uint_eq(strcspn(found, "\r\n"), strlen(message));
    ck_assert_int_eq(strncmp(found, message, strlen(message)), 0);
}

START_TEST(fields_are_named_as_in_the_messages) {
    struct violations v = {.count = 0};
    violations_add(&v, "stayEnd", "must be after stayStart");
    violations_add(&v, "reason", "must be valid UTF-8, an RFC 3339 date or aBcD");
    grpc_problem_append(&out, PROBLEM_INVALID_REQUEST, "see errors", &v, true);
    ck_assert_message("stay_end: must be after stay_start; "
                      "reason: must be valid UTF-8, an RFC 3339 date or a_bc_d");
}
END_TEST

START_TEST(other_problems_have_a_detail_too) {
    struct violations v = {.count = 0};
    violations_add(&v, "database", "is not reachable");
    grpc_problem_append(&out, PROBLEM_DATABASE_UNAVAILABLE, "nothing was done", &v, true);
    ck_assert_message("nothing was done: database: is not reachable");
}
END_TEST

START_TEST(messages_are_percent_encoded) {
    grpc_problem_append(&out, PROBLEM_INTERNAL_ERROR, "100% ~ \r\n\x01\x7f\xc3\xa9 !", NULL, true);
    ck_assert_message("100%25 ~ %0D%0A%01%7F%C3%A9 !");
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("grpc_problem");
    TCase *tcase = tcase_create("grpc_problem");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, headers, 0, COUNT(problems));
    tcase_add_test(tcase, fields_are_named_as_in_the_messages);
    tcase_add_test(tcase, other_problems_have_a_detail_too);
    tcase_add_test(tcase, messages_are_percent_encoded);
    suite_add_tcase(suite, tcase);
    return suite;
}
