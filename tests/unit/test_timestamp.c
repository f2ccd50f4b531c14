#include "base/timestamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

/* Text that is read, and how it is written again in UTC. */
static const struct {
    const char *text;
    const char *utc;
} good[] = {
    {"1970-01-01", "1970-01-01T00:00:00.000Z"},
    {"2027-01-31", "2027-01-31T00:00:00.000Z"},
    {"2027-01-31T00:00:00Z", "2027-01-31T00:00:00.000Z"},
    {"2027-01-31t11:22:33z", "2027-01-31T11:22:33.000Z"},
    {"2027-01-31T23:59:59.999Z", "2027-01-31T23:59:59.999Z"},
    /* leap years */
    {"2024-02-29", "2024-02-29T00:00:00.000Z"},
    {"2000-02-29T01:02:03Z", "2000-02-29T01:02:03.000Z"},
    {"2400-02-29", "2400-02-29T00:00:00.000Z"},
    /* fractions: truncated, never rounded */
    {"2027-01-31T00:00:00.1Z", "2027-01-31T00:00:00.100Z"},
    {"2027-01-31T00:00:00.12Z", "2027-01-31T00:00:00.120Z"},
    {"2027-01-31T00:00:00.123Z", "2027-01-31T00:00:00.123Z"},
    {"2027-01-31T00:00:00.1239Z", "2027-01-31T00:00:00.123Z"},
    {"2027-01-31T00:00:00.999999Z", "2027-01-31T00:00:00.999Z"},
    {"2027-01-31T00:00:00.000999999Z", "2027-01-31T00:00:00.000Z"},
    {"2027-01-31T00:00:00.001000000+00:00", "2027-01-31T00:00:00.001Z"},
    /* offsets, over the borders of days, months, years and the leap day */
    {"2027-01-31T12:00:00+00:00", "2027-01-31T12:00:00.000Z"},
    {"2027-01-31T12:00:00-00:00", "2027-01-31T12:00:00.000Z"},
    {"2027-01-31T12:00:00+01:00", "2027-01-31T11:00:00.000Z"},
    {"2027-01-31T12:00:00-01:00", "2027-01-31T13:00:00.000Z"},
    {"2027-01-31T23:30:00-01:00", "2027-02-01T00:30:00.000Z"},
    {"2027-02-01T00:30:00+01:00", "2027-01-31T23:30:00.000Z"},
    {"2027-01-01T00:00:00+00:01", "2026-12-31T23:59:00.000Z"},
    {"2026-12-31T23:59:59.5-00:01", "2027-01-01T00:00:59.500Z"},
    {"2024-03-01T00:15:00+05:45", "2024-02-29T18:30:00.000Z"},
    {"2023-03-01T00:15:00+05:45", "2023-02-28T18:30:00.000Z"},
    {"2027-06-15T12:00:00+23:59", "2027-06-14T12:01:00.000Z"},
    {"2027-06-15T12:00:00-23:59", "2027-06-16T11:59:00.000Z"},
    /* the ends, which only count in UTC */
    {"1969-12-31T23:00:00-02:00", "1970-01-01T01:00:00.000Z"},
    {"1970-01-01T02:00:00+02:00", "1970-01-01T00:00:00.000Z"},
    {"9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999Z"},
    {"9999-12-31T20:00:00-03:59", "9999-12-31T23:59:00.000Z"},
};

START_TEST(reads) {
    timestamp_us value = -1;
    char out[TIMESTAMP_TEXT_LENGTH + 1];
    ck_assert(timestamp_parse(&value, good[_i].text, strlen(good[_i].text)));
    timestamp_format(value, out);
    ck_assert_str_eq(out, good[_i].utc);
    ck_assert_int_eq(value % US_PER_MS, 0);
}
END_TEST

