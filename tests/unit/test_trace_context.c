#include "trace/context.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

static struct text_span span(const char *text) {
    return (struct text_span){text, strlen(text)};
}

static const struct {
    const char *text;
    const char *kept;
} good[] = {
    {"00-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01"},
    {"00-" TRACE "-" SPAN "-00", "00-" TRACE "-" SPAN "-00"},
    {"00-" TRACE "-" SPAN "-03", "00-" TRACE "-" SPAN "-03"},
    /* Flags that nobody knows yet are not passed on. */
    {"00-" TRACE "-" SPAN "-ff", "00-" TRACE "-" SPAN "-03"},
    {"00-" TRACE "-" SPAN "-fc", "00-" TRACE "-" SPAN "-00"},
    /* Versions to come are taken as the one that is known. */
    {"01-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01"},
    {"cc-" TRACE "-" SPAN "-01-what-the-future-will-be-like", "00-" TRACE "-" SPAN "-01"},
    {"fe-" TRACE "-" SPAN "-09-", "00-" TRACE "-" SPAN "-01"},
    {"00-00000000000000000000000000000001-0000000000000001-00",
     "00-00000000000000000000000000000001-0000000000000001-00"},
};

START_TEST(taken) {
    struct trace_context context = {""};
    ck_assert(trace_context_parse(&context, span(good[_i].text)));
    ck_assert_str_eq(context.text, good[_i].kept);
    ck_assert(trace_context_is_set(&context));
    ck_assert_int_eq(trace_context_is_sampled(&context), (good[_i].kept[54] & 1) != 0);
}
END_TEST

static const char *const bad[] = {
    "",
    "00",
    "00-" TRACE "-" SPAN,
    "00-" TRACE "-" SPAN "-",
    "00-" TRACE "-" SPAN "-1",
    "00-" TRACE "-" SPAN "-011",
    "00-" TRACE "-" SPAN "-01-",
    "00-" TRACE "-" SPAN "-01-more",
    "01-" TRACE "-" SPAN "-01more",
    "01-" TRACE "-" SPAN "-01.more",
    "ff-" TRACE "-" SPAN "-01",
    "0-" TRACE "-" SPAN "-01",
    "0x-" TRACE "-" SPAN "-01",
    "-0-" TRACE "-" SPAN "-01",
    "00-00000000000000000000000000000000-" SPAN "-01",
    "00-" TRACE "-0000000000000000-01",
    "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
    "00-" TRACE "-00F067AA0BA902B7-01",
    "0A-" TRACE "-" SPAN "-01",
    "00-" TRACE "-" SPAN "-0A",
    "00-" TRACE "-" SPAN "-0g",
    "00-4bf92f3577b34da6a3ce929d0e0e473g-" SPAN "-01",
    "00-" TRACE "-00f067aa0ba902b-001",
    "00_" TRACE "_" SPAN "_01",
    "00-" TRACE "-" SPAN "-01 ",
    " 00-" TRACE "-" SPAN "-01",
    "00-" TRACE "-" SPAN "\xC3\xA9-1",
    "00-" TRACE "-" SPAN "-01, 00-" TRACE "-" SPAN "-01",
};

START_TEST(refused) {
    struct trace_context context = {"as it was"};
    ck_assert(!trace_context_parse(&context, span(bad[_i])));
    ck_assert_str_eq(context.text, "as it was");
}
END_TEST

START_TEST(nul_and_nothing_are_refused) {
    struct trace_context context = {""};
    const char with_nul[] = "00-" TRACE "-" SPAN "-0\0";
    ck_assert(!trace_context_parse(&context, (struct text_span){with_nul, 55}));
    ck_assert(!trace_context_parse(&context, (struct text_span){NULL, 0}));
    ck_assert(!trace_context_is_set(&context));
    ck_assert(!trace_context_is_sampled(&context));
    ck_assert_ptr_null(trace_context_text(&context).data);
    ck_assert_ptr_null(trace_context_trace_id(&context).data);
    ck_assert_ptr_null(trace_context_span_id(&context).data);
}
END_TEST

