/* test_params.c: bytes as PostgreSQL's receive functions read them, written down by hand. */
#include "db/params.h"

#include <stddef.h>
#include <string.h>

#include "unit.h"

static struct params p;

static const struct id ID = {{0x01, 0x8f, 0x00, 0x11, 0x22, 0x33, 0x74, 0x55, 0x86, 0x77, 0x88,
                              0x99, 0xaa, 0xbb, 0xcc, 0xfd}};
#define ID_BYTES "\x01\x8f\x00\x11\x22\x33\x74\x55\x86\x77\x88\x99\xaa\xbb\xcc\xfd"

/* The header of an array (array_recv): dimensions, has null, type, length, lower bound. */
#define ARRAY(has_null, type, length)                                                              \
    "\0\0\0\1"                                                                                     \
    "\0\0\0" has_null type "\0\0\0" length "\0\0\0\1"
#define TYPE_INT8 "\0\0\0\x14"
#define TYPE_XID8 "\0\0\x13\xcd"
#define TYPE_INT4 "\0\0\0\x17"
#define TYPE_TEXT "\0\0\0\x19"
#define TYPE_TIMESTAMPTZ "\0\0\x04\xa0"
#define TYPE_UUID "\0\0\x0b\x86"
#define TYPE_JSONB "\0\0\x0e\xda"
#define NULL_ELEMENT "\xff\xff\xff\xff"

static void setup(void) {
    params_init(&p);
}

static void teardown(void) {
    params_exit(&p);
}

static struct text_span span(const char *text) {
    return (struct text_span){text, strlen(text)};
}

#define ck_assert_param(index, expected)                                                           \
    do {                                                                                           \
        ck_assert_int_eq(p.formats[index], 1);                                                     \
        ck_assert_ptr_nonnull(p.values[index]);                                                    \
        ck_assert_bytes_eq(p.values[index], (size_t)p.lengths[index], expected);                   \
    } while (0)

START_TEST(starts_without_parameters) {
    ck_assert(params_finish(&p));
    ck_assert_int_eq(p.count, 0);
}
END_TEST

START_TEST(single_values) {
    params_put_id(&p, &ID);
    params_put_int4(&p, 0x01020304);
    params_put_int4(&p, -2);
    params_put_text(&p, (struct text_span){"text that goes on", 4});
    params_put_jsonb(&p, span("{\"a\":1}"));
    ck_assert(params_finish(&p));
    ck_assert_int_eq(p.count, 5);
    ck_assert_param(0, ID_BYTES);
    ck_assert_param(1, "\x01\x02\x03\x04");
    ck_assert_param(2, "\xff\xff\xff\xfe");
    ck_assert_param(3, "text");
    ck_assert_param(4, "\x01{\"a\":1}");
}
END_TEST

START_TEST(booleans) {
    params_put_bool(&p, true);
    params_put_bool(&p, false);
    ck_assert(params_finish(&p));
    ck_assert_param(0, "\x01");
    ck_assert_param(1, "\0");
}
END_TEST

START_TEST(large_integers) {
    params_put_int8(&p, INT64_C(0x0102030405060708));
    params_put_int8(&p, -2);
    params_put_int8(&p, INT64_MAX);
    params_put_int8(&p, INT64_MIN);
    params_put_int8(&p, 0);
    ck_assert(params_finish(&p));
    ck_assert_int_eq(p.count, 5);
    ck_assert_param(0, "\x01\x02\x03\x04\x05\x06\x07\x08");
    ck_assert_param(1, "\xff\xff\xff\xff\xff\xff\xff\xfe");
    ck_assert_param(2, "\x7f\xff\xff\xff\xff\xff\xff\xff");
    ck_assert_param(3, "\x80\0\0\0\0\0\0\0");
    ck_assert_param(4, "\0\0\0\0\0\0\0\0");
}
END_TEST

