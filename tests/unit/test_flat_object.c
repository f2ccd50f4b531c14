#include "json/flat_object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static struct flat_object object;
static char *memory; /* the text, without anything behind it: sanitizers see a byte too much */

static void teardown(void) {
    free(memory);
    memory = NULL;
}

static bool read_bytes(const char *text, size_t length) {
    teardown();
    memory = malloc(length + (length == 0 ? 1 : 0));
    ck_assert_ptr_nonnull(memory);
    memcpy(memory, text, length);
    return flat_object_read(&object, (struct text_span){memory, length});
}

static bool read(const char *text) {
    return read_bytes(text, strlen(text));
}

static const struct flat_member *get(const char *name) {
    const struct flat_member *member = flat_object_get(&object, name);
    ck_assert_msg(member != NULL, "there is no %s", name);
    return member;
}

START_TEST(a_request_of_strings) {
    ck_assert(read("{\"tenantId\":\"t\",\"roomId\":\"\",\"reason\":\"a b~!'/\"}"));
    ck_assert_uint_eq(object.count, 3);
    ck_assert_int_eq(get("tenantId")->kind, FLAT_STRING);
    ck_assert_bytes_eq(get("tenantId")->string.data, get("tenantId")->string.length, "t");
    ck_assert_bytes_eq(get("roomId")->string.data, get("roomId")->string.length, "");
    ck_assert_bytes_eq(get("reason")->string.data, get("reason")->string.length, "a b~!'/");
    ck_assert_ptr_null(flat_object_get(&object, "tenant"));
    ck_assert_ptr_null(flat_object_get(&object, "tenantIds"));
    ck_assert_ptr_null(flat_object_get(&object, ""));
}
END_TEST

START_TEST(space_where_json_allows_it) {
    ck_assert(read(" \t\r\n{ \"a\"\n:\t1 , \"b\" : null\r}\n "));
    ck_assert_int_eq(get("a")->integer, 1);
    ck_assert_int_eq(get("b")->kind, FLAT_NULL);
    ck_assert(read("{ }"));
    ck_assert_uint_eq(object.count, 0);
}
END_TEST

static const struct {
    const char *text;
    int64_t value;
} integers[] = {
    {"0", 0},
    {"-0", 0},
    {"7", 7},
    {"-7", -7},
    {"7200", 7200},
    {"999999999999999999", 999999999999999999},
    {"-999999999999999999", -999999999999999999},
};

START_TEST(an_integer) {
    char text[64];
    snprintf(text, sizeof text, "{\"n\":%s}", integers[_i].text);
    ck_assert(read(text));
    ck_assert_int_eq(get("n")->kind, FLAT_INTEGER);
    ck_assert_int_eq(get("n")->integer, integers[_i].value);
}
END_TEST

START_TEST(other_words) {
    ck_assert(read("{\"a\":true,\"b\":false,\"c\":null}"));
    ck_assert_int_eq(get("a")->kind, FLAT_OTHER);
    ck_assert_int_eq(get("b")->kind, FLAT_OTHER);
    ck_assert_int_eq(get("c")->kind, FLAT_NULL);
}
END_TEST

/* {"m0":0,"m1":1,…} */
static const char *members(int count) {
    static char text[512];
    size_t length = 0;
    for (int i = 0; i < count; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%c\"m%d\":%d",
                                   i == 0 ? '{' : ',', i, i);
    snprintf(text + length, sizeof text - length, "}");
    return text;
}

START_TEST(as_many_members_as_there_is_room_for) {
    ck_assert(read(members(FLAT_OBJECT_MEMBERS_MAX)));
    ck_assert_uint_eq(object.count, FLAT_OBJECT_MEMBERS_MAX);
    ck_assert_int_eq(get("m15")->integer, 15);
    ck_assert(!read(members(FLAT_OBJECT_MEMBERS_MAX + 1)));
    ck_assert_uint_eq(object.count, 0);
}
END_TEST

/* Valid JSON for the full parser, and what is none. */
static const char *const not_plain[] = {
    "{\"a\":\"\\n\"}",
    "{\"a\":\"\\u0041\"}",
    "{\"a\\\"\":1}",
    "{\"a\":\"\xc3\xa9\"}",
    "{\"a\":\"\x7f\"}",
    "{\"\xc3\xa9\":1}",
    "{\"a\":{}}",
    "{\"a\":[]}",
    "{\"a\":1.0}",
    "{\"a\":1e3}",
    "{\"a\":-1E3}",
    "{\"a\":1000000000000000000}",
    "[]",
    "\"a\"",
    "1",
    "null",
    "{\"a\":1,\"a\":2}",
    "{\"a\":1,\"b\":2,\"a\":1}",
    "{\"a\":01}",
    "{\"a\":-}",
    "{\"a\":+1}",
    "{\"a\":-01}",
    "{\"a\":1x}",
    "{\"a\":}",
    "{\"a\"}",
    "{\"a\":1,}",
    "{,}",
    "{,\"a\":1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1;\"b\":2}",
    "{a:1}",
    "{'a':1}",
    "{\"a\":tru}",
    "{\"a\":truely}",
    "{\"a\":nul}",
    "{\"a\":\"x\n\"}",
    "{\"a\":\"x\t\"}",
    "{\"a\":1}}",
    "{\"a\":1}{}",
    "{\"a\":1} x",
    "\xef\xbb\xbf{}",
    "",
    " ",
};

START_TEST(what_is_not_plain_is_left_alone) {
    ck_assert(!read(not_plain[_i]));
    ck_assert_uint_eq(object.count, 0);
}
END_TEST

START_TEST(nul_is_not_plain) {
    ck_assert(!read_bytes("{\"a\":\"\0\"}", 9));
    ck_assert(!read_bytes("{\"a\":1\0}", 8));
    ck_assert(!read_bytes("{}\0", 3));
    ck_assert(!read_bytes("\0{}", 3));
}
END_TEST

START_TEST(no_text_that_is_cut_off_is_an_object) {
    static const char whole[] = "{\"a\":\"text\",\"b\":-12,\"c\":null,\"d\":true}";
    for (size_t length = 0; length + 1 < sizeof whole; length++)
        ck_assert_msg(!read_bytes(whole, length), "%zu bytes of it", length);
    ck_assert(read(whole));
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("flat_object");
    TCase *tests = tcase_create("flat_object");
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, a_request_of_strings);
    tcase_add_test(tests, space_where_json_allows_it);
    tcase_add_loop_test(tests, an_integer, 0, COUNT(integers));
    tcase_add_test(tests, other_words);
    tcase_add_test(tests, as_many_members_as_there_is_room_for);
    tcase_add_loop_test(tests, what_is_not_plain_is_left_alone, 0, COUNT(not_plain));
    tcase_add_test(tests, nul_is_not_plain);
    tcase_add_test(tests, no_text_that_is_cut_off_is_an_object);
    suite_add_tcase(suite, tests);
    return suite;
}
