#include "base/text.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

/* Writes the UTF-8 form of a code point; its length. */
static size_t encode(unsigned code_point, char out[4]) {
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xC0 | code_point >> 6);
        out[1] = (char)(0x80 | (code_point & 0x3F));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xE0 | code_point >> 12);
        out[1] = (char)(0x80 | (code_point >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code_point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code_point >> 18);
    out[1] = (char)(0x80 | (code_point >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code_point >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code_point & 0x3F));
    return 4;
}

static bool may_be_encoded(unsigned code_point) {
    return code_point > 0 && code_point <= 0x10FFFF && (code_point < 0xD800 || code_point > 0xDFFF);
}

START_TEST(utf8_every_code_point) {
    char text[4];
    for (unsigned code_point = 0; code_point < 0x120000; code_point++) {
        size_t length = encode(code_point, text);
        bool valid = may_be_encoded(code_point);
        if (text_is_valid_utf8(text, length) != valid)
            ck_abort_msg("U+%04X", code_point);
        if (text_utf8_sequence(text, length) != (valid ? length : 0))
            ck_abort_msg("sequence of U+%04X", code_point);
        if (valid && text_code_points(text, length) != 1)
            ck_abort_msg("count of U+%04X", code_point);
    }
}
END_TEST

/* Decodes loosely, then encodes again: only what comes out the same was the right form. */
static bool is_valid_by_round_trip(const unsigned char *s, size_t length) {
    size_t i = 0;
    while (i < length) {
        size_t size = s[i] < 0x80 ? 1 : s[i] < 0xE0 ? 2 : s[i] < 0xF0 ? 3 : 4;
        unsigned code_point = size == 1 ? s[i] : s[i] & (0xFFU >> (size + 1));
        char again[4];
        if (size > length - i)
            return false;
        for (size_t k = 1; k < size; k++) {
            if (s[i + k] < 0x80 || s[i + k] > 0xBF)
                return false;
            code_point = code_point << 6 | (s[i + k] & 0x3F);
        }
        if (!may_be_encoded(code_point) || encode(code_point, again) != size ||
            memcmp(again, s + i, size) != 0)
            return false;
        i += size;
    }
    return true;
}

/* The first and last byte of each class in RFC 3629, section 4, and their neighbours. */
static const unsigned char byte_classes[] = {
    0x00, 0x01, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2,
    0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
};

START_TEST(utf8_every_combination_of_byte_classes) {
    const int n = COUNT(byte_classes);
    int valid = 0;
    for (int i = 0; i < n * n * n * n; i++) {
        const unsigned char text[4] = {byte_classes[i / n / n / n], byte_classes[i / n / n % n],
                                       byte_classes[i / n % n], byte_classes[i % n]};
        for (size_t length = 1; length <= 4; length++) {
            bool expected = is_valid_by_round_trip(text, length);
            valid += expected;
            if (text_is_valid_utf8((const char *)text, length) != expected)
                ck_abort_msg("%02X %02X %02X %02X, first %zu", text[0], text[1], text[2], text[3],
                             length);
        }
    }
    ck_assert_int_gt(valid, 1000); /* both sides have been tried */
}
END_TEST

START_TEST(utf8_every_first_byte) {
    for (unsigned byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        ck_assert_int_eq(text_is_valid_utf8(&c, 1), byte >= 1 && byte <= 0x7F);
    }
}
END_TEST

/* A bad byte is found wherever it stands between the eight bytes that are looked at together. */
START_TEST(utf8_bad_byte_at_any_place) {
    static const char bad[] = {0, '\x80', '\xBF', '\xC0', '\xC1', '\xF5', '\xFF'};
    char text[40];
    for (size_t length = 1; length <= sizeof(text); length++) {
        memset(text, 'a', length);
        ck_assert(text_is_valid_utf8(text, length));
        for (size_t at = 0; at < length; at++) {
            for (int i = 0; i < COUNT(bad); i++) {
                text[at] = bad[i];
                ck_assert(!text_is_valid_utf8(text, length));
            }
            text[at] = '\x7F';
            ck_assert(text_is_valid_utf8(text, length));
            text[at] = '\x01';
            ck_assert(text_is_valid_utf8(text, length));
            text[at] = 'a';
        }
    }
}
END_TEST

