/* The figures of those who perform commands. */
#include "commands/tally.h"

#include <string.h>

#include "unit.h"

static struct tally tally;
static mono_time now;

static void setup(void) {
    now = mono_now();
    tally_init(&tally, now);
}

START_TEST(outcomes_are_counted) {
    tally_count(&tally, ENVELOPE_LOCK, TALLY_LOCKED, 5);
    tally_count(&tally, ENVELOPE_RELEASE, TALLY_RELEASED, 7);
    tally_count(&tally, ENVELOPE_LOCK, TALLY_LOCKED, 6);
    tally_count(&tally, ENVELOPE_OTHER, TALLY_SKIPPED, 900);
    tally_retry(&tally);
    ck_assert_int_eq(tally.figures.counts[TALLY_LOCKED], 2);
    ck_assert_int_eq(tally.figures.counts[TALLY_RELEASED], 1);
    ck_assert_int_eq(tally.figures.counts[TALLY_SKIPPED], 1);
    ck_assert_int_eq(tally.figures.duration_us_max, 7);
    ck_assert_int_eq(tally.figures.retries, 1);
}
END_TEST

START_TEST(a_report_a_minute) {
    ck_assert_int_eq(mono_diff_ms(tally_deadline(&tally), now), 60000);
    tally_count(&tally, ENVELOPE_LOCK, TALLY_CONFLICT, 5);
    tally_lag(&tally, 12, 3000000);
    tally_tick(&tally, mono_after_ms(now, 59999));
    ck_assert_int_eq(tally.figures.counts[TALLY_CONFLICT], 1);
    tally_tick(&tally, mono_after_ms(now, 60000));
    ck_assert_int_eq(tally.figures.counts[TALLY_CONFLICT], 0);
    ck_assert_int_eq(tally.figures.duration_us_max, 0);
    ck_assert_int_eq(tally.lag, 12); /* it is what it is until it is measured again */
    ck_assert_int_eq(mono_diff_ms(tally_deadline(&tally), now), 120000);
}
END_TEST

START_TEST(every_outcome_has_a_name) {
    for (int i = 0; i < TALLY_OUTCOMES; i++)
        ck_assert_uint_gt(strlen(tally_outcome_name((enum tally_outcome)i)), 0);
    ck_assert_str_eq(tally_outcome_name(TALLY_NOT_FOUND), "not_found");
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("commands/tally");
    TCase *tests = tcase_create("tally");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, outcomes_are_counted);
    tcase_add_test(tests, a_report_a_minute);
    tcase_add_test(tests, every_outcome_has_a_name);
    suite_add_tcase(suite, tests);
    return suite;
}
