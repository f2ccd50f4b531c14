#include "http/retry.h"

#include <stdio.h>

#include "unit.h"

/* 1994-11-06T08:49:37Z, the moment of the examples in RFC 9110. */
#define THEN INT64_C(784111777)

static const struct {
    int64_t backoff_ms;
    int tries;
    int64_t asked_ms;
    int64_t least, greatest;
} pauses[] = {
    {2000, 1, RETRY_NOT_ASKED, 2000, 2500},
    {2000, 2, RETRY_NOT_ASKED, 4000, 5000},
    {2000, 3, RETRY_NOT_ASKED, 8000, 10000},
    {2000, 5, RETRY_NOT_ASKED, 32000, 40000},
    {2000, 6, RETRY_NOT_ASKED, 60000, 75000}, /* the bound */
    {2000, 100, RETRY_NOT_ASKED, 60000, 75000},
    {2000, INT16_MAX, RETRY_NOT_ASKED, 60000, 75000},
    {1, 1, RETRY_NOT_ASKED, 1, 1},
    {1, 2, RETRY_NOT_ASKED, 2, 2},
    {600000, 1, RETRY_NOT_ASKED, 600000, 750000}, /* the operator's wish goes beyond the bound */
    {600000, 9, RETRY_NOT_ASKED, 600000, 750000},
    {2000, 1, 0, 2000, 2500}, /* asked for less than we give anyway */
    {2000, 1, 1000, 2000, 2500},
    {2000, 1, 7000, 7000, 7000},
    {2000, 1, 120000, 120000, 120000},
    {2000, 1, 120001, 120000, 120000}, /* nobody holds us up for ever */
    {2000, 1, INT64_MAX, 120000, 120000},
    {600000, 1, 120000, 600000, 750000},
};

START_TEST(pause_is_within_bounds) {
    /* All over the range of 32 bits, and few enough for valgrind. */
    for (uint32_t chance = 0; chance < 5000; chance++) {
        const int64_t pause = retry_pause_ms(pauses[_i].backoff_ms, pauses[_i].tries,
                                             pauses[_i].asked_ms, chance * 858993U);
        ck_assert_int_ge(pause, pauses[_i].least);
        ck_assert_int_le(pause, pauses[_i].greatest);
    }
}
END_TEST

START_TEST(pauses_are_spread) {
    ck_assert_int_eq(retry_pause_ms(2000, 1, RETRY_NOT_ASKED, 0), 2000);
    ck_assert_int_eq(retry_pause_ms(2000, 1, RETRY_NOT_ASKED, 250), 2250);
    ck_assert_int_eq(retry_pause_ms(2000, 1, RETRY_NOT_ASKED, 500), 2500);
    ck_assert_int_eq(retry_pause_ms(2000, 1, RETRY_NOT_ASKED, 501), 2000);
}
END_TEST

static const struct {
    const char *value;
    int64_t ms;
} asked[] = {
    {"0", 0},
    {"1", 1000},
    {"120", 120000},
    {"121", RETRY_ASKED_MAX_MS},
    {"007", 7000},
    {"99999999999999999999999999", RETRY_ASKED_MAX_MS},
    {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
    {"Sun, 06 Nov 1994 08:49:47 GMT", 10000},
    {"Sun, 06 Nov 1994 08:49:36 GMT", 0},
    {"Sat, 05 Nov 1994 08:49:36 GMT", 0},
    {"Mon, 07 Nov 1994 08:49:37 GMT", RETRY_ASKED_MAX_MS},
    {"Sunday, 06-Nov-94 08:49:47 GMT", 10000}, /* RFC 850 */
    {"Sun Nov  6 08:49:47 1994", 10000},       /* asctime() */
    {"Fri, 31 Dec 9999 23:59:59 GMT", RETRY_ASKED_MAX_MS},
    {"", RETRY_NOT_ASKED},
    {"-1", RETRY_NOT_ASKED},
    {"+1", RETRY_NOT_ASKED},
    {"1.5", RETRY_NOT_ASKED},
    {"1 2", RETRY_NOT_ASKED},
    {"soon", RETRY_NOT_ASKED},
    {"Sun, 99 Foo 1994 08:49:37 GMT", RETRY_NOT_ASKED},
};

START_TEST(reads_retry_after) {
    ck_assert_msg(retry_after_ms(asked[_i].value, THEN) == asked[_i].ms, "%s: %lld",
                  asked[_i].value, (long long)retry_after_ms(asked[_i].value, THEN));
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("http/retry");
    TCase *tests = tcase_create("retry");
    tcase_add_loop_test(tests, pause_is_within_bounds, 0, COUNT(pauses));
    tcase_add_test(tests, pauses_are_spread);
    tcase_add_loop_test(tests, reads_retry_after, 0, COUNT(asked));
    suite_add_tcase(suite, tests);
    return suite;
}
