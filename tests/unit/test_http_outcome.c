#include "http/outcome.h"

#include <string.h>

#include "http/retry.h"
#include "unit.h"

static const struct {
    long status;
    enum outcome_kind kind;
    bool uncertain;
    bool healthy;
} statuses[] = {
    {200, OUTCOME_DELIVERED, false, true},  {201, OUTCOME_DELIVERED, false, true},
    {204, OUTCOME_DELIVERED, false, true},  {299, OUTCOME_DELIVERED, false, true},
    {300, OUTCOME_PERMANENT, false, true},  {301, OUTCOME_PERMANENT, false, true},
    {302, OUTCOME_PERMANENT, false, true},  {304, OUTCOME_PERMANENT, false, true},
    {307, OUTCOME_PERMANENT, false, true},  {308, OUTCOME_PERMANENT, false, true},
    {400, OUTCOME_PERMANENT, false, true},  {401, OUTCOME_PERMANENT, false, true},
    {404, OUTCOME_PERMANENT, false, true},  {408, OUTCOME_TRANSIENT, false, true},
    {409, OUTCOME_PERMANENT, false, true},  {410, OUTCOME_PERMANENT, false, true},
    {425, OUTCOME_TRANSIENT, false, true},  {429, OUTCOME_TRANSIENT, false, true},
    {499, OUTCOME_PERMANENT, false, true},  {500, OUTCOME_TRANSIENT, true, false},
    {502, OUTCOME_TRANSIENT, true, false},  {503, OUTCOME_TRANSIENT, true, false},
    {599, OUTCOME_TRANSIENT, true, false},  {600, OUTCOME_PERMANENT, false, false},
    {999, OUTCOME_PERMANENT, false, false},
};

START_TEST(a_status_decides) {
    const struct outcome_facts facts = {
        .status = statuses[_i].status, .answered = true, .sent = true, .asked_ms = 5000};
    struct outcome out;
    outcome_of_call(&out, &facts);
    ck_assert_int_eq(out.kind, statuses[_i].kind);
    ck_assert_int_eq(out.uncertain, statuses[_i].uncertain);
    ck_assert_int_eq(out.healthy, statuses[_i].healthy);
    ck_assert_int_eq(out.asked_ms, out.kind == OUTCOME_TRANSIENT ? 5000 : RETRY_NOT_ASKED);
    ck_assert(strncmp(out.reason, "HTTP status ", 12) == 0);
}
END_TEST

/* The body may stall, be too long or be cut off: the status has been told. */
START_TEST(a_status_decides_even_if_the_rest_fails) {
    struct outcome_facts facts = {.code = CURLE_OPERATION_TIMEDOUT,
                                  .status = 200,
                                  .answered = true,
                                  .sent = true,
                                  .asked_ms = RETRY_NOT_ASKED};
    struct outcome out;
    outcome_of_call(&out, &facts);
    ck_assert_int_eq(out.kind, OUTCOME_DELIVERED);
    facts.answered = false; /* a status line, but the headers did not end */
    outcome_of_call(&out, &facts);
    ck_assert_int_eq(out.kind, OUTCOME_TRANSIENT);
    ck_assert(out.uncertain);
    ck_assert(!out.healthy);
}
END_TEST

START_TEST(no_answer_is_transient) {
    struct outcome_facts facts = {.code = CURLE_COULDNT_CONNECT, .asked_ms = RETRY_NOT_ASKED};
    struct outcome out;
    outcome_of_call(&out, &facts);
    ck_assert_int_eq(out.kind, OUTCOME_TRANSIENT);
    ck_assert(!out.uncertain);
    ck_assert(!out.healthy);
    facts.code = CURLE_RECV_ERROR;
    facts.sent = true;
    outcome_of_call(&out, &facts);
    ck_assert_int_eq(out.kind, OUTCOME_TRANSIENT);
    ck_assert(out.uncertain);
}
END_TEST

START_TEST(a_refused_address_is_permanent) {
    const struct outcome_facts facts = {
        .code = CURLE_COULDNT_CONNECT, .refused = true, .asked_ms = RETRY_NOT_ASKED};
    struct outcome out;
    outcome_of_call(&out, &facts);
    ck_assert_int_eq(out.kind, OUTCOME_PERMANENT);
    ck_assert(!out.uncertain);
    ck_assert_str_eq(out.reason, "its address is private");
}
END_TEST

START_TEST(a_reason_is_cut) {
    char reason[200];
    struct outcome out;
    memset(reason, 'x', sizeof reason);
    reason[sizeof reason - 1] = '\0';
    outcome_transient(&out, reason);
    ck_assert_uint_eq(strlen(out.reason), sizeof out.reason - 1);
    ck_assert_int_eq(out.kind, OUTCOME_TRANSIENT);
    ck_assert(!out.uncertain);
    ck_assert_int_eq(out.asked_ms, RETRY_NOT_ASKED);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("http/outcome");
    TCase *tests = tcase_create("outcome");
    tcase_add_loop_test(tests, a_status_decides, 0, COUNT(statuses));
    tcase_add_test(tests, a_status_decides_even_if_the_rest_fails);
    tcase_add_test(tests, no_answer_is_transient);
    tcase_add_test(tests, a_refused_address_is_permanent);
    tcase_add_test(tests, a_reason_is_cut);
    suite_add_tcase(suite, tests);
    return suite;
}
