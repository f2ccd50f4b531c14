#include "notification/sms.h"

#include <string.h>

#include "unit.h"

#define KEY "\xF0\x9F\x94\x91" /* two units of UTF-16 */
#define EURO "\xE2\x82\xAC"    /* two septets */
#define CYRILLIC "\xD0\xB6"

static struct buffer text;
static struct buffer out;

static void setup(void) {
    buffer_init(&text);
    buffer_init(&out);
}

static void teardown(void) {
    buffer_free(&text);
    buffer_free(&out);
}

static struct text_span span_of(const struct buffer *b) {
    return (struct text_span){b->data, b->length};
}

static void add(const char *piece, int times) {
    for (int i = 0; i < times; i++)
        buffer_append_text(&text, piece);
}

/* In the order of the table, of the letters and digits the first and the last. */
static const char *const gsm[] = {
    "@",        "\xC2\xA3", "$",        "\xC2\xA5", "\xC3\xA8", "\xC3\xA9", "\xC3\xB9", "\xC3\xAC",
    "\xC3\xB2", "\xC3\x87", "\n",       "\xC3\x98", "\xC3\xB8", "\r",       "\xC3\x85", "\xC3\xA5",
    "\xCE\x94", "_",        "\xCE\xA6", "\xCE\x93", "\xCE\x9B", "\xCE\xA9", "\xCE\xA0", "\xCE\xA8",
    "\xCE\xA3", "\xCE\x98", "\xCE\x9E", "\xC3\x86", "\xC3\xA6", "\xC3\x9F", "\xC3\x89", " ",
    "!",        "\"",       "#",        "\xC2\xA4", "%",        "&",        "'",        "(",
    ")",        "*",        "+",        ",",        "-",        ".",        "/",        "0",
    "9",        ":",        ";",        "<",        "=",        ">",        "?",        "\xC2\xA1",
    "A",        "Z",        "\xC3\x84", "\xC3\x96", "\xC3\x91", "\xC3\x9C", "\xC2\xA7", "\xC2\xBF",
    "a",        "z",        "\xC3\xA4", "\xC3\xB6", "\xC3\xB1", "\xC3\xBC", "\xC3\xA0",
};
static const char *const gsm_extension[] = {"\f", "^", "{", "}", "\\", "[", "~", "]", "|", EURO};
static const char *const not_gsm[] = {
    "`",
    "\t",
    "\x1B",
    "\x7F",
    "\xC3\xA7",
    "\xC3\xAA",
    "\xE2\x80\x99",
    "\xE2\x80\x9C",
    "\xE2\x80\x93",
    "\xC2\xA0",
    CYRILLIC,
    "\xE6\xBC\xA2",
    KEY,
    "\xC2\xA2",
    "\xCE\x91",
};

START_TEST(gsm_characters_take_a_septet) {
    add(gsm[_i], 306);
    ck_assert(sms_is_gsm(span_of(&text)));
    ck_assert_uint_eq(sms_segments(span_of(&text)), 2);
    add(gsm[_i], 1);
    ck_assert_uint_eq(sms_segments(span_of(&text)), 3);
}
END_TEST

START_TEST(characters_of_the_extension_take_two) {
    add(gsm_extension[_i], 152);
    ck_assert(sms_is_gsm(span_of(&text)));
    /* 153 is odd: one septet of each segment stays free */
    ck_assert_uint_eq(sms_segments(span_of(&text)), 2);
    add(gsm_extension[_i], 1);
    ck_assert_uint_eq(sms_segments(span_of(&text)), 3);
}
END_TEST

START_TEST(one_other_character_makes_it_ucs2) {
    add(not_gsm[_i], 1);
    ck_assert(!sms_is_gsm(span_of(&text)));
    add("a", 67);
    ck_assert_uint_eq(sms_segments(span_of(&text)), 2);
    add("a", 67);
    ck_assert_uint_eq(sms_segments(span_of(&text)), 3);
}
END_TEST

START_TEST(an_empty_text_takes_nothing) {
    ck_assert(sms_is_gsm(span_of(&text)));
    ck_assert_uint_eq(sms_segments(span_of(&text)), 0);
    sms_append(&out, span_of(&text));
    ck_assert_uint_eq(out.length, 0);
}
END_TEST

