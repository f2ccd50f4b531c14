#include "json/request_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "unit.h"

static struct request_body body;
static struct violations v;
static char *memory; /* the text, without anything behind it: sanitizers see a byte too much */

static void setup(void) {
    memset(&body, 0, sizeof body);
    memset(&v, 0, sizeof v);
    memory = NULL;
}

static void teardown(void) {
    request_body_exit(&body);
    free(memory);
}

static bool parse_bytes(const char *text, size_t length) {
    teardown();
    setup();
    memory = malloc(length + (length == 0 ? 1 : 0));
    ck_assert_ptr_nonnull(memory);
    memcpy(memory, text, length);
    return request_body_parse(&body, (struct text_span){memory, length});
}

static bool parse(const char *text) {
    return parse_bytes(text, strlen(text));
}

#define ck_assert_violation(name, text)                                                            \
    do {                                                                                           \
        ck_assert_uint_eq(v.count, 1);                                                             \
        ck_assert_str_eq(v.items[0].field, (name));                                                \
        ck_assert_str_eq(v.items[0].message, (text));                                              \
    } while (0)

START_TEST(no_body_has_no_members) {
    size_t count = 0;
    ck_assert(parse(""));
    ck_assert_ptr_null(request_body_text(&body, "a", &v).data);
    ck_assert_ptr_null(request_body_nullable_text(&body, "a", &v).data);
    ck_assert_ptr_null(request_body_object(&body, "a", &v).data);
    ck_assert_int_eq(request_body_integer(&body, "a", &v), 0);
    ck_assert_uint_eq(v.count, 0);
    ck_assert_ptr_null(request_body_ids(&body, "a", 10, &count, &v));
    ck_assert_violation("a", "is required");
}
END_TEST

static const struct {
    const char *text;
    size_t length; /* 0: up to the NUL */
    const char *error;
} not_json[] = {
    {"x", 0, "at line 1, column 1"},
    {" ", 0, "at line 1, column"},
    {"\n\n {", 0, "at line 3, column 2"},
    {"{\"secret\":}", 0, "at line 1, column 11"},
    {"{\"secret\" \"secret\"}", 0, "at line 1"},
    {"{\"a\":1,}", 0, "at line 1, column 8"},
    {"{\"secret\":1,\"secret\":2}", 0, "duplicate"},
    {"{\"metadata\":{},\"metad\\u0061ta\":{}}", 0, "duplicate"},
    {"{\"m\":{\"secret\":1,\"secret\":2}}", 0, "duplicate"},
    {"{\"secret\":1} secret", 0, "at line 1"},
    {"{}{}", 0, "at line 1"},
    {"{'secret':1}", 0, "at line 1"},
    {"{\"secret\":secret}", 0, "at line 1"},
    {"{\"a\":\"secret\n\"}", 0, "at line 1"},
    {"{\"a\":\"\\x secret\"}", 0, "at line 1"},
    {"{\"a\":\"secret", 0, "at line 1"},
    {"{\"a\":01}", 0, "at line 1"},
    {"{\"a\":+1}", 0, "at line 1"},
    {"{\"a\":.5}", 0, "at line 1"},
    {"{\"a\":NaN}", 0, "at line 1"},
    {"{\"a\":1e999}", 0, "at line 1"},
    {"{\"a\":True}", 0, "at line 1"},
    {"{\"a\":\"secret\\u0000\"}", 0, "NUL"},
    {"{\"secret\\u0000\":1}", 0, "NUL"},
    {"{\"a\":\"secret\0\"}", 15, "at line 1"},
    /* the parser overlooks these */
    {"{\"a\":1\0}", 8, "NUL byte at line 1, column 7"},
    {"{\"a\":\n1.5\0,\"b\":2}", 17, "NUL byte at line 2, column 4"},
    {"{\"metadata\":{\"a\":true\0}}", 24, "NUL byte"},
    {"{}\0", 3, "at line 1"},
    {"\0{}", 3, "at line 1"},
    {"{\"a\":\"secret\xff\"}", 0, "at line 1"},
    {"{\"a\":\"\xc0\x80\"}", 0, "at line 1"},
    {"{\"a\":\"\xed\xa0\x80\"}", 0, "at line 1"},
    {"{\"a\":\"\xf4\x90\x80\x80\"}", 0, "at line 1"},
    {"{\"a\":\"\xc3\"}", 0, "at line 1"},
    {"{\"a\":\"\\ud83d\"}", 0, "Unicode"},
    {"{\"a\":\"\\ud83dsecret\"}", 0, "Unicode"},
    {"{\"a\":\"\\udd11\\ud83d\"}", 0, "Unicode"},
    {"{\"a\":\"\\ud83d\\u0041\"}", 0, "Unicode"},
    {"\xef\xbb\xbf{}", 0, "at line 1"},
    {"// secret\n{}", 0, "at line 1"},
};