START_TEST(utf8_cut_off_at_the_end) {
    static const char text[] = "1234567\xF0\x9F\x94\x91";
    ck_assert(text_is_valid_utf8(text, 7));
    ck_assert(!text_is_valid_utf8(text, 8));
    ck_assert(!text_is_valid_utf8(text, 9));
    ck_assert(!text_is_valid_utf8(text, 10));
    ck_assert(text_is_valid_utf8(text, 11));
    ck_assert(text_is_valid_utf8("", 0));
    ck_assert(text_is_valid_utf8(NULL, 0));
}
END_TEST

START_TEST(code_points) {
    ck_assert_uint_eq(text_code_points("", 0), 0);
    ck_assert_uint_eq(text_code_points("abc", 3), 3);
    ck_assert_uint_eq(text_code_points("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x94\x91x", 10), 4);
}
END_TEST

START_TEST(control_characters) {
    for (unsigned code_point = 1; code_point < 0x3000; code_point++) {
        char text[4];
        size_t size = encode(code_point, text);
        bool expected = code_point < 0x20 || (code_point >= 0x7F && code_point <= 0x9F);
        if (text_is_control(text, size) != expected)
            ck_abort_msg("U+%04X", code_point);
    }
}
END_TEST

START_TEST(equals_nocase) {
    ck_assert(text_equals_nocase("", 0, "", 0));
    ck_assert(text_equals_nocase("Content-TYPE", 12, "content-type", 12));
    ck_assert(!text_equals_nocase("abc", 3, "abcd", 4));
    ck_assert(!text_equals_nocase("abc", 3, "abd", 3));
    ck_assert(text_equals_nocase("az", 2, "AZ", 2));
    /* The neighbours of the letters differ by 32 too. */
    ck_assert(!text_equals_nocase("@", 1, "`", 1));
    ck_assert(!text_equals_nocase("[", 1, "{", 1));
    ck_assert(!text_equals_nocase("\xC4", 1, "\xE4", 1));
}
END_TEST

static const struct {
    const char *text;
    int64_t value;
} good_ints[] = {
    {"0", 0},
    {"7", 7},
    {"-7", -7},
    {"007", 7},
    {"-0", 0},
    {"9223372036854775807", INT64_MAX},
    {"-9223372036854775808", INT64_MIN},
    {"000000000000000000000000000001", 1},
};

START_TEST(parse_int) {
    int64_t value = 42;
    ck_assert(text_parse_int(&value, good_ints[_i].text, strlen(good_ints[_i].text)));
    ck_assert_int_eq(value, good_ints[_i].value);
}
END_TEST

static const char *const bad_ints[] = {
    "",
    "-",
    "+1",
    " 1",
    "1 ",
    "1.0",
    "1e3",
    "0x",
    "0x10",
    "--1",
    "1-",
    "a",
    ":",
    "/",
    "9223372036854775808",
    "-9223372036854775809",
    "99999999999999999999",
    "10000000000000000000000",
};

START_TEST(parse_int_refuses) {
    int64_t value = 42;
    ck_assert(!text_parse_int(&value, bad_ints[_i], strlen(bad_ints[_i])));
    ck_assert_int_eq(value, 42);
}
END_TEST

START_TEST(parse_int_stops_at_its_length) {
    int64_t value = 0;
    ck_assert(text_parse_int(&value, "12345", 2));
    ck_assert_int_eq(value, 12);
    ck_assert(!text_parse_int(&value, "1\0", 2));
}
END_TEST

START_TEST(hex_digits) {
    static const char digits[] = "0123456789abcdefABCDEF";
    for (int byte = 0; byte < 256; byte++) {
        const char *found = byte ? strchr(digits, byte) : NULL;
        int expected = found ? (int)(found - digits) : -1;
        if (expected >= 16)
            expected -= 6;
        ck_assert_int_eq(text_hex_digit((char)byte), expected);
    }
}
END_TEST

static const struct {
    const char *in;
    bool plus_is_space;
    const char *out; /* NULL: refused */
} percent[] = {
    {"", true, ""},
    {"plain", true, "plain"},
    {"a%20b", true, "a b"},
    {"a+b", true, "a b"},
    {"a+b", false, "a+b"},
    {"%2B", true, "+"},
    {"%2b", true, "+"},
    {"%25%32%30", true, "%20"}, /* decoded once */
    {"%C3%a9", false, "\xC3\xA9"},
    {"%ff", false, "\xFF"},
    {"%", true, NULL},
    {"%4", true, NULL},
    {"abc%", true, NULL},
    {"abc%4", true, NULL},
    {"%G0", true, NULL},
    {"%0G", true, NULL},
    {"%%41", true, NULL},
    {"% 41", true, NULL},
    {"%+1", true, NULL},
};