static const struct {
    const char *first; /* then the piece, then the last */
    const char *piece;
    int times;
    const char *last;
    int kept; /* pieces, when it is cut; -1: it is not cut */
} cuts[] = {
    {"", "a", 306, "", -1},
    {"", "a", 307, "", 303},
    {"", "a", 305, EURO, 303},
    {"", "a", 304, EURO, -1},
    {"", EURO, 152, "", -1},
    {"", EURO, 152, "a", -1}, /* the odd septet of the second segment */
    {"", EURO, 152, "aa", 151},
    {"", EURO, 153, "", 151},
    {"a", EURO, 152, "", -1}, /* the first segment is full */
    {"a", EURO, 152, "a", -1},
    {"a", EURO, 152, "aa", 151},
    {"", CYRILLIC, 134, "", -1},
    {"", CYRILLIC, 135, "", 131},
    {"", KEY, 66, "", -1}, /* 67 is odd: 33 pairs in each */
    {"", KEY, 67, "", 65},
    {"a", KEY, 66, "", -1},
    {"a", KEY, 66, "a", -1},
    {"a", KEY, 66, "aa", 65},
    {"", "a", 133, CYRILLIC, -1},
    {"", "a", 134, CYRILLIC, 131},
    {"", "a", 306, CYRILLIC, 131},
};

START_TEST(what_is_too_long_is_cut_between_characters) {
    buffer_append_text(&text, cuts[_i].first);
    add(cuts[_i].piece, cuts[_i].times);
    buffer_append_text(&text, cuts[_i].last);
    sms_append(&out, span_of(&text));
    ck_assert(text_is_valid_utf8(out.data, out.length));
    ck_assert_uint_le(sms_segments(span_of(&out)), SMS_SEGMENTS_MAX);
    if (cuts[_i].kept < 0) {
        ck_assert_uint_eq(out.length, text.length);
        ck_assert_mem_eq(out.data, text.data, text.length);
        return;
    }
    const size_t kept = strlen(cuts[_i].first) + strlen(cuts[_i].piece) * (size_t)cuts[_i].kept;
    ck_assert_uint_eq(out.length, kept + 3);
    ck_assert_mem_eq(out.data, text.data, kept);
    ck_assert_mem_eq(out.data + kept, "...", 3);
}
END_TEST

/* Every mixture of three kinds of character, by a little generator of numbers that is the same on
 * every machine. */
START_TEST(mixtures_never_take_more_than_two_segments) {
    static const char *const pieces[] = {"a", EURO, "\\", CYRILLIC, KEY};
    unsigned number = (unsigned)_i + 1;
    const unsigned kinds = _i % 2 == 0 ? 3 : 5;
    for (int i = 0; i < 320; i++) {
        number = number * 1103515245U + 12345U;
        buffer_append_text(&text, pieces[(number >> 16) % kinds]);
    }
    ck_assert_uint_gt(sms_segments(span_of(&text)), SMS_SEGMENTS_MAX);
    sms_append(&out, span_of(&text));
    ck_assert(text_is_valid_utf8(out.data, out.length));
    ck_assert_uint_eq(sms_segments(span_of(&out)), SMS_SEGMENTS_MAX);
    ck_assert_mem_eq(out.data, text.data, out.length - 3);
    ck_assert_mem_eq(out.data + out.length - 3, "...", 3);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("notification_sms");
    TCase *tc = tcase_create("sms");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, gsm_characters_take_a_septet, 0, COUNT(gsm));
    tcase_add_loop_test(tc, characters_of_the_extension_take_two, 0, COUNT(gsm_extension));
    tcase_add_loop_test(tc, one_other_character_makes_it_ucs2, 0, COUNT(not_gsm));
    tcase_add_test(tc, an_empty_text_takes_nothing);
    tcase_add_loop_test(tc, what_is_too_long_is_cut_between_characters, 0, COUNT(cuts));
    tcase_add_loop_test(tc, mixtures_never_take_more_than_two_segments, 0, 200);
    suite_add_tcase(suite, tc);
    return suite;
}