/* The error says what is wrong and where, but quotes nothing. */
START_TEST(errors) {
    const size_t length = not_json[_i].length > 0 ? not_json[_i].length : strlen(not_json[_i].text);
    ck_assert(!parse_bytes(not_json[_i].text, length));
    ck_assert_msg(strstr(body.error, not_json[_i].error) != NULL, "%s", body.error);
    ck_assert_ptr_nonnull(strstr(body.error, " at line "));
    ck_assert_ptr_nonnull(strstr(body.error, ", column "));
    ck_assert_msg(strstr(body.error, "secret") == NULL, "%s", body.error);
    ck_assert_msg(strstr(body.error, "near") == NULL, "%s", body.error);
    ck_assert_msg(strstr(body.error, "83") == NULL && strstr(body.error, "DD11") == NULL, "%s",
                  body.error);
}
END_TEST

static const char *const not_objects[] = {"[]", "[{}]", "\"text\"", "1", "null", "true", " [1]\n"};

START_TEST(not_an_object) {
    ck_assert(!parse(not_objects[_i]));
    ck_assert_msg(strstr(body.error, "object") != NULL || strstr(body.error, "'{'") != NULL, "%s",
                  body.error);
}
END_TEST

/* The parser's stack is bounded, whatever is nested in whatever. */
START_TEST(nesting) {
    static const char *const openings[] = {"[", "{\"a\":", "[[{\"a\":"};
    struct buffer text = {0};
    for (int i = 0; i < COUNT(openings); i++) {
        buffer_clear(&text);
        buffer_append_text(&text, "{\"a\":");
        for (int depth = 0; depth < 100000; depth++)
            buffer_append_text(&text, openings[i]);
        ck_assert(!parse_bytes(text.data, text.length));
        ck_assert_ptr_nonnull(strstr(body.error, "depth"));
    }
    buffer_free(&text);
}
END_TEST

/* Deep, but not too deep: {"metadata":{"a":{"a":…}},"b":"x"} */
START_TEST(nested_metadata) {
    struct buffer text = {0};
    const int depth = 1000;
    buffer_append_text(&text, "{\"metadata\":");
    const size_t start = text.length;
    for (int i = 0; i < depth; i++)
        buffer_append_text(&text, i % 2 == 0 ? "{\"a\":" : "[");
    buffer_append_text(&text, "\"]}\"");
    for (int i = depth - 1; i >= 0; i--)
        buffer_append_text(&text, i % 2 == 0 ? "}" : "]");
    const size_t end = text.length;
    buffer_append_text(&text, ",\"b\":\"x\"}");
    ck_assert(parse_bytes(text.data, text.length));
    const struct text_span metadata = request_body_object(&body, "metadata", &v);
    ck_assert_uint_eq(metadata.length, end - start);
    ck_assert_mem_eq(metadata.data, text.data + start, metadata.length);
    buffer_free(&text);
}
END_TEST

