#include "base/buffer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

static struct buffer b;

static void setup(void) {
    buffer_init(&b);
}

static void teardown(void) {
    buffer_free(&b);
}

START_TEST(starts_empty) {
    struct buffer zero;
    memset(&zero, 0, sizeof(zero));
    ck_assert_ptr_null(b.data);
    ck_assert_uint_eq(b.length, 0);
    ck_assert_uint_eq(b.capacity, 0);
    ck_assert(!b.failed);
    buffer_append(&zero, NULL, 0);
    ck_assert_ptr_null(zero.data);
    buffer_append_text(&zero, "zeroed memory is an empty buffer");
    ck_assert_bytes_eq(zero.data, zero.length, "zeroed memory is an empty buffer");
    buffer_free(&zero);
    ck_assert_ptr_null(zero.data);
    ck_assert_uint_eq(zero.capacity, 0);
}
END_TEST

START_TEST(appends_in_order) {
    buffer_append(&b, "a\0b", 3);
    buffer_append_text(&b, "");
    buffer_append_text(&b, "text");
    buffer_append_char(&b, '!');
    buffer_append_char(&b, '\0');
    ck_assert_bytes_eq(b.data, b.length, "a\0btext!\0");
    ck_assert(!b.failed);
}
END_TEST

START_TEST(keeps_contents_while_it_grows) {
    for (int i = 0; i < 20000; i++) {
        buffer_append_int(&b, i % 10);
        ck_assert_uint_ge(b.capacity, b.length);
    }
    ck_assert_uint_eq(b.length, 20000);
    for (int i = 0; i < 20000; i++)
        ck_assert_int_eq(b.data[i], '0' + i % 10);
}
END_TEST

START_TEST(grows_geometrically) {
    int moves = 0;
    size_t capacity = 0;
    for (int i = 0; i < 1000000; i++) {
        buffer_append_char(&b, 'x');
        if (b.capacity != capacity)
            moves++;
        capacity = b.capacity;
    }
    ck_assert_int_le(moves, 20);
}
END_TEST

START_TEST(reserves_exactly_what_is_promised) {
    ck_assert(buffer_reserve(&b, 0));
    for (size_t extra = 1; extra < 5000; extra += 7) {
        ck_assert(buffer_reserve(&b, extra));
        ck_assert_uint_ge(b.capacity - b.length, extra);
        memset(b.data + b.length, 'r', extra); /* a sanitizer would see a byte too much */
        b.length += extra;
    }
}
END_TEST

START_TEST(failure_is_sticky) {
    buffer_append_text(&b, "before");
    ck_assert(!buffer_reserve(&b, SIZE_MAX));
    ck_assert(b.failed);
    ck_assert(!buffer_reserve(&b, 1));
    buffer_append_text(&b, "after");
    buffer_append_char(&b, 'c');
    buffer_append_int(&b, 1);
    buffer_printf(&b, "%d", 1);
    buffer_append_json_string(&b, "j", 1);
    ck_assert_bytes_eq(b.data, b.length, "before");
    ck_assert(b.failed);
    buffer_clear(&b);
    ck_assert(!b.failed);
    ck_assert_uint_eq(b.length, 0);
    buffer_append_text(&b, "again");
    ck_assert_bytes_eq(b.data, b.length, "again");
}
END_TEST

START_TEST(sizes_do_not_overflow) {
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2 + 1, SIZE_MAX / 2,
                                   SIZE_MAX / 2 - 7};
    for (int i = 0; i < COUNT(sizes); i++) {
        buffer_clear(&b);
        buffer_append_text(&b, "12345678");
        ck_assert(!buffer_reserve(&b, sizes[i]));
        ck_assert_bytes_eq(b.data, b.length, "12345678");
    }
}
END_TEST

START_TEST(clear_keeps_memory) {
    buffer_printf(&b, "%1000d", 1);
    char *data = b.data;
    size_t capacity = b.capacity;
    buffer_clear(&b);
    ck_assert_uint_eq(b.length, 0);
    ck_assert_ptr_eq(b.data, data);
    ck_assert_uint_eq(b.capacity, capacity);
}
END_TEST

