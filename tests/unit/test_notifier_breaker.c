#include "notifier/breaker.h"

#include "unit.h"

static struct breaker breaker;
static mono_time now;

static void setup(void) {
    breaker_init(&breaker, 3, 1000);
    now = mono_now();
}

static void later(int64_t ms) {
    now = mono_after_ms(now, ms);
}

static void open_it(void) {
    ck_assert(!breaker_fail(&breaker, now));
    ck_assert(!breaker_fail(&breaker, now));
    ck_assert(breaker_fail(&breaker, now));
    ck_assert_int_eq(breaker.state, BREAKER_OPEN);
}

START_TEST(opens_after_failures_in_a_row) {
    ck_assert(breaker_admits(&breaker, now));
    open_it();
    ck_assert(!breaker_admits(&breaker, now));
    later(999);
    ck_assert(!breaker_admits(&breaker, now));
}
END_TEST

START_TEST(counts_only_failures_in_a_row) {
    ck_assert(!breaker_fail(&breaker, now));
    ck_assert(!breaker_fail(&breaker, now));
    ck_assert(!breaker_succeed(&breaker));
    ck_assert(!breaker_fail(&breaker, now));
    ck_assert(!breaker_fail(&breaker, now));
    ck_assert(breaker_admits(&breaker, now));
    ck_assert(breaker_fail(&breaker, now));
}
END_TEST

START_TEST(lets_one_try_after_the_pause) {
    open_it();
    later(1000);
    ck_assert(breaker_admits(&breaker, now));
    ck_assert(!breaker_admits(&breaker, now));
    later(100000);
    ck_assert(!breaker_admits(&breaker, now));
    ck_assert(breaker_succeed(&breaker));
    ck_assert(breaker_admits(&breaker, now));
    ck_assert(breaker_admits(&breaker, now));
}
END_TEST

START_TEST(opens_again_when_the_try_fails) {
    open_it();
    later(1000);
    ck_assert(breaker_admits(&breaker, now));
    later(500);
    ck_assert(breaker_fail(&breaker, now));
    later(999);
    ck_assert(!breaker_admits(&breaker, now));
    later(1);
    ck_assert(breaker_admits(&breaker, now));
}
END_TEST

/* Calls that were under way when it opened. */
START_TEST(takes_late_news) {
    open_it();
    later(900);
    ck_assert(!breaker_fail(&breaker, now)); /* does not prolong the pause */
    later(100);
    ck_assert(breaker_admits(&breaker, now));
    ck_assert(breaker_fail(&breaker, now));
    ck_assert(breaker_succeed(&breaker)); /* it lives after all */
    ck_assert(breaker_admits(&breaker, now));
    ck_assert(!breaker_fail(&breaker, now)); /* counted from the beginning */
}
END_TEST

START_TEST(one_failure_can_be_enough) {
    breaker_init(&breaker, 1, 10);
    ck_assert(breaker_fail(&breaker, now));
    ck_assert(!breaker_admits(&breaker, now));
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("notifier/breaker");
    TCase *tests = tcase_create("breaker");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, opens_after_failures_in_a_row);
    tcase_add_test(tests, counts_only_failures_in_a_row);
    tcase_add_test(tests, lets_one_try_after_the_pause);
    tcase_add_test(tests, opens_again_when_the_try_fails);
    tcase_add_test(tests, takes_late_news);
    tcase_add_test(tests, one_failure_can_be_enough);
    suite_add_tcase(suite, tests);
    return suite;
}