START_TEST(texts) {
    ck_assert(parse("{\"a\":\"x\",\"b\":\"\",\"c\":\"caf\\u00e9 \\ud83d\\udd11 \\\" \\\\ \\n\"}"));
    struct text_span text = request_body_text(&body, "a", &v);
    ck_assert_bytes_eq(text.data, text.length, "x");
    text = request_body_text(&body, "b", &v);
    ck_assert_ptr_nonnull(text.data);
    ck_assert_uint_eq(text.length, 0);
    text = request_body_text(&body, "c", &v);
    ck_assert_bytes_eq(text.data, text.length, "caf\xc3\xa9 \xf0\x9f\x94\x91 \" \\ \n");
    ck_assert_ptr_null(request_body_text(&body, "d", &v).data);
    ck_assert_uint_eq(v.count, 0);
}
END_TEST

/* Each kind of value, and which access takes it. */
static const struct {
    const char *json;
    bool text;
    bool nullable_text;
    bool object;
    bool integer;
} kinds[] = {
    {"{\"a\":\"x\"}", true, true, false, false},   {"{\"a\":null}", false, true, false, false},
    {"{\"a\":{}}", false, false, true, false},     {"{\"a\":[]}", false, false, false, false},
    {"{\"a\":1}", false, false, false, true},      {"{\"a\":1.0}", false, false, false, false},
    {"{\"a\":1e0}", false, false, false, false},   {"{\"a\":true}", false, false, false, false},
    {"{\"a\":false}", false, false, false, false},
};

static void assert_taken(bool taken, const char *message) {
    if (taken)
        ck_assert_uint_eq(v.count, 0);
    else
        ck_assert_violation("a", message);
    memset(&v, 0, sizeof v);
}

START_TEST(typed_access) {
    ck_assert(parse(kinds[_i].json));
    ck_assert_int_eq(request_body_text(&body, "a", &v).data != NULL, kinds[_i].text);
    assert_taken(kinds[_i].text, "must be a string");
    ck_assert_int_eq(request_body_nullable_text(&body, "a", &v).data != NULL,
                     kinds[_i].nullable_text);
    assert_taken(kinds[_i].nullable_text, "must be a string");
    ck_assert_int_eq(request_body_object(&body, "a", &v).data != NULL, kinds[_i].object);
    assert_taken(kinds[_i].object, "must be an object");
    ck_assert_int_eq(request_body_integer(&body, "a", &v) != 0, kinds[_i].integer);
    assert_taken(kinds[_i].integer, "must be an integer");
}
END_TEST

START_TEST(null_reads_as_empty_text) {
    ck_assert(parse("{\"a\":null}"));
    const struct text_span text = request_body_nullable_text(&body, "a", &v);
    ck_assert_ptr_nonnull(text.data);
    ck_assert_uint_eq(text.length, 0);
}
END_TEST

START_TEST(integers) {
    ck_assert(parse("{\"a\":-7,\"b\":9223372036854775807,\"c\":-9223372036854775808,\"d\":-0}"));
    ck_assert_int_eq(request_body_integer(&body, "a", &v), -7);
    ck_assert_int_eq(request_body_integer(&body, "b", &v), INT64_MAX);
    ck_assert_int_eq(request_body_integer(&body, "c", &v), INT64_MIN);
    ck_assert_int_eq(request_body_integer(&body, "d", &v), 0);
    ck_assert_uint_eq(v.count, 0);
}
END_TEST

/* Valid JSON that does not fit: the nearest value, for a caller who asks for as much as there is.
 */
START_TEST(integers_of_any_size) {
    ck_assert(parse("{\"a\":99999999999999999999,\"b\":-99999999999999999999,\"c\":60,\"d\":1.5}"));
    ck_assert_int_eq(request_body_integer(&body, "a", &v), INT64_MAX);
    ck_assert_int_eq(request_body_integer(&body, "b", &v), INT64_MIN);
    ck_assert_int_eq(request_body_integer(&body, "c", &v), 60);
    ck_assert_uint_eq(v.count, 0);
    ck_assert_int_eq(request_body_integer(&body, "d", &v), 0);
    ck_assert_uint_eq(v.count, 1);
}
END_TEST