START_TEST(shrink_gives_memory_back) {
    ck_assert(buffer_reserve(&b, 100000));
    buffer_append_text(&b, "contents");
    buffer_shrink(&b, 200000);
    ck_assert_uint_ge(b.capacity, 100000);
    buffer_shrink(&b, 1000);
    ck_assert_uint_eq(b.capacity, 1000);
    ck_assert_bytes_eq(b.data, b.length, "contents");
    buffer_shrink(&b, 3); /* not below what is in use */
    ck_assert_uint_eq(b.capacity, 8);
    ck_assert_bytes_eq(b.data, b.length, "contents");
    buffer_clear(&b);
    buffer_shrink(&b, 0);
    ck_assert_ptr_null(b.data);
    ck_assert_uint_eq(b.capacity, 0);
    buffer_append_text(&b, "again");
    ck_assert_bytes_eq(b.data, b.length, "again");
}
END_TEST

/* Every length around the places where the text does not fit at first. */
START_TEST(printf_of_any_length) {
    char expected[1100];
    for (int length = 0; length < 1000; length++) {
        buffer_free(&b);
        buffer_append_char(&b, '<');
        buffer_printf(&b, "%0*d%s", length, 0, ">");
        int printed = snprintf(expected, sizeof(expected), "<%0*d>", length, 0);
        ck_assert_int_eq((int)b.length, printed);
        ck_assert_mem_eq(b.data, expected, b.length);
        ck_assert(!b.failed);
    }
}
END_TEST

START_TEST(integers) {
    static const int64_t values[] = {0,   1,    -1,   9,         10,        -10,          99,
                                     100, 1000, 3600, INT32_MAX, INT32_MIN, INT64_MAX,    INT64_MIN,
                                     -9,  -99,  7200, 123456789, 86400,     INT64_MIN + 1};
    char expected[32];
    for (int i = 0; i < COUNT(values); i++) {
        buffer_clear(&b);
        buffer_append_int(&b, values[i]);
        buffer_append_char(&b, '\0');
        (void)snprintf(expected, sizeof(expected), "%" PRId64, values[i]);
        ck_assert_str_eq(b.data, expected);
    }
}
END_TEST

static const struct {
    const char *text;
    size_t length;
    const char *json;
} json_strings[] = {
    {"", 0, "\"\""},
    {"plain", 5, "\"plain\""},
    {"\"", 1, "\"\\\"\""},
    {"a\"b", 3, "\"a\\\"b\""},
    {"\\", 1, "\"\\\\\""},
    {"/", 1, "\"/\""},
    {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
    {"\0x", 2, "\"\\u0000x\""},
    {"\x01\x0b\x1f", 3, "\"\\u0001\\u000b\\u001f\""},
    {" \x7f", 2, "\" \x7f\""},
    {"\xc3\xa9\xf0\x9f\x94\x91", 6, "\"\xc3\xa9\xf0\x9f\x94\x91\""},
    {"x\ny", 3, "\"x\\ny\""},
    {"end\n", 4, "\"end\\n\""},
    {"\"\"", 2, "\"\\\"\\\"\""},
};

START_TEST(json_string) {
    buffer_append_json_string(&b, json_strings[_i].text, json_strings[_i].length);
    buffer_append_char(&b, '\0');
    ck_assert_str_eq(b.data, json_strings[_i].json);
}
END_TEST

/* Each byte alone: what must be escaped is, and nothing else. */
START_TEST(json_string_of_each_byte) {
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        buffer_clear(&b);
        buffer_append_json_string(&b, &c, 1);
        ck_assert_int_eq(b.data[0], '"');
        ck_assert_int_eq(b.data[b.length - 1], '"');
        if (byte < 0x20 || c == '"' || c == '\\') {
            ck_assert_uint_ge(b.length, 4);
            ck_assert_int_eq(b.data[1], '\\');
        } else {
            ck_assert_uint_eq(b.length, 3);
            ck_assert_int_eq(b.data[1], c);
        }
    }
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("buffer");
    TCase *tcase = tcase_create("buffer");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, starts_empty);
    tcase_add_test(tcase, appends_in_order);
    tcase_add_test(tcase, keeps_contents_while_it_grows);
    tcase_add_test(tcase, grows_geometrically);
    tcase_add_test(tcase, reserves_exactly_what_is_promised);
    tcase_add_test(tcase, failure_is_sticky);
    tcase_add_test(tcase, sizes_do_not_overflow);
    tcase_add_test(tcase, clear_keeps_memory);
    tcase_add_test(tcase, shrink_gives_memory_back);
    tcase_add_test(tcase, printf_of_any_length);
    tcase_add_test(tcase, integers);
    tcase_add_loop_test(tcase, json_string, 0, COUNT(json_strings));
    tcase_add_test(tcase, json_string_of_each_byte);
    suite_add_tcase(suite, tcase);
    return suite;
}