static const struct {
    timestamp_us time;
    const char bytes[8];
} times[] = {
    {INT64_C(946684800000000), "\0\0\0\0\0\0\0"},
    {INT64_C(946684800000001), {0, 0, 0, 0, 0, 0, 0, 1}},
    {INT64_C(946684799999999), "\xff\xff\xff\xff\xff\xff\xff\xff"},
    /* SELECT timestamptz_send('1970-01-01Z'), timestamptz_send('2027-01-31T12:34:56.789Z'), … */
    {INT64_C(0), "\xff\xfc\xa2\xfe\xc4\xc8\x20\x00"},
    {INT64_C(1801398896789000), "\x00\x03\x09\x5b\xa2\x1f\xa6\x08"},
    {TIMESTAMP_MAX, "\x03\x80\xe7\x0b\x91\x3b\x7c\x18"},
};

START_TEST(timestamps) {
    params_put_timestamp(&p, times[_i].time);
    ck_assert(params_finish(&p));
    ck_assert_int_eq(p.lengths[0], 8);
    ck_assert_mem_eq(p.values[0], times[_i].bytes, 8);
}
END_TEST

START_TEST(nulls) {
    params_put_null(&p);
    params_put_text(&p, (struct text_span){NULL, 0});
    params_put_jsonb(&p, (struct text_span){NULL, 0});
    params_put_int4(&p, 7);
    ck_assert(params_finish(&p));
    ck_assert_int_eq(p.count, 4);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_null(p.values[i]);
    ck_assert_param(3, "\0\0\0\x07");
}
END_TEST

/* Empty text is a value. A null pointer would be SQL's null for libpq. */
START_TEST(empty_text_is_not_null) {
    params_put_text(&p, (struct text_span){"", 0});
    params_put_text(&p, (struct text_span){"x", 0});
    params_put_int4(&p, 1);
    ck_assert(params_finish(&p));
    ck_assert_param(0, "");
    ck_assert_param(1, "");
    ck_assert_param(2, "\0\0\0\1");
}
END_TEST

START_TEST(only_empty_text) {
    params_put_text(&p, (struct text_span){"", 0});
    ck_assert(params_finish(&p));
    ck_assert_param(0, "");
}
END_TEST

