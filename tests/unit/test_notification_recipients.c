#include "notification/recipients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "unit.h"

static struct recipients all;

static void setup(void) {
    memset(&all, 0, sizeof all);
}

static void teardown(void) {
    recipients_exit(&all);
}

static enum recipients_result add_json(const char *text, size_t most) {
    json_t *array = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(array);
    const enum recipients_result result = recipients_add_array(&all, array, most);
    json_decref(array);
    return result;
}

/* Takes the value over. */
static void check_json(json_t *value, const char *expected) {
    char *text = json_dumps(value, JSON_COMPACT);
    ck_assert_str_eq(text, expected);
    free(text);
    json_decref(value);
}

static void check_merged(const char *expected) {
    char *text = recipients_merged_text(&all);
    ck_assert_str_eq(text, expected);
    free(text);
    check_json(recipients_merged(&all), expected);
}

START_TEST(nobody) {
    ck_assert(recipients_add_array(&all, NULL, 1) == RECIPIENTS_OK);
    ck_assert(add_json("[]", 0) == RECIPIENTS_OK);
    ck_assert(add_json("[\"\", \" \\t\\r\\n\"]", 2) == RECIPIENTS_OK);
    ck_assert(recipients_add_list(&all, "", 0) == RECIPIENTS_OK);
    ck_assert(recipients_add_list(&all, " ,, , ", 0) == RECIPIENTS_OK);
    ck_assert_uint_eq(all.count, 0);
    check_merged("[]");
    check_json(recipients_of_channel(&all, RECIPIENT_EMAIL), "[]");
}
END_TEST

START_TEST(the_request_and_the_setting_in_their_order) {
    ck_assert(add_json("[\" gm@hotel.example \",\"+1 415 555 0123\",\"#ops\",\"everyone\"]", 4) ==
              RECIPIENTS_OK);
    ck_assert(recipients_add_list(&all,
                                  "GM@hotel.example, slack:#ops,,rev@hotel.example ,+14155550123",
                                  4) == RECIPIENTS_OK);
    check_merged("[\"gm@hotel.example\",\"+1 415 555 0123\",\"#ops\",\"everyone\","
                 "\"rev@hotel.example\"]");
    check_json(recipients_of_channel(&all, RECIPIENT_EMAIL),
               "[\"gm@hotel.example\",\"rev@hotel.example\"]");
    check_json(recipients_of_channel(&all, RECIPIENT_SMS), "[\"+14155550123\"]");
    check_json(recipients_of_channel(&all, RECIPIENT_SLACK), "[\"#ops\"]");
    check_json(recipients_of_channel(&all, RECIPIENT_UNROUTABLE), "[\"everyone\"]");
    ck_assert_uint_eq(all.counts[RECIPIENT_EMAIL], 2);
    ck_assert_uint_eq(all.counts[RECIPIENT_SMS], 1);
    ck_assert_uint_eq(all.counts[RECIPIENT_SLACK], 1);
    ck_assert_uint_eq(all.counts[RECIPIENT_UNROUTABLE], 1);
}
END_TEST

START_TEST(an_event_carries_what_gives_the_same_again) {
    ck_assert(add_json("[\"slack:ops\",\" SLACK: #ops\",\"+1(415)5550123\",\"a@b\\nc\"]", 4) ==
              RECIPIENTS_OK);
    char *first = recipients_merged_text(&all);
    recipients_exit(&all);
    ck_assert(add_json(first, RECIPIENTS_MAX) == RECIPIENTS_OK);
    check_merged(first);
    free(first);
    check_json(recipients_of_channel(&all, RECIPIENT_SLACK), "[\"ops\",\"#ops\"]");
    check_json(recipients_of_channel(&all, RECIPIENT_SMS), "[\"+14155550123\"]");
    check_json(recipients_of_channel(&all, RECIPIENT_UNROUTABLE), "[\"a@b\\nc\"]");
}
END_TEST

START_TEST(texts_are_copied) {
    char text[] = "gm@hotel.example";
    ck_assert(recipients_add(&all, (struct text_span){text, strlen(text)}) == RECIPIENTS_OK);
    memset(text, 'x', strlen(text));
    check_merged("[\"gm@hotel.example\"]");
}
END_TEST

static const char *const not_texts[] = {
    "{}",     "\"gm@hotel.example\"", "1",           "null",        "true", "[1]",
    "[null]", "[\"a@b\",[]]",         "[[\"a@b\"]]", "[{\"a\":1}]",
};

START_TEST(only_arrays_of_texts) {
    ck_assert(add_json(not_texts[_i], 100) == RECIPIENTS_NOT_TEXTS);
}
END_TEST

START_TEST(bytes_that_are_no_text_are_refused) {
    ck_assert(recipients_add(&all, (struct text_span){"a\xFF@b", 4}) == RECIPIENTS_NOT_TEXTS);
    ck_assert(recipients_add(&all, (struct text_span){"a\0@b", 4}) == RECIPIENTS_NOT_TEXTS);
    ck_assert_uint_eq(all.count, 0);
}
END_TEST

START_TEST(arrays_are_bounded_whatever_they_hold) {
    ck_assert(add_json("[\"\",\"\",\"\"]", 3) == RECIPIENTS_OK);
    ck_assert(add_json("[\"\",\"\",\"\"]", 2) == RECIPIENTS_TOO_MANY);
}
END_TEST

