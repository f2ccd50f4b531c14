#include "notification/recipient.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "unit.h"

#define NBSP "\xC2\xA0"
#define NARROW_NBSP "\xE2\x80\xAF"
#define BOM "\xEF\xBB\xBF"
#define IDEOGRAPHIC_SPACE "\xE3\x80\x80"
#define HYPHEN "\xE2\x80\x90"
#define EM_DASH "\xE2\x80\x94"
#define LINE_SEPARATOR "\xE2\x80\xA8"
#define NEXT_LINE "\xC2\x85"

static struct recipient found;
static char *memory; /* the text, without anything behind it: sanitizers see a byte too much */

static void setup(void) {
    memory = NULL;
}

static void teardown(void) {
    free(memory);
    memory = NULL;
}

static bool read_bytes(struct recipient *out, const char *text, size_t length) {
    free(memory);
    memory = malloc(length + (length == 0 ? 1 : 0));
    ck_assert_ptr_nonnull(memory);
    memcpy(memory, text, length);
    return recipient_read(out, (struct text_span){memory, length});
}

static bool same(struct text_span span, const char *text) {
    return span.length == strlen(text) && memcmp(span.data, text, span.length) == 0;
}

static const struct {
    const char *text;
    enum recipient_channel channel;
    const char *address; /* NULL: the trimmed text */
} cases[] = {
    /* the first that fits decides */
    {"slack:#ops", RECIPIENT_SLACK, "#ops"},
    {"slack:@night", RECIPIENT_SLACK, "@night"},
    {"slack:C024BE91L", RECIPIENT_SLACK, "C024BE91L"},
    {"slack:gm@hotel.example", RECIPIENT_SLACK, "gm@hotel.example"},
    {"slack:+14155550123", RECIPIENT_SLACK, "+14155550123"},
    {"Slack:#ops", RECIPIENT_SLACK, "#ops"},
    {"SLACK: #ops ", RECIPIENT_SLACK, "#ops"},
    {"slack:slack:ops", RECIPIENT_SLACK, "slack:ops"},
    {"slack:" NBSP "ops", RECIPIENT_SLACK, "ops"},
    {"slack:", RECIPIENT_UNROUTABLE, NULL},
    {"slack: ", RECIPIENT_UNROUTABLE, "slack:"},
    {"slack", RECIPIENT_UNROUTABLE, NULL},
    {"slack :#ops", RECIPIENT_UNROUTABLE, NULL},
    {"#ops", RECIPIENT_SLACK, NULL},
    {"#ops@hotel.example", RECIPIENT_SLACK, NULL},
    {"#\xC3\xBC", RECIPIENT_SLACK, NULL},
    {"#", RECIPIENT_UNROUTABLE, NULL},
    {"# ", RECIPIENT_UNROUTABLE, "#"},
    {"@night.audit", RECIPIENT_SLACK, NULL},
    {"@night@hotel.example", RECIPIENT_SLACK, NULL},
    {"@", RECIPIENT_UNROUTABLE, NULL},
    /* telephone numbers */
    {"+14155550123", RECIPIENT_SMS, "+14155550123"},
    {"+1 415 555 0123", RECIPIENT_SMS, "+14155550123"},
    {"+1 (415) 555-0123", RECIPIENT_SMS, "+14155550123"},
    {"(+1) 415.555.0123", RECIPIENT_SMS, "+14155550123"},
    {"+1[415]555" HYPHEN "0123", RECIPIENT_SMS, "+14155550123"},
    {"+1" NBSP "415" NARROW_NBSP "555" EM_DASH "0123", RECIPIENT_SMS, "+14155550123"},
    {" +1-4155550123 ", RECIPIENT_SMS, "+14155550123"},
    {"+1234567", RECIPIENT_SMS, NULL},
    {"+123456789012345", RECIPIENT_SMS, NULL},
    {"+ 1 2 3 4 5 6 7", RECIPIENT_SMS, "+1234567"},
    {"+123456", RECIPIENT_UNROUTABLE, NULL},
    {"+1234567890123456", RECIPIENT_UNROUTABLE, NULL},
    {"+12345678901234567890123456789", RECIPIENT_UNROUTABLE, NULL},
    {"14155550123", RECIPIENT_UNROUTABLE, NULL},
    {"0014155550123", RECIPIENT_UNROUTABLE, NULL},
    {"++14155550123", RECIPIENT_UNROUTABLE, NULL},
    {"+1415555+0123", RECIPIENT_UNROUTABLE, NULL},
    {"+1415555O123", RECIPIENT_UNROUTABLE, NULL},
    {"+1415/5550123", RECIPIENT_UNROUTABLE, NULL},
    {"+1\t4155550123", RECIPIENT_UNROUTABLE, NULL},
    {"+\xD9\xA1\xD9\xA2\xD9\xA3\xD9\xA4\xD9\xA5\xD9\xA6\xD9\xA7", RECIPIENT_UNROUTABLE, NULL},
    {"+", RECIPIENT_UNROUTABLE, NULL},
    {"+14155550123@sms.example", RECIPIENT_EMAIL, NULL},
    /* email */
    {"gm@hotel.example", RECIPIENT_EMAIL, NULL},
    {"  gm@hotel.example\r\n", RECIPIENT_EMAIL, "gm@hotel.example"},
    {BOM IDEOGRAPHIC_SPACE "gm@hotel.example" NBSP NEXT_LINE, RECIPIENT_EMAIL, "gm@hotel.example"},
    {"Gm@Hotel.Example", RECIPIENT_EMAIL, NULL},
    {"a@b", RECIPIENT_EMAIL, NULL},
    {"a@b@c", RECIPIENT_EMAIL, NULL},
    {"\"a b\"@c.example", RECIPIENT_EMAIL, NULL},
    {"gr\xC3\xBC\xC3\x9F@hotel.example", RECIPIENT_EMAIL, NULL},
    {"gm@", RECIPIENT_UNROUTABLE, NULL},
    {"a@b@", RECIPIENT_EMAIL, NULL},
    {"gm.hotel.example", RECIPIENT_UNROUTABLE, NULL},
    {"gm(at)hotel.example", RECIPIENT_UNROUTABLE, NULL},
    /* what could be a line of its own downstream */
    {"gm@hotel.example\r\nBcc: all@hotel.example", RECIPIENT_UNROUTABLE, NULL},
    {"gm@hotel.example\nx", RECIPIENT_UNROUTABLE, NULL},
    {"gm\rx@hotel.example", RECIPIENT_UNROUTABLE, NULL},
    {"gm\tx@hotel.example", RECIPIENT_UNROUTABLE, NULL},
    {"gm\x7F@hotel.example", RECIPIENT_UNROUTABLE, NULL},
    {"gm" NEXT_LINE "@hotel.example", RECIPIENT_UNROUTABLE, NULL},
    {"gm" LINE_SEPARATOR "@hotel.example", RECIPIENT_UNROUTABLE, NULL},
    {"slack:#ops\nx", RECIPIENT_UNROUTABLE, NULL},
    {"slack:\n#ops", RECIPIENT_UNROUTABLE, NULL},
    {"#ops\x1Bx", RECIPIENT_UNROUTABLE, NULL},
    {"+1415\r\n5550123", RECIPIENT_UNROUTABLE, NULL},
    /* bytes that are no text */
    {"gm@hotel.example\xFF", RECIPIENT_UNROUTABLE, NULL},
    {"\xFFgm@hotel.example", RECIPIENT_UNROUTABLE, NULL},
    {"gm\xC3@hotel.example", RECIPIENT_UNROUTABLE, NULL},
    {"#ops\xED\xA0\x80", RECIPIENT_UNROUTABLE, NULL},
    {"x", RECIPIENT_UNROUTABLE, NULL},
    {"everyone", RECIPIENT_UNROUTABLE, NULL},
};

