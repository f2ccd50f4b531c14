#include "domain/field.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "unit.h"

static struct violations v;

static const struct text_span ABSENT = {NULL, 0};

static void setup(void) {
    memset(&v, 0, sizeof v);
}

static struct text_span span(const char *text) {
    return (struct text_span){text, strlen(text)};
}

/* The one violation there is. */
#define ck_assert_violation(name, piece)                                                           \
    do {                                                                                           \
        ck_assert_uint_eq(v.count, 1);                                                             \
        ck_assert_str_eq(v.items[0].field, (name));                                                \
        ck_assert_ptr_nonnull(strstr(v.items[0].message, (piece)));                                \
    } while (0)

static const char NAME[] = "name";

START_TEST(id_valid) {
    struct id id;
    ck_assert(
        field_id(&v, NAME, span("018F0011-2233-7455-8677-8899AABBCCFD"), FIELD_REQUIRED, &id));
    ck_assert_uint_eq(id.bytes[0], 0x01);
    ck_assert_uint_eq(id.bytes[15], 0xfd);
    ck_assert_uint_eq(v.count, 0);
}
END_TEST

START_TEST(id_invalid) {
    static const char *const texts[] = {"",
                                        "x",
                                        "018f0011-2233-7455-8677-8899aabbccf",
                                        "018f0011-2233-7455-8677-8899aabbccfdd",
                                        "{018f0011-2233-7455-8677-8899aabbccfd}",
                                        "018f001122337455 8677-8899aabbccfd12"};
    for (int i = 0; i < COUNT(texts); i++) {
        struct id id;
        setup();
        ck_assert(!field_id(&v, NAME, span(texts[i]), FIELD_OPTIONAL, &id));
        ck_assert_violation(NAME, "must be a uuid");
    }
}
END_TEST

START_TEST(id_absent) {
    struct id id;
    ck_assert(!field_id(&v, NAME, ABSENT, FIELD_OPTIONAL, &id));
    ck_assert_uint_eq(v.count, 0);
    ck_assert(!field_id(&v, NAME, ABSENT, FIELD_REQUIRED, &id));
    ck_assert_violation(NAME, "is required");
}
END_TEST

START_TEST(optional_ids) {
    struct optional_id id = {.set = true};
    ck_assert(!field_optional_id(&v, NAME, ABSENT, &id));
    ck_assert(!id.set);
    ck_assert_uint_eq(v.count, 0);
    ck_assert(field_optional_id(&v, NAME, span("018f0011-2233-7455-8677-8899aabbccfd"), &id));
    ck_assert(id.set);
    ck_assert_uint_eq(id.id.bytes[1], 0x8f);
    ck_assert(!field_optional_id(&v, NAME, span("no"), &id));
    ck_assert(!id.set);
    ck_assert_violation(NAME, "must be a uuid");
}
END_TEST

START_TEST(timestamps) {
    timestamp_us time = 7;
    ck_assert(!field_timestamp(&v, NAME, ABSENT, FIELD_OPTIONAL, &time));
    ck_assert_uint_eq(v.count, 0);
    ck_assert_int_eq(time, 7);
    ck_assert(field_timestamp(&v, NAME, span("1970-01-02"), FIELD_REQUIRED, &time));
    ck_assert_int_eq(time, US_PER_DAY);
    ck_assert(
        field_timestamp(&v, NAME, span("1970-01-01T01:00:00.001+01:00"), FIELD_REQUIRED, &time));
    ck_assert_int_eq(time, US_PER_MS);
    ck_assert(!field_timestamp(&v, NAME, span("1970-01-01T00:00:00"), FIELD_REQUIRED, &time));
    ck_assert_int_eq(time, US_PER_MS);
    ck_assert_violation(NAME, "RFC 3339");
}
END_TEST

START_TEST(timestamp_required) {
    timestamp_us time = 0;
    ck_assert(!field_timestamp(&v, NAME, ABSENT, FIELD_REQUIRED, &time));
    ck_assert_violation(NAME, "is required");
}
END_TEST

/* Characters count, not bytes: each of these is repeated up to the bound and beyond. */
static const char *const characters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x94\x91"};

START_TEST(text_length) {
    const size_t size = strlen(characters[_i]);
    struct buffer text = {0};
    for (int i = 0; i < 101; i++)
        buffer_append_text(&text, characters[_i]);
    for (size_t length = 1; length <= 101; length++) {
        const struct text_span in = {text.data, length * size};
        struct text_span out = ABSENT;
        setup();
        ck_assert_int_eq(field_text(&v, NAME, in, 100, &out), length <= 100);
        if (length <= 100) {
            ck_assert_ptr_eq(out.data, text.data);
            ck_assert_uint_eq(out.length, length * size);
            ck_assert_uint_eq(v.count, 0);
        } else {
            ck_assert_ptr_null(out.data);
            ck_assert_violation(NAME, "too long");
        }
    }
    buffer_free(&text);
}
END_TEST