static const struct {
    const char *json;
    const char *metadata; /* its text, exactly as written */
} slices[] = {
    {"{\"metadata\":{}}", "{}"},
    {"{\"metadata\":{\"a\":1}}", "{\"a\":1}"},
    {"\t\r\n {\t\"metadata\" \n:\r {\t} \n } \r\n", "{\t}"},
    {"{\"metadata\" : { \"a\" : [ 1 , 2 ] , \"b\" : { } } }",
     "{ \"a\" : [ 1 , 2 ] , \"b\" : { } }"},
    {"{\"a\":1,\"metadata\":{\"n\":1.10e+02},\"b\":2}", "{\"n\":1.10e+02}"},
    {"{\"metadata\":{\"n\":100000000000000000000.10}}", "{\"n\":100000000000000000000.10}"},
    {"{\"a\":\"}\",\"metadata\":{\"a\":\"}\"},\"b\":\"{\"}", "{\"a\":\"}\"}"},
    {"{\"metadata\":{\"a\":\"]\\\"}\"}}", "{\"a\":\"]\\\"}\"}"},
    {"{\"metadata\":{\"a\":\"\\\\\"},\"b\":\"\\\\\"}", "{\"a\":\"\\\\\"}"},
    {"{\"metadata\":{\"a\":\"\\\\\\\"\"}}", "{\"a\":\"\\\\\\\"\"}"},
    {"{\"metadata\":{\"\\\"\":{\"}\":\"{\"}}}", "{\"\\\"\":{\"}\":\"{\"}}"},
    {"{\"a\":\"\\\"metadata\\\":{1}\",\"metadata\":{\"b\":2}}", "{\"b\":2}"},
    {"{\"a\":{\"metadata\":{\"wrong\":1}},\"metadata\":{\"b\":2}}", "{\"b\":2}"},
    {"{\"a\":[{\"metadata\":{\"wrong\":1}}],\"metadata\":{\"b\":2}}", "{\"b\":2}"},
    {"{\"a\":[1,[2,\"]\"],{}],\"metadata\":{\"b\":2}}", "{\"b\":2}"},
    {"{\"a\":null,\"b\":true,\"c\":-1e5,\"d\":false ,\"metadata\":{\"b\":2}}", "{\"b\":2}"},
    {"{\"metadat\":{\"w\":1},\"metadatas\":{\"w\":1},\"metadata\":{\"b\":2}}", "{\"b\":2}"},
    {"{\"Metadata\":{\"w\":1},\"metadata\":{\"b\":2}}", "{\"b\":2}"},
    {"{\"b\":\"metadata\",\"metadata\":{\"b\":2}}", "{\"b\":2}"},
    {"{\"metadata\":{\"metadata\":{\"b\":2}}}", "{\"metadata\":{\"b\":2}}"},
    {"{\"metadata\":{\"e\":\"caf\\u00e9\",\"f\":\"caf\xc3\xa9\"}}",
     "{\"e\":\"caf\\u00e9\",\"f\":\"caf\xc3\xa9\"}"},
    {"{\"\":{},\"metadata\":{\"b\":2}}", "{\"b\":2}"},
};

START_TEST(object_slice) {
    ck_assert(parse(slices[_i].json));
    const struct text_span metadata = request_body_object(&body, "metadata", &v);
    ck_assert_ptr_nonnull(metadata.data);
    ck_assert_uint_eq(metadata.length, strlen(slices[_i].metadata));
    ck_assert_mem_eq(metadata.data, slices[_i].metadata, metadata.length);
    ck_assert_uint_eq(v.count, 0);
}
END_TEST

/* A name written with escapes: the text is made anew, the value is the same. */
static const char *const escaped_names[] = {
    "{\"metad\\u0061ta\":{\"a\":[1,-2.5,\"x\\\"\",null,true]}}",
    "{\"x\":1,\"\\u006d\\u0065tadata\" : {\"a\":[1,-2.5,\"x\\\"\",null,true]} }",
    "{\"metadata\\u0020\":{},\"m\\u0065tadata\":{\"a\":[1,-2.5,\"x\\\"\",null,true]}}",
};

