#include "trace/sampler.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

#define BEHIND "-00f067aa0ba902b7-"

static struct trace_context parent(const char *random_digits, const char *flags) {
    struct trace_context context = {""};
    char text[TRACE_CONTEXT_LENGTH + 1];
    (void)snprintf(text, sizeof text, "00-4bf92f3577b34da6%s" BEHIND "%s", random_digits, flags);
    ck_assert(trace_context_parse(&context, (struct text_span){text, strlen(text)}));
    return context;
}

static const struct {
    const char *name, *argument;
    bool new_low, new_middle, new_high; /* whether a new trace is taken */
    bool sampled_high, unsampled_low;   /* whether others' traces are */
} samplers[] = {
    {"always_on", "", true, true, true, true, true},
    {"always_off", "", false, false, false, false, false},
    {"always_off", "1", false, false, false, false, false},
    {"traceidratio", "", true, true, true, true, true},
    {"traceidratio", "1", true, true, true, true, true},
    {"traceidratio", "1.0", true, true, true, true, true},
    {"traceidratio", "0", false, false, false, false, false},
    {"traceidratio", "0.5", true, false, false, false, true},
    {"traceidratio", ".51", true, true, false, false, true},
    {"parentbased_always_on", "", true, true, true, true, false},
    {"parentbased_always_off", "", false, false, false, true, false},
    {"parentbased_traceidratio", "0.5", true, false, false, true, false},
    {"parentbased_traceidratio", "0", false, false, false, true, false},
};

START_TEST(takes) {
    struct sampler s;
    const struct trace_context high = parent("ffffffffffffffff", "01");
    const struct trace_context low = parent("0000000000000001", "00");
    ck_assert_ptr_null(sampler_init(&s, samplers[_i].name, samplers[_i].argument));
    ck_assert_int_eq(sampler_takes_new(&s, 1), samplers[_i].new_low);
    ck_assert_int_eq(sampler_takes_new(&s, UINT64_C(1) << 63), samplers[_i].new_middle);
    ck_assert_int_eq(sampler_takes_new(&s, UINT64_MAX), samplers[_i].new_high);
    ck_assert_int_eq(sampler_takes(&s, &high), samplers[_i].sampled_high);
    ck_assert_int_eq(sampler_takes(&s, &low), samplers[_i].unsampled_low);
}
END_TEST

/* One in ten: it is further from it once in ten thousand runs. */
START_TEST(a_ratio_is_kept) {
    struct sampler s;
    int taken = 0;
    ck_assert_ptr_null(sampler_init(&s, "traceidratio", "0.1"));
    for (int i = 0; i < 10000; i++)
        taken += sampler_takes_new(&s, trace_context_random());
    ck_assert_int_gt(taken, 1000 - 120);
    ck_assert_int_lt(taken, 1000 + 120);
}
END_TEST

static const struct {
    const char *name, *argument, *variable;
} wrong[] = {
    {"", "", "OTEL_TRACES_SAMPLER:"},
    {"on", "", "OTEL_TRACES_SAMPLER:"},
    {"ALWAYS_ON", "", "OTEL_TRACES_SAMPLER:"},
    {"parentbased_", "", "OTEL_TRACES_SAMPLER:"},
    {"parentbased_parentbased_always_on", "", "OTEL_TRACES_SAMPLER:"},
    {"jaeger_remote", "", "OTEL_TRACES_SAMPLER:"},
    {"traceidratio", "1.1", "OTEL_TRACES_SAMPLER_ARG:"},
    {"traceidratio", "-0.1", "OTEL_TRACES_SAMPLER_ARG:"},
    {"traceidratio", "nan", "OTEL_TRACES_SAMPLER_ARG:"},
    {"traceidratio", "inf", "OTEL_TRACES_SAMPLER_ARG:"},
    {"traceidratio", "1e-3", "OTEL_TRACES_SAMPLER_ARG:"},
    {"traceidratio", "0.1.2", "OTEL_TRACES_SAMPLER_ARG:"},
    {"traceidratio", ".", "OTEL_TRACES_SAMPLER_ARG:"},
    {"traceidratio", "10%", "OTEL_TRACES_SAMPLER_ARG:"},
};

START_TEST(refused) {
    struct sampler s;
    const char *said = sampler_init(&s, wrong[_i].name, wrong[_i].argument);
    ck_assert_ptr_nonnull(said);
    ck_assert_int_eq(strncmp(said, wrong[_i].variable, strlen(wrong[_i].variable)), 0);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("trace_sampler");
    TCase *tcase = tcase_create("trace_sampler");
    tcase_add_loop_test(tcase, takes, 0, COUNT(samplers));
    tcase_add_test(tcase, a_ratio_is_kept);
    tcase_add_loop_test(tcase, refused, 0, COUNT(wrong));
    suite_add_tcase(suite, tcase);
    return suite;
}