START_TEST(words) {
    ck_assert(text_is((struct text_span){"wordy", 4}, "word"));
    ck_assert(!text_is((struct text_span){"wordy", 5}, "word"));
    ck_assert(!text_is((struct text_span){"wor", 3}, "word"));
    ck_assert(!text_is((struct text_span){"Word", 4}, "word"));
    ck_assert(!text_is((struct text_span){NULL, 0}, "word"));
}
END_TEST

START_TEST(percent_decode) {
    char out[64];
    size_t length = 99;
    const char *in = percent[_i].in;
    bool good = text_percent_decode(in, strlen(in), percent[_i].plus_is_space, out, &length);
    ck_assert_int_eq(good, percent[_i].out != NULL);
    if (good) {
        ck_assert_uint_eq(length, strlen(percent[_i].out));
        ck_assert_mem_eq(out, percent[_i].out, length);
    }
}
END_TEST

START_TEST(percent_decode_of_every_byte_in_place) {
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[8];
        size_t length = 0;
        (void)snprintf(text, sizeof(text), "x%%%02Xy", byte);
        ck_assert(text_percent_decode(text, 5, true, text, &length));
        ck_assert_uint_eq(length, 3);
        ck_assert_int_eq(text[0], 'x');
        ck_assert_uint_eq((unsigned char)text[1], byte);
        ck_assert_int_eq(text[2], 'y');
    }
}
END_TEST

START_TEST(percent_decode_stops_at_its_length) {
    char out[8];
    size_t length = 0;
    ck_assert(!text_percent_decode("%41", 2, true, out, &length));
    ck_assert(text_percent_decode("ab%41", 2, true, out, &length));
    ck_assert_uint_eq(length, 2);
}
END_TEST

/* All pairs of a query, written as "[name|value]", "[name]" without a "=". */
static void pairs_to_text(const char *query, char *out) {
    struct text_span rest = {query, strlen(query)};
    struct text_span name;
    struct text_span value;
    *out = '\0';
    while (text_next_pair(&rest, &name, &value)) {
        if (value.data)
            out += sprintf(out, "[%.*s|%.*s]", (int)name.length, name.data, (int)value.length,
                           value.data);
        else
            out += sprintf(out, "[%.*s]", (int)name.length, name.data);
    }
    ck_assert_uint_eq(rest.length, 0);
    ck_assert(!text_next_pair(&rest, &name, &value));
}

static const struct {
    const char *query;
    const char *pairs;
} queries[] = {
    {"", ""},
    {"&", ""},
    {"&&&", ""},
    {"a=1", "[a|1]"},
    {"a=1&b=2", "[a|1][b|2]"},
    {"a", "[a]"},
    {"a&b=2", "[a][b|2]"},
    {"a=", "[a|]"},
    {"=1", "[|1]"},
    {"=", "[|]"},
    {"a=b=c", "[a|b=c]"},
    {"&a=1&&b=2&", "[a|1][b|2]"},
    {"a=1;b=2", "[a|1;b=2]"},
    {"tenantId=x%26y&limit=5", "[tenantId|x%26y][limit|5]"},
};

START_TEST(query_pairs) {
    char out[256];
    pairs_to_text(queries[_i].query, out);
    ck_assert_str_eq(out, queries[_i].pairs);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("text");
    TCase *tcase = tcase_create("text");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, utf8_every_code_point);
    tcase_add_test(tcase, utf8_every_combination_of_byte_classes);
    tcase_add_test(tcase, utf8_every_first_byte);
    tcase_add_test(tcase, utf8_bad_byte_at_any_place);
    tcase_add_test(tcase, utf8_cut_off_at_the_end);
    tcase_add_test(tcase, code_points);
    tcase_add_test(tcase, control_characters);
    tcase_add_test(tcase, equals_nocase);
    tcase_add_loop_test(tcase, parse_int, 0, COUNT(good_ints));
    tcase_add_loop_test(tcase, parse_int_refuses, 0, COUNT(bad_ints));
    tcase_add_test(tcase, parse_int_stops_at_its_length);
    tcase_add_test(tcase, hex_digits);
    tcase_add_test(tcase, words);
    tcase_add_loop_test(tcase, percent_decode, 0, COUNT(percent));
    tcase_add_test(tcase, percent_decode_of_every_byte_in_place);
    tcase_add_test(tcase, percent_decode_stops_at_its_length);
    tcase_add_loop_test(tcase, query_pairs, 0, COUNT(queries));
    suite_add_tcase(suite, tcase);
    return suite;
}