START_TEST(object_with_an_escaped_name) {
    ck_assert(parse(escaped_names[_i]));
    for (int i = 0; i < 2; i++) { /* asked twice, it does not leak */
        const struct text_span metadata = request_body_object(&body, "metadata", &v);
        ck_assert_bytes_eq(metadata.data, metadata.length, "{\"a\":[1,-2.5,\"x\\\"\",null,true]}");
    }
    ck_assert_uint_eq(v.count, 0);
}
END_TEST

#define ID_A "018f0011-2233-7455-8677-8899aabbccfd"
#define ID_B "018F0011-2233-7455-8677-8899AABBCCFE"

START_TEST(ids) {
    size_t count = 0;
    char text[ID_TEXT_LENGTH + 1];
    ck_assert(parse("{\"a\":[\"" ID_A "\",\"" ID_B "\",\"" ID_A "\"]}"));
    struct id *found = request_body_ids(&body, "a", 3, &count, &v);
    ck_assert_ptr_nonnull(found);
    ck_assert_uint_eq(count, 3);
    id_format(&found[0], text);
    ck_assert_str_eq(text, ID_A);
    id_format(&found[1], text);
    ck_assert_str_eq(text, "018f0011-2233-7455-8677-8899aabbccfe");
    ck_assert(id_equal(&found[0], &found[2]));
    ck_assert_uint_eq(v.count, 0);
    free(found);
    ck_assert_ptr_null(request_body_ids(&body, "a", 2, &count, &v));
    ck_assert_uint_eq(v.count, 1);
}
END_TEST

static const char *const wrong_ids[] = {
    "{\"a\":[]}",
    "{\"a\":\"" ID_A "\"}",
    "{\"a\":{\"0\":\"" ID_A "\"}}",
    "{\"a\":null}",
    "{\"a\":[null]}",
    "{\"a\":[1]}",
    "{\"a\":[[\"" ID_A "\"]]}",
    "{\"a\":[\"\"]}",
    "{\"a\":[\"" ID_A "\",\"x\"]}",
    "{\"a\":[\"" ID_A " \"]}",
};

START_TEST(ids_that_are_wrong) {
    size_t count = 0;
    ck_assert(parse(wrong_ids[_i]));
    ck_assert_ptr_null(request_body_ids(&body, "a", 10, &count, &v));
    ck_assert_uint_eq(v.count, 1);
    ck_assert_str_eq(v.items[0].field, "a");
}
END_TEST

START_TEST(many_ids) {
    struct buffer text = {0};
    size_t count = 0;
    for (size_t wanted = 10000; wanted <= 10001; wanted++) {
        buffer_clear(&text);
        buffer_append_text(&text, "{\"a\":[");
        for (size_t i = 0; i < wanted; i++)
            buffer_append_text(&text, i == 0 ? "\"" ID_A "\"" : ",\"" ID_A "\"");
        buffer_append_text(&text, "]}");
        ck_assert(parse_bytes(text.data, text.length));
        struct id *found = request_body_ids(&body, "a", 10000, &count, &v);
        ck_assert_int_eq(found != NULL, wanted == 10000);
        ck_assert_uint_eq(v.count, wanted == 10000 ? 0 : 1);
        free(found);
    }
    buffer_free(&text);
}
END_TEST

START_TEST(a_member_is_a_body) {
    struct request_body member;
    ck_assert(parse("{\"a\":{\"t\":\"x\\u0041\",\"o\":{\"n\":1.10}},\"b\":{},\"c\":7}"));
    ck_assert(request_body_member(&body, "a", &member));
    struct text_span text = request_body_text(&member, "t", &v);
    ck_assert_bytes_eq(text.data, text.length, "xA");
    text = request_body_object(&member, "o", &v);
    ck_assert_bytes_eq(text.data, text.length, "{\"n\":1.10}");
    ck_assert_ptr_null(request_body_text(&member, "a", &v).data);
    request_body_exit(&member);
    ck_assert(request_body_member(&body, "b", &member));
    ck_assert_ptr_null(request_body_text(&member, "t", &v).data);
    request_body_exit(&member);
    ck_assert(!request_body_member(&body, "c", &member));
    ck_assert(!request_body_member(&body, "d", &member));
    ck_assert(parse("{\"a\":1}"));
    ck_assert(!request_body_member(&body, "a", &member));
    ck_assert_uint_eq(v.count, 0);
}
END_TEST