/* What stands in the table for "the trimmed text" is untrimmed only where the table says so. */
START_TEST(the_first_kind_that_fits_is_the_channel) {
    const char *text = cases[_i].text;
    const char *address = cases[_i].address == NULL ? text : cases[_i].address;
    ck_assert(read_bytes(&found, text, strlen(text)));
    ck_assert_msg(found.channel == cases[_i].channel, "%s is %s", text,
                  recipient_channel_name(found.channel));
    ck_assert_msg(same(found.address, address), "%s has the address %.*s", text,
                  (int)found.address.length, found.address.data);
}
END_TEST

START_TEST(a_text_classified_again_gives_the_same) {
    struct recipient again;
    ck_assert(read_bytes(&found, cases[_i].text, strlen(cases[_i].text)));
    ck_assert(recipient_read(&again, found.text));
    ck_assert_ptr_eq(again.text.data, found.text.data);
    ck_assert_uint_eq(again.text.length, found.text.length);
    ck_assert(again.channel == found.channel);
    ck_assert(recipient_equal(&again, &found));
}
END_TEST

static const char *const blank[] = {
    "",
    " ",
    "\t\n\v\f\r ",
    NBSP BOM,
    IDEOGRAPHIC_SPACE LINE_SEPARATOR NEXT_LINE "\xE1\x9A\x80",
    "\xE2\x80\x80\xE2\x80\x8A\xE2\x80\xA9\xE2\x81\x9F",
};