START_TEST(array_of_ids) {
    static const struct id NIL = {{0}};
    params_begin_array(&p, PARAMS_UUID);
    params_put_id(&p, &ID);
    params_put_null(&p);
    params_put_id(&p, &NIL);
    params_end_array(&p);
    ck_assert(params_finish(&p));
    ck_assert_int_eq(p.count, 1);
    ck_assert_param(0, ARRAY("\1", TYPE_UUID, "\3") "\0\0\0\x10" ID_BYTES NULL_ELEMENT
                                                    "\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
}
END_TEST

START_TEST(array_without_elements) {
    params_begin_array(&p, PARAMS_INT4);
    params_end_array(&p);
    ck_assert(params_finish(&p));
    ck_assert_param(0, ARRAY("\0", TYPE_INT4, "\0"));
}
END_TEST

START_TEST(array_of_texts) {
    params_begin_array(&p, PARAMS_TEXT);
    params_put_text(&p, span("caf\xc3\xa9"));
    params_put_text(&p, (struct text_span){"", 0});
    params_put_text(&p, (struct text_span){NULL, 0});
    params_end_array(&p);
    ck_assert(params_finish(&p));
    ck_assert_param(0, ARRAY("\1", TYPE_TEXT, "\3") "\0\0\0\5"
                                                    "caf\xc3\xa9"
                                                    "\0\0\0\0" NULL_ELEMENT);
}
END_TEST

START_TEST(array_of_jsonb) {
    params_begin_array(&p, PARAMS_JSONB);
    params_put_jsonb(&p, span("{}"));
    params_put_jsonb(&p, (struct text_span){NULL, 0});
    params_end_array(&p);
    ck_assert(params_finish(&p));
    ck_assert_param(0, ARRAY("\1", TYPE_JSONB, "\2") "\0\0\0\3\1{}" NULL_ELEMENT);
}
END_TEST

START_TEST(array_of_timestamps_and_integers) {
    params_begin_array(&p, PARAMS_TIMESTAMPTZ);
    params_put_timestamp(&p, INT64_C(946684800000258));
    params_end_array(&p);
    params_begin_array(&p, PARAMS_INT4);
    params_put_int4(&p, INT32_MAX);
    params_put_int4(&p, INT32_MIN);
    params_end_array(&p);
    ck_assert(params_finish(&p));
    ck_assert_param(0, ARRAY("\0", TYPE_TIMESTAMPTZ, "\1") "\0\0\0\x08\0\0\0\0\0\0\1\2");
    ck_assert_param(1, ARRAY("\0", TYPE_INT4, "\2") "\0\0\0\4\x7f\xff\xff\xff\0\0\0\4\x80\0\0\0");
}
END_TEST

/* Both have elements of the same form; only their types tell them apart. */
START_TEST(arrays_of_large_integers_and_transactions) {
    params_begin_array(&p, PARAMS_INT8);
    params_put_int8(&p, -1);
    params_put_null(&p);
    params_end_array(&p);
    params_begin_array(&p, PARAMS_XID8);
    params_put_int8(&p, 513);
    params_end_array(&p);
    ck_assert(params_finish(&p));
    ck_assert_param(
        0, ARRAY("\1", TYPE_INT8, "\2") "\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff" NULL_ELEMENT);
    ck_assert_param(1, ARRAY("\0", TYPE_XID8, "\1") "\0\0\0\x08\0\0\0\0\0\0\2\1");
}
END_TEST

/* A null in one array says nothing about the next one, and single values go between them. */
START_TEST(arrays_do_not_mix) {
    params_begin_array(&p, PARAMS_TEXT);
    params_put_null(&p);
    params_end_array(&p);
    params_put_text(&p, span("single"));
    params_begin_array(&p, PARAMS_TEXT);
    params_put_text(&p, span("a"));
    params_end_array(&p);
    ck_assert(params_finish(&p));
    ck_assert_int_eq(p.count, 3);
    ck_assert_param(0, ARRAY("\1", TYPE_TEXT, "\1") NULL_ELEMENT);
    ck_assert_param(1, "single");
    ck_assert_param(2, ARRAY("\0", TYPE_TEXT, "\1") "\0\0\0\1a");
}
END_TEST

START_TEST(array_or_null) {
    params_begin_array(&p, PARAMS_TEXT);
    params_put_null(&p);
    params_put_null(&p);
    params_end_array_or_null(&p);
    params_begin_array(&p, PARAMS_TEXT);
    params_end_array_or_null(&p);
    params_begin_array(&p, PARAMS_TEXT);
    params_put_null(&p);
    params_put_text(&p, span(""));
    params_end_array_or_null(&p);
    params_put_text(&p, span("behind"));
    ck_assert(params_finish(&p));
    ck_assert_int_eq(p.count, 4);
    for (int i = 0; i < 2; i++) {
        ck_assert_ptr_null(p.values[i]);
        ck_assert_int_eq(p.formats[i], 1);
    }
    ck_assert_param(2, ARRAY("\1", TYPE_TEXT, "\2") NULL_ELEMENT "\0\0\0\0");
    ck_assert_param(3, "behind");
}
END_TEST

/* The values must be right after the memory has moved many times, and counts go over one byte. */
START_TEST(large_array) {
    enum { COUNT_IDS = 10000 };
    params_put_text(&p, span("before"));
    params_begin_array(&p, PARAMS_UUID);
    for (int i = 0; i < COUNT_IDS; i++) {
        struct id id = ID;
        id.bytes[14] = (unsigned char)(i >> 8);
        id.bytes[15] = (unsigned char)i;
        params_put_id(&p, &id);
    }
    params_end_array(&p);
    params_put_text(&p, span("after"));
    ck_assert(params_finish(&p));
    ck_assert_param(0, "before");
    ck_assert_param(2, "after");
    ck_assert_int_eq(p.lengths[1], 20 + COUNT_IDS * 20);
    ck_assert_mem_eq(p.values[1], "\0\0\0\1\0\0\0\0" TYPE_UUID "\0\0\x27\x10\0\0\0\1", 20);
    const char *last = p.values[1] + 20 + (ptrdiff_t)(COUNT_IDS - 1) * 20;
    ck_assert_mem_eq(last, "\0\0\0\x10", 4);
    ck_assert_mem_eq(last + 18, "\x27\x0f", 2);
}
END_TEST

START_TEST(as_many_as_there_may_be) {
    for (int i = 0; i < PARAMS_MAX; i++)
        params_put_int4(&p, i);
    ck_assert(params_finish(&p));
    ck_assert_int_eq(p.count, PARAMS_MAX);
    for (int i = 0; i < PARAMS_MAX; i++)
        ck_assert_int_eq(p.values[i][3], i);
}
END_TEST

START_TEST(clear_forgets) {
    params_begin_array(&p, PARAMS_TEXT);
    params_put_null(&p);
    params_end_array(&p);
    params_put_null(&p);
    ck_assert(params_finish(&p));
    params_clear(&p);
    ck_assert_int_eq(p.count, 0);
    params_put_text(&p, span("new"));
    params_begin_array(&p, PARAMS_TEXT);
    params_end_array(&p);
    ck_assert(params_finish(&p));
    ck_assert_int_eq(p.count, 2);
    ck_assert_param(0, "new");
    ck_assert_param(1, ARRAY("\0", TYPE_TEXT, "\0"));
}
END_TEST

/* One huge statement does not pin its memory. */
START_TEST(clear_gives_memory_back) {
    static char huge[1 << 20];
    memset(huge, 'h', sizeof huge);
    params_put_text(&p, (struct text_span){huge, sizeof huge});
    ck_assert(params_finish(&p));
    params_clear(&p);
    ck_assert_uint_le(p.bytes.capacity, sizeof huge / 2);
}
END_TEST

START_TEST(memory_that_ran_out_is_told_at_the_end) {
    params_begin_array(&p, PARAMS_TEXT);
    params_put_text(&p, span("a"));
    ck_assert(!buffer_reserve(&p.bytes, SIZE_MAX)); /* as any append that finds no memory */
    params_put_text(&p, span("b"));
    params_end_array(&p);
    params_put_int4(&p, 1);
    ck_assert(!params_finish(&p));
    params_clear(&p);
    params_put_int4(&p, 1);
    ck_assert(params_finish(&p));
    ck_assert_param(0, "\0\0\0\1");
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("params");
    TCase *tcase = tcase_create("params");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, starts_without_parameters);
    tcase_add_test(tcase, single_values);
    tcase_add_test(tcase, booleans);
    tcase_add_test(tcase, large_integers);
    tcase_add_loop_test(tcase, timestamps, 0, COUNT(times));
    tcase_add_test(tcase, nulls);
    tcase_add_test(tcase, empty_text_is_not_null);
    tcase_add_test(tcase, only_empty_text);
    tcase_add_test(tcase, array_of_ids);
    tcase_add_test(tcase, array_without_elements);
    tcase_add_test(tcase, array_of_texts);
    tcase_add_test(tcase, array_of_jsonb);
    tcase_add_test(tcase, array_of_timestamps_and_integers);
    tcase_add_test(tcase, arrays_of_large_integers_and_transactions);
    tcase_add_test(tcase, arrays_do_not_mix);
    tcase_add_test(tcase, array_or_null);
    tcase_add_test(tcase, large_array);
    tcase_add_test(tcase, as_many_as_there_may_be);
    tcase_add_test(tcase, clear_forgets);
    tcase_add_test(tcase, clear_gives_memory_back);
    tcase_add_test(tcase, memory_that_ran_out_is_told_at_the_end);
    suite_add_tcase(suite, tcase);
    return suite;
}