static const char *const bad[] = {
    "",
    "2",
    "2027",
    "2027-01",
    "2027-1-31",
    "27-01-31",
    "20270131",
    "2027/01/31",
    "2027-01-31T",
    "2027-01-31 ",
    " 2027-01-31",
    "2027-01-31Z",
    "2027-01-311",
    "02027-01-31",
    "+2027-01-31",
    "-2027-01-31",
    "99999-01-01",
    "2027-031",
    "2027-W04-7",
    "2027-0a-31",
    "2027-01-3x",
    /* days that do not exist */
    "2027-00-10",
    "2027-13-10",
    "2027-01-00",
    "2027-01-32",
    "2027-02-29",
    "2026-02-30",
    "2024-02-30",
    "2100-02-29",
    "2027-04-31",
    "2027-06-31",
    "2027-09-31",
    "2027-11-31",
    "2027-12-32",
    "2027-99-99",
    /* times that do not exist */
    "2027-01-31T24:00:00Z",
    "2027-01-31T25:00:00Z",
    "2027-01-31T00:60:00Z",
    "2027-01-31T00:00:60Z",
    "2016-12-31T23:59:60Z",
    "2027-01-31T99:99:99Z",
    /* forms that RFC 3339 does not have */
    "2027-01-31T00:00:00",
    "2027-01-31T00:00Z",
    "2027-01-31T00Z",
    "2027-01-31 00:00:00Z",
    "2027-01-31_00:00:00Z",
    "2027-01-31T0:00:00Z",
    "2027-01-31T00:0:00Z",
    "2027-01-31T00:00:0Z",
    "2027-01-31T000000Z",
    "2027-01-31T00:00:00ZZ",
    "2027-01-31T00:00:00Z ",
    "2027-01-31T-1:00:00Z",
    "2027-01-31T00:00:00 Z",
    "2027-01-31T00:00:00+",
    "2027-01-31T00:00:00UTC",
    /* fractions */
    "2027-01-31T00:00:00.Z",
    "2027-01-31T00:00:00,5Z",
    "2027-01-31T00:00:00.5",
    "2027-01-31T00:00:00.1234567890Z",
    "2027-01-31T00:00:00.12a4Z",
    "2027-01-31T00:00:00.-1Z",
    "2027-01-31T00:00:00..1Z",
    /* offsets */
    "2027-01-31T00:00:00+1",
    "2027-01-31T00:00:00+01",
    "2027-01-31T00:00:00+0100",
    "2027-01-31T00:00:00+01:0",
    "2027-01-31T00:00:00+24:00",
    "2027-01-31T00:00:00-24:00",
    "2027-01-31T00:00:00+01:60",
    "2027-01-31T00:00:00+01:00Z",
    "2027-01-31T00:00:00Z+01:00",
    "2027-01-31T00:00:00+-1:00",
    "2027-01-31T00:00:00++1:00",
    /* outside of 1970 to 9999 */
    "0000-01-01",
    "0001-01-01",
    "1969-12-31",
    "1969-12-31T23:59:59.999Z",
    "1970-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "0000-00-00",
};

START_TEST(refuses) {
    timestamp_us value = 42;
    if (timestamp_parse(&value, bad[_i], strlen(bad[_i])))
        ck_abort_msg("\"%s\" was taken", bad[_i]);
    ck_assert_int_eq(value, 42);
}
END_TEST

/* Every place of a good text with every other byte: only digits and letters' cases may be taken. */
START_TEST(refuses_any_wrong_byte) {
    static const char text[] = "2022-11-11T11:11:11.111+11:11";
    const size_t length = sizeof(text) - 1;
    for (size_t at = 0; at < length; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char changed[sizeof(text)];
            timestamp_us value = 0;
            memcpy(changed, text, sizeof(text));
            changed[at] = (char)byte;
            bool was_digit = text[at] >= '0' && text[at] <= '9';
            bool is_digit = byte >= '0' && byte <= '9';
            bool is_same_kind = byte == text[at] || (text[at] == 'T' && byte == 't') ||
                                (text[at] == '+' && byte == '-');
            if (timestamp_parse(&value, changed, length))
                ck_assert(was_digit ? is_digit : is_same_kind);
            else
                ck_assert(!is_same_kind);
        }
    }
}
END_TEST

START_TEST(stops_at_its_length) {
    static const char text[] = "2027-01-31T00:00:00Z";
    timestamp_us value = 0;
    for (size_t length = 0; length < sizeof(text) - 1; length++) {
        /* In memory of its own, so that a sanitizer sees a byte too much. */
        char *exact = malloc(length ? length : 1);
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, text, length);
        ck_assert_int_eq(timestamp_parse(&value, exact, length), length == 10);
        free(exact);
    }
}
END_TEST

/* Numbers from another implementation. */
static const struct {
    const char *text;
    timestamp_us value;
} known[] = {
    {"0001-01-01T00:00:00.000Z", INT64_C(-62135596800000000)},
    {"1600-02-29T00:00:00.000Z", INT64_C(-11670998400000000)},
    {"1900-03-01T00:00:00.000Z", INT64_C(-2203891200000000)},
    {"1969-12-31T23:59:59.999Z", INT64_C(-1000)},
    {"1970-01-01T00:00:00.000Z", INT64_C(0)},
    {"1999-12-31T23:59:59.999Z", INT64_C(946684799999000)},
    {"2000-02-29T12:34:56.789Z", INT64_C(951827696789000)},
    {"2027-01-31T00:00:00.000Z", INT64_C(1801353600000000)},
    {"2038-01-19T03:14:08.000Z", INT64_C(2147483648000000)},
    {"9999-12-31T23:59:59.999Z", INT64_C(253402300799999000)},
};

START_TEST(known_values) {
    char out[TIMESTAMP_TEXT_LENGTH + 1];
    timestamp_us value = 42;
    timestamp_format(known[_i].value, out);
    ck_assert_str_eq(out, known[_i].text);
    bool in_range = known[_i].value >= TIMESTAMP_MIN && known[_i].value <= TIMESTAMP_MAX;
    ck_assert_int_eq(timestamp_parse(&value, out, TIMESTAMP_TEXT_LENGTH), in_range);
    ck_assert_int_eq(value, in_range ? known[_i].value : 42);
}
END_TEST