START_TEST(white_space_is_nobody) {
    ck_assert(!read_bytes(&found, blank[_i], strlen(blank[_i])));
    ck_assert_ptr_null(found.text.data);
}
END_TEST

START_TEST(a_nul_is_a_control_character) {
    ck_assert(read_bytes(&found, "a\0@b.example", 12));
    ck_assert(found.channel == RECIPIENT_UNROUTABLE);
}
END_TEST

START_TEST(as_long_as_an_address_may_be_and_no_longer) {
    struct buffer text = {0};
    for (int i = 0; i < 318; i++)
        buffer_append_char(&text, 'a');
    buffer_append_text(&text, "@b");
    ck_assert(read_bytes(&found, text.data, text.length));
    ck_assert(found.channel == RECIPIENT_EMAIL);
    buffer_append_char(&text, 'b');
    ck_assert(read_bytes(&found, text.data, text.length));
    ck_assert(found.channel == RECIPIENT_UNROUTABLE);
    ck_assert_uint_eq(found.text.length, 321);
    /* space around it does not count */
    text.length = 320;
    for (int i = 0; i < 1000; i++)
        buffer_append_char(&text, ' ');
    ck_assert(read_bytes(&found, text.data, text.length));
    ck_assert(found.channel == RECIPIENT_EMAIL);
    ck_assert_uint_eq(found.text.length, 320);
    buffer_free(&text);
}
END_TEST

static const struct {
    const char *a;
    const char *b;
    bool equal;
} pairs[] = {
    {"gm@hotel.example", "gm@hotel.example", true},
    {"gm@hotel.example", "GM@Hotel.Example", true},
    {"gm@hotel.example", " gm@hotel.example ", true},
    {"gm@hotel.example", "gm@hotel.exampl", false},
    {"gm@hotel.example", "gn@hotel.example", false},
    {"\xC3\xBC@hotel.example", "\xC3\x9C@hotel.example", false},
    {"+14155550123", "+1 (415) 555-0123", true},
    {"+14155550123", "+14155550124", false},
    {"+1415555012", "+14155550123", false},
    {"#ops", "slack:#ops", true},
    {"#ops", "SLACK: #ops", true},
    {"#ops", "slack:ops", false},
    {"#ops", "#Ops", false},
    {"@ops", "#ops", false},
    {"slack:gm@hotel.example", "gm@hotel.example", false},
    {"slack:+14155550123", "+14155550123", false},
    {"everyone", "everyone", true},
    {"everyone", "Everyone", false},
};

START_TEST(equal_is_the_same_address_of_the_same_channel) {
    struct recipient a;
    struct recipient b;
    ck_assert(recipient_read(&a, (struct text_span){pairs[_i].a, strlen(pairs[_i].a)}));
    ck_assert(recipient_read(&b, (struct text_span){pairs[_i].b, strlen(pairs[_i].b)}));
    ck_assert_msg(recipient_equal(&a, &b) == pairs[_i].equal, "%s, %s", pairs[_i].a, pairs[_i].b);
    ck_assert_msg(recipient_equal(&b, &a) == pairs[_i].equal, "%s, %s", pairs[_i].b, pairs[_i].a);
}
END_TEST

START_TEST(channels_have_names) {
    ck_assert_str_eq(recipient_channel_name(RECIPIENT_EMAIL), "email");
    ck_assert_str_eq(recipient_channel_name(RECIPIENT_SMS), "sms");
    ck_assert_str_eq(recipient_channel_name(RECIPIENT_SLACK), "slack");
    ck_assert_str_eq(recipient_channel_name(RECIPIENT_UNROUTABLE), "unroutable");
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("notification_recipient");
    TCase *tc = tcase_create("recipient");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, the_first_kind_that_fits_is_the_channel, 0, COUNT(cases));
    tcase_add_loop_test(tc, a_text_classified_again_gives_the_same, 0, COUNT(cases));
    tcase_add_loop_test(tc, white_space_is_nobody, 0, COUNT(blank));
    tcase_add_test(tc, a_nul_is_a_control_character);
    tcase_add_test(tc, as_long_as_an_address_may_be_and_no_longer);
    tcase_add_loop_test(tc, equal_is_the_same_address_of_the_same_channel, 0, COUNT(pairs));
    tcase_add_test(tc, channels_have_names);
    suite_add_tcase(suite, tc);
    return suite;
}