START_TEST(text_absent_or_wrong_stays_as_it_was) {
    static const struct {
        struct text_span text;
        const char *message;
    } wrong[] = {
        {{"", 0}, "empty"},        {{"a\0b", 3}, "UTF-8"},
        {{"\xff", 1}, "UTF-8"},    {{"\xed\xa0\x80", 3}, "UTF-8"},
        {{"caf\xc3", 4}, "UTF-8"},
    };
    struct text_span out = span("default");
    ck_assert(!field_text(&v, NAME, ABSENT, 100, &out));
    ck_assert_uint_eq(v.count, 0);
    for (int i = 0; i < COUNT(wrong); i++) {
        setup();
        ck_assert(!field_text(&v, NAME, wrong[i].text, 100, &out));
        ck_assert_violation(NAME, wrong[i].message);
    }
    ck_assert_str_eq(out.data, "default");
}
END_TEST

static const struct {
    const char *text;
    bool valid;
    const char *message;
} integers[] = {
    {"1", true, NULL},
    {"200", true, NULL},
    {"0", false, "out of range"},
    {"201", false, "out of range"},
    {"-1", false, "out of range"},
    {"007", true, NULL},
    {"", false, "integer"},
    {"x", false, "integer"},
    {"1.0", false, "integer"},
    {"1e2", false, "integer"},
    {"+1", false, "integer"},
    {" 1", false, "integer"},
    {"9223372036854775807", false, "out of range"},
    {"9223372036854775808", false, "integer"},
};

START_TEST(integers_in_their_range) {
    int64_t out = -7;
    const bool valid = field_integer(&v, NAME, span(integers[_i].text), 1, 200, &out);
    ck_assert_int_eq(valid, integers[_i].valid);
    if (valid) {
        ck_assert_int_ge(out, 1);
        ck_assert_uint_eq(v.count, 0);
    } else {
        ck_assert_int_eq(out, -7);
        ck_assert_violation(NAME, integers[_i].message);
    }
}
END_TEST

START_TEST(integer_absent) {
    int64_t out = 50;
    ck_assert(!field_integer(&v, NAME, ABSENT, 1, 200, &out));
    ck_assert_int_eq(out, 50);
    ck_assert_uint_eq(v.count, 0);
}
END_TEST

/* A field with a violation gets no second one, however wrong or right the value is. */
START_TEST(one_violation_for_each_field) {
    struct id id;
    struct optional_id optional;
    timestamp_us time = 0;
    struct text_span text = ABSENT;
    int64_t integer = 0;
    violations_add(&v, NAME, "first");
    ck_assert(!field_id(&v, NAME, ABSENT, FIELD_REQUIRED, &id));
    ck_assert(!field_optional_id(&v, NAME, span("x"), &optional));
    ck_assert(!optional.set);
    ck_assert(!field_timestamp(&v, NAME, span("2020-01-01"), FIELD_REQUIRED, &time));
    ck_assert(!field_text(&v, NAME, span("fine"), 100, &text));
    ck_assert(!field_integer(&v, NAME, span("1"), 1, 2, &integer));
    ck_assert_violation(NAME, "first");
    ck_assert(field_text(&v, "another", span("fine"), 100, &text));
}
END_TEST

START_TEST(violations_are_bounded) {
    char names[VIOLATIONS_MAX + 1][8];
    for (int i = 0; i <= VIOLATIONS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "n%d", i);
        ck_assert(!violations_has(&v, names[i]));
        violations_add(&v, names[i], "wrong");
    }
    ck_assert_uint_eq(v.count, VIOLATIONS_MAX);
    ck_assert(violations_has(&v, "n0"));
    ck_assert(!violations_has(&v, names[VIOLATIONS_MAX]));
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("field");
    TCase *tcase = tcase_create("field");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, id_valid);
    tcase_add_test(tcase, id_invalid);
    tcase_add_test(tcase, id_absent);
    tcase_add_test(tcase, optional_ids);
    tcase_add_test(tcase, timestamps);
    tcase_add_test(tcase, timestamp_required);
    tcase_add_loop_test(tcase, text_length, 0, COUNT(characters));
    tcase_add_test(tcase, text_absent_or_wrong_stays_as_it_was);
    tcase_add_loop_test(tcase, integers_in_their_range, 0, COUNT(integers));
    tcase_add_test(tcase, integer_absent);
    tcase_add_test(tcase, one_violation_for_each_field);
    tcase_add_test(tcase, violations_are_bounded);
    suite_add_tcase(suite, tcase);
    return suite;
}