START_TEST(lists_are_bounded_by_what_is_in_them) {
    ck_assert(recipients_add_list(&all, ",a@b,,a@b, ", 2) == RECIPIENTS_OK);
    ck_assert(recipients_add_list(&all, ",a@b,,a@b,c@d", 2) == RECIPIENTS_TOO_MANY);
}
END_TEST

START_TEST(there_is_a_most) {
    char text[32];
    for (int i = 0; i < RECIPIENTS_MAX; i++) {
        const int length = snprintf(text, sizeof text, "guest%d@hotel.example", i);
        ck_assert(recipients_add(&all, (struct text_span){text, (size_t)length}) == RECIPIENTS_OK);
    }
    ck_assert(recipients_add(&all, (struct text_span){"x@y", 3}) == RECIPIENTS_TOO_MANY);
    /* somebody who is there already is not one more */
    ck_assert(recipients_add(&all, (struct text_span){"GUEST0@hotel.example", 20}) ==
              RECIPIENTS_OK);
    ck_assert_uint_eq(all.count, RECIPIENTS_MAX);
    for (size_t i = 0; i < all.count; i++) {
        const int length = snprintf(text, sizeof text, "guest%zu@hotel.example", i);
        ck_assert_uint_eq(all.items[i]->address.length, (size_t)length);
        ck_assert_mem_eq(all.items[i]->address.data, text, (size_t)length);
    }
}
END_TEST

/* n characters "a", and behind them the text. */
static char *long_text(int n, const char *behind) {
    struct buffer text = {0};
    for (int i = 0; i < n; i++)
        buffer_append_char(&text, 'a');
    buffer_append_text(&text, behind);
    buffer_append_char(&text, '\0');
    return text.data;
}

START_TEST(one_that_is_too_long_is_refused) {
    char *fits = long_text(RECIPIENT_BYTES_MAX, "   ");
    char *too_long = long_text(RECIPIENT_BYTES_MAX + 1, "");
    ck_assert(recipients_add(&all, (struct text_span){fits, strlen(fits)}) == RECIPIENTS_OK);
    ck_assert(recipients_add(&all, (struct text_span){too_long, strlen(too_long)}) ==
              RECIPIENTS_TOO_LONG);
    ck_assert_uint_eq(all.count, 1);
    free(fits);
    free(too_long);
}
END_TEST

START_TEST(every_problem_has_a_text) {
    ck_assert_str_eq(recipients_problem(RECIPIENTS_NOT_TEXTS), "must be an array of texts");
    ck_assert_str_eq(recipients_problem(RECIPIENTS_TOO_MANY),
                     "must not have more than 100 recipients");
    ck_assert_str_eq(recipients_problem(RECIPIENTS_TOO_LONG),
                     "must not have recipients longer than 320 bytes");
    ck_assert_str_eq(recipients_problem(RECIPIENTS_NO_MEMORY), "can't be stored");
    ck_assert_str_eq(recipients_problem(RECIPIENTS_OK), "is right");
}
END_TEST

START_TEST(the_setting_is_checked) {
    struct buffer list = {0};
    char *too_long = long_text(RECIPIENT_BYTES_MAX + 1, "@b");
    ck_assert_ptr_null(recipients_check_setting(""));
    ck_assert_ptr_null(recipients_check_setting("gm@hotel.example, #ops"));
    for (int i = 0; i < RECIPIENTS_GIVEN_MAX; i++)
        buffer_printf(&list, "guest%d@hotel.example,", i);
    buffer_append_char(&list, '\0');
    ck_assert_ptr_null(recipients_check_setting(list.data));
    list.length--;
    buffer_append_text(&list, "x@y");
    buffer_append_char(&list, '\0');
    const char *wrong = recipients_check_setting(list.data);
    ck_assert_ptr_nonnull(wrong);
    ck_assert_ptr_nonnull(strstr(wrong, "AVAILABILITY_GUARD_NOTIFICATION_RECIPIENTS"));
    ck_assert_ptr_null(strstr(wrong, "guest"));
    ck_assert_ptr_nonnull(recipients_check_setting(too_long));
    free(too_long);
    buffer_free(&list);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("notification_recipients");
    TCase *tc = tcase_create("recipients");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, nobody);
    tcase_add_test(tc, the_request_and_the_setting_in_their_order);
    tcase_add_test(tc, an_event_carries_what_gives_the_same_again);
    tcase_add_test(tc, texts_are_copied);
    tcase_add_loop_test(tc, only_arrays_of_texts, 0, COUNT(not_texts));
    tcase_add_test(tc, bytes_that_are_no_text_are_refused);
    tcase_add_test(tc, arrays_are_bounded_whatever_they_hold);
    tcase_add_test(tc, lists_are_bounded_by_what_is_in_them);
    tcase_add_test(tc, there_is_a_most);
    tcase_add_test(tc, one_that_is_too_long_is_refused);
    tcase_add_test(tc, every_problem_has_a_text);
    tcase_add_test(tc, the_setting_is_checked);
    suite_add_tcase(suite, tc);
    return suite;
}