/* Only what belongs to the text is looked at: behind it is somebody else's memory. */
START_TEST(every_prefix_is_refused) {
    const char whole[] = "00-" TRACE "-" SPAN "-01";
    for (size_t length = 0; length < TRACE_CONTEXT_LENGTH; length++) {
        struct trace_context context = {""};
        char *cut = malloc(length + 1);
        ck_assert_ptr_nonnull(cut);
        memcpy(cut, whole, length);
        ck_assert(!trace_context_parse(&context, (struct text_span){cut, length}));
        free(cut);
    }
}
END_TEST

START_TEST(its_parts) {
    struct trace_context context = {""};
    ck_assert(trace_context_parse(&context, span("00-" TRACE "-" SPAN "-01")));
    ck_assert_bytes_eq(trace_context_text(&context).data, trace_context_text(&context).length,
                       "00-" TRACE "-" SPAN "-01");
    ck_assert_bytes_eq(trace_context_trace_id(&context).data,
                       trace_context_trace_id(&context).length, TRACE);
    ck_assert_bytes_eq(trace_context_span_id(&context).data, trace_context_span_id(&context).length,
                       SPAN);
    ck_assert_uint_eq(trace_context_random_part(&context), UINT64_C(0xa3ce929d0e0e4736));
}
END_TEST

START_TEST(made) {
    struct trace_context one = {""};
    struct trace_context other = {""};
    struct trace_context read = {""};
    trace_context_make(&one, 1, _i == 1);
    trace_context_make(&other, UINT64_MAX, _i == 1);
    ck_assert(trace_context_parse(&read, span(one.text)));
    ck_assert_str_eq(read.text, one.text);
    ck_assert_int_eq(trace_context_is_sampled(&one), _i == 1);
    ck_assert_uint_eq(trace_context_random_part(&one), 1);
    ck_assert_uint_eq(trace_context_random_part(&other), UINT64_MAX);
    ck_assert_int_ne(memcmp(one.text + 3, other.text + 3, 16), 0);
    ck_assert_int_ne(memcmp(one.text + 36, other.text + 36, TRACE_SPAN_ID_LENGTH), 0);
}
END_TEST

START_TEST(child) {
    struct trace_context parent = {""};
    struct trace_context other = {""};
    ck_assert(trace_context_parse(&parent, span("00-" TRACE "-" SPAN "-03")));
    trace_context_child(&other, &parent, false);
    ck_assert_int_eq(memcmp(other.text, parent.text, 36), 0);
    ck_assert_int_ne(memcmp(other.text + 36, parent.text + 36, TRACE_SPAN_ID_LENGTH), 0);
    ck_assert_str_eq(other.text + 52, "-02");
    ck_assert(!trace_context_is_sampled(&other));
    trace_context_child(&parent, &parent, true);
    ck_assert_int_ne(memcmp(parent.text + 36, SPAN, TRACE_SPAN_ID_LENGTH), 0);
    ck_assert_str_eq(parent.text + 52, "-03");
    trace_context_set_sampled(&parent, false);
    ck_assert_str_eq(parent.text + 52, "-02");
}
END_TEST

/* Each of 64 bits is set in about half of many: it is further from it once in ten thousand runs. */
START_TEST(ids_are_random) {
    int set[64] = {0};
    for (int i = 0; i < 4000; i++) {
        const uint64_t value = trace_context_random();
        for (int bit = 0; bit < 64; bit++)
            set[bit] += (int)(value >> bit & 1);
    }
    for (int bit = 0; bit < 64; bit++) {
        ck_assert_int_gt(set[bit], 2000 - 160);
        ck_assert_int_lt(set[bit], 2000 + 160);
    }
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("trace_context");
    TCase *tcase = tcase_create("trace_context");
    tcase_add_loop_test(tcase, taken, 0, COUNT(good));
    tcase_add_loop_test(tcase, refused, 0, COUNT(bad));
    tcase_add_test(tcase, nul_and_nothing_are_refused);
    tcase_add_test(tcase, every_prefix_is_refused);
    tcase_add_test(tcase, its_parts);
    tcase_add_loop_test(tcase, made, 0, 2);
    tcase_add_test(tcase, child);
    tcase_add_test(tcase, ids_are_random);
    suite_add_tcase(suite, tcase);
    return suite;
}
