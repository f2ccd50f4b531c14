#include "base/clock.h"

#include <time.h>

#include "unit.h"

START_TEST(monotonic_does_not_run_backwards) {
    mono_time last = mono_now();
    for (int i = 0; i < 10000; i++) {
        mono_time now = mono_now();
        ck_assert(!mono_is_before(now, last));
        last = now;
    }
}
END_TEST

START_TEST(monotonic_counts_microseconds) {
    const struct timespec pause = {.tv_nsec = 20000000};
    mono_time start = mono_now();
    ck_assert_int_eq(nanosleep(&pause, NULL), 0);
    mono_time end = mono_now();
    ck_assert_int_ge(mono_diff_us(end, start), 20000);
    ck_assert_int_ge(mono_diff_ms(end, start), 20);
    ck_assert_int_lt(mono_diff_ms(end, start), 20000);
}
END_TEST

START_TEST(wall_clock_is_that_of_the_system) {
    time_t before = time(NULL);
    int64_t now = wall_now_us();
    ck_assert_int_ge(now / 1000000, before - 1);
    ck_assert_int_le(now / 1000000, before + 60);
}
END_TEST

START_TEST(deadlines) {
    mono_time start = {1000000};
    ck_assert_int_eq(mono_after_ms(start, 0).us, 1000000);
    ck_assert_int_eq(mono_after_ms(start, 5).us, 1005000);
    ck_assert_int_eq(mono_after_ms(start, -5).us, 995000);
    ck_assert(mono_is_before(start, mono_after_ms(start, 1)));
    ck_assert(!mono_is_before(start, start));
    ck_assert(!mono_is_before(mono_after_ms(start, 1), start));
    ck_assert_int_eq(mono_earlier(start, mono_after_ms(start, 1)).us, start.us);
    ck_assert_int_eq(mono_earlier(MONO_NEVER, start).us, start.us);
}
END_TEST

START_TEST(deadlines_saturate) {
    mono_time start = {1000000};
    ck_assert(mono_is_never(MONO_NEVER));
    ck_assert(!mono_is_never(start));
    ck_assert(mono_is_never(mono_after_ms(MONO_NEVER, 5)));
    ck_assert(mono_is_never(mono_after_ms(MONO_NEVER, -5)));
    ck_assert(mono_is_never(mono_after_ms(start, INT64_MAX)));
    ck_assert(mono_is_never(mono_after_ms(start, INT64_MAX / 1000)));
    ck_assert_int_eq(mono_after_ms(start, INT64_MIN).us, INT64_MIN);
    ck_assert(mono_is_before(start, MONO_NEVER));
}
END_TEST

START_TEST(differences) {
    mono_time a = {5000};
    mono_time b = {7999};
    ck_assert_int_eq(mono_diff_us(b, a), 2999);
    ck_assert_int_eq(mono_diff_us(a, b), -2999);
    ck_assert_int_eq(mono_diff_ms(b, a), 2);
    ck_assert_int_eq(mono_diff_ms(a, b), -2);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("clock");
    TCase *tcase = tcase_create("clock");
    tcase_add_test(tcase, monotonic_does_not_run_backwards);
    tcase_add_test(tcase, monotonic_counts_microseconds);
    tcase_add_test(tcase, wall_clock_is_that_of_the_system);
    tcase_add_test(tcase, deadlines);
    tcase_add_test(tcase, deadlines_saturate);
    tcase_add_test(tcase, differences);
    suite_add_tcase(suite, tcase);
    return suite;
}