/* The first and the last day of each month of 9999 years, counted up day by day. */
START_TEST(whole_calendar) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    char expected[64];
    char out[TIMESTAMP_TEXT_LENGTH + 1];
    int64_t days = -719162; /* 0001-01-01 */
    for (int month_count = 0; month_count < 9999 * 12; month_count++) {
        int year = 1 + month_count / 12;
        int month = month_count % 12;
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        int length = lengths[month] + (month == 1 && leap ? 1 : 0);
        for (int day = 1; day <= length; day += length - 1) {
            timestamp_us value = (days + day - 1) * US_PER_DAY;
            timestamp_us parsed = -1;
            (void)snprintf(expected, sizeof(expected), "%04d-%02d-%02dT00:00:00.000Z", year,
                           month + 1, day);
            timestamp_format(value, out);
            ck_assert_str_eq(out, expected);
            ck_assert_int_eq(timestamp_parse(&parsed, expected, 10), year >= 1970);
            ck_assert_int_eq(parsed, year >= 1970 ? value : -1);
        }
        (void)snprintf(expected, sizeof(expected), "%04d-%02d-%02d", year, month + 1, length + 1);
        timestamp_us none = 0;
        ck_assert(!timestamp_parse(&none, expected, 10));
        days += length;
    }
    ck_assert_int_eq(days * US_PER_DAY, TIMESTAMP_MAX + US_PER_MS);
}
END_TEST

START_TEST(writes_every_second_of_a_day) {
    for (int second = 0; second < 86400; second++) {
        char out[TIMESTAMP_TEXT_LENGTH + 1];
        char expected[64];
        timestamp_us value = second * US_PER_SECOND + second % 1000 * US_PER_MS;
        timestamp_us parsed = 0;
        (void)snprintf(expected, sizeof(expected), "1970-01-01T%02d:%02d:%02d.%03dZ", second / 3600,
                       second / 60 % 60, second % 60, second % 1000);
        timestamp_format(value, out);
        ck_assert_str_eq(out, expected);
        ck_assert(timestamp_parse(&parsed, out, TIMESTAMP_TEXT_LENGTH));
        ck_assert_int_eq(parsed, value);
    }
}
END_TEST

START_TEST(writes_towards_the_past) {
    char out[TIMESTAMP_TEXT_LENGTH + 1];
    timestamp_format(999, out);
    ck_assert_str_eq(out, "1970-01-01T00:00:00.000Z");
    timestamp_format(-1, out);
    ck_assert_str_eq(out, "1969-12-31T23:59:59.999Z");
    timestamp_format(-1001, out);
    ck_assert_str_eq(out, "1969-12-31T23:59:59.998Z");
    timestamp_format(-US_PER_DAY, out);
    ck_assert_str_eq(out, "1969-12-31T00:00:00.000Z");
}
END_TEST

START_TEST(writes_no_year_of_five_digits) {
    char out[TIMESTAMP_TEXT_LENGTH + 1];
    timestamp_format(INT64_MAX, out);
    ck_assert_str_eq(out, "9999-12-31T23:59:59.999Z");
    timestamp_format(TIMESTAMP_MAX + 1000, out);
    ck_assert_str_eq(out, "9999-12-31T23:59:59.999Z");
    timestamp_format(INT64_MIN, out);
    ck_assert_str_eq(out, "0001-01-01T00:00:00.000Z");
}
END_TEST

START_TEST(time_zone_of_the_process_does_not_matter) {
    char out[TIMESTAMP_TEXT_LENGTH + 1];
    timestamp_us value = 0;
    ck_assert_int_eq(setenv("TZ", "Pacific/Auckland", 1), 0);
    ck_assert(timestamp_parse(&value, "2027-01-31", 10));
    ck_assert_int_eq(value, INT64_C(1801353600000000));
    timestamp_format(value, out);
    ck_assert_str_eq(out, "2027-01-31T00:00:00.000Z");
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("timestamp");
    TCase *tcase = tcase_create("timestamp");
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, reads, 0, COUNT(good));
    tcase_add_loop_test(tcase, refuses, 0, COUNT(bad));
    tcase_add_test(tcase, refuses_any_wrong_byte);
    tcase_add_test(tcase, stops_at_its_length);
    tcase_add_loop_test(tcase, known_values, 0, COUNT(known));
    tcase_add_test(tcase, whole_calendar);
    tcase_add_test(tcase, writes_every_second_of_a_day);
    tcase_add_test(tcase, writes_towards_the_past);
    tcase_add_test(tcase, writes_no_year_of_five_digits);
    tcase_add_test(tcase, time_zone_of_the_process_does_not_matter);
    suite_add_tcase(suite, tcase);
    return suite;
}