/* Where the name has escapes the text is made anew; integers of any size stay integers. */
START_TEST(a_member_with_an_escaped_name) {
    struct request_body member;
    ck_assert(parse("{\"\\u0061\":{\"o\":{\"n\": 1},\"i\":99999999999999999999}}"));
    ck_assert(request_body_member(&body, "a", &member));
    const struct text_span text = request_body_object(&member, "o", &v);
    ck_assert_bytes_eq(text.data, text.length, "{\"n\":1.0}");
    ck_assert_int_eq(request_body_integer(&member, "i", &v), INT64_MAX);
    ck_assert_uint_eq(v.count, 0);
    request_body_exit(&member);
}
END_TEST

/* So many blocks are still to be had; below 0: any number. */
static int blocks_left = -1;

/* The linker puts it in the place of malloc (--wrap). The names are its choice. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size) {
    if (blocks_left == 0)
        return NULL;
    blocks_left -= blocks_left > 0 ? 1 : 0;
    return __real_malloc(size);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* Without memory for more than the text and so many blocks. */
static bool parse_with(int blocks, const char *text) {
    parse("{}");
    blocks_left = blocks;
    const bool parsed = request_body_parse(&body, (struct text_span){text, strlen(text)});
    blocks_left = -1;
    return parsed;
}

/* Wherever it runs out, that is not the caller's fault. */
START_TEST(no_memory_is_told_from_bad_json) {
    static const char TEXT[] = "{\"a\": {\"b\": [1, 2.5, \"c\", {}, null]}, \"d\": \"\\u00e4\"}";
    int blocks = 0;
    while (!parse_with(blocks, TEXT)) {
        ck_assert(body.no_memory);
        request_body_exit(&body);
        blocks++;
    }
    ck_assert_int_gt(blocks, 10);
    ck_assert(!body.no_memory);
    ck_assert(!parse("{"));
    ck_assert(!body.no_memory);
}
END_TEST

/* The text of this member has to be made anew, as its name is written with escapes. */
START_TEST(no_memory_for_a_copy_of_metadata) {
    ck_assert(parse("{\"\\u0061\": {\"b\": 1}}"));
    blocks_left = 0;
    const struct text_span found = request_body_object(&body, "a", &v);
    blocks_left = -1;
    ck_assert_ptr_null(found.data);
    ck_assert(body.no_memory);
    ck_assert_uint_eq(v.count, 1);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("request_body");
    TCase *tcase = tcase_create("request_body");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, no_body_has_no_members);
    tcase_add_loop_test(tcase, errors, 0, COUNT(not_json));
    tcase_add_loop_test(tcase, not_an_object, 0, COUNT(not_objects));
    tcase_add_test(tcase, nesting);
    tcase_add_test(tcase, nested_metadata);
    tcase_add_test(tcase, texts);
    tcase_add_loop_test(tcase, typed_access, 0, COUNT(kinds));
    tcase_add_test(tcase, null_reads_as_empty_text);
    tcase_add_test(tcase, integers);
    tcase_add_test(tcase, integers_of_any_size);
    tcase_add_loop_test(tcase, object_slice, 0, COUNT(slices));
    tcase_add_loop_test(tcase, object_with_an_escaped_name, 0, COUNT(escaped_names));
    tcase_add_test(tcase, ids);
    tcase_add_loop_test(tcase, ids_that_are_wrong, 0, COUNT(wrong_ids));
    tcase_add_test(tcase, many_ids);
    tcase_add_test(tcase, a_member_is_a_body);
    tcase_add_test(tcase, a_member_with_an_escaped_name);
    tcase_add_test(tcase, no_memory_is_told_from_bad_json);
    tcase_add_test(tcase, no_memory_for_a_copy_of_metadata);
    suite_add_tcase(suite, tcase);
    return suite;
}
