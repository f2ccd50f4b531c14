#include "guard/grpc_timeout.h"

#include <string.h>

#include "unit.h"

static const struct {
    const char *text;
    int64_t ms;
} timeouts[] = {
    {"1H", 3600000},  {"99999999H", INT64_C(359999996400000)},
    {"2M", 120000},   {"3S", 3000},
    {"250m", 250},    {"00000001m", 1},
    {"1u", 1},        {"1000u", 1},
    {"1001u", 2},     {"1n", 1},
    {"1000000n", 1},  {"99999999n", 100},
    {"0H", 0},        {"0n", 0},
    {"00000000u", 0},
};

START_TEST(timeout) {
    int64_t ms = -1;
    const char *text = timeouts[_i].text;
    ck_assert(grpc_timeout_parse(&ms, (struct text_span){text, strlen(text)}));
    ck_assert_int_eq(ms, timeouts[_i].ms);
}
END_TEST

static const char *const wrong[] = {
    "",    "1",   "S",   "1s",   "1h",   "1d", "-1S",        "-S",         "+1S",
    " 1S", "1 S", "1S ", "1.5S", "1e3S", "SS", "123456789S", "1234567890", "0x1S",
};

START_TEST(no_timeout) {
    int64_t ms = -1;
    ck_assert(!grpc_timeout_parse(&ms, (struct text_span){wrong[_i], strlen(wrong[_i])}));
    ck_assert_int_eq(ms, -1);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("grpc_timeout");
    TCase *tcase = tcase_create("grpc_timeout");
    tcase_add_loop_test(tcase, timeout, 0, COUNT(timeouts));
    tcase_add_loop_test(tcase, no_timeout, 0, COUNT(wrong));
    suite_add_tcase(suite, tcase);
    return suite;
}
