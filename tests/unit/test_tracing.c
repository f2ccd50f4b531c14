/* Which traces spans are told of, and what leaves the process. */
#include "trace/tracing.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "trace/span.h"
#include "unit.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"
#define SAMPLED "00-" TRACE "-" SPAN "-01"
#define UNSAMPLED "00-" TRACE "-" SPAN "-00"

static struct settings settings;
static char folder[64];
static char path[96];
static int inbox = -1;

static struct text_span span_of(const char *text) {
    return (struct text_span){text, text == NULL ? 0 : strlen(text)};
}

static void listen_at_path(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    inbox = socket(AF_UNIX, SOCK_DGRAM, 0);
    ck_assert_int_ge(inbox, 0);
    ck_assert_int_eq(bind(inbox, (const struct sockaddr *)&address, sizeof address), 0);
}

static void begin(const char *sampler, const char *argument) {
    static char wanted[4][128];
    char *environment[5] = {NULL};
    (void)snprintf(wanted[0], sizeof wanted[0], "OTEL_TRACES_SAMPLER=%s", sampler);
    (void)snprintf(wanted[1], sizeof wanted[1], "OTEL_TRACES_SAMPLER_ARG=%s", argument);
    (void)snprintf(wanted[2], sizeof wanted[2], "GUARD_TRACE_SOCKET=%s", path);
    (void)snprintf(wanted[3], sizeof wanted[3], "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1");
    for (size_t i = 0; i < 4; i++)
        environment[i] = wanted[i];
    ck_assert_int_eq(settings_load(&settings, environment, stderr), 0);
    ck_assert_ptr_null(tracing_check(&settings));
    ck_assert(tracing_is_wanted(&settings));
    tracing_init("program", &settings);
}

static void setup(void) {
    (void)snprintf(folder, sizeof folder, "/tmp/tracing-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/s", folder);
    memset(&settings, 0, sizeof settings);
}

static void teardown(void) {
    tracing_exit();
    settings_free(&settings);
    if (inbox >= 0)
        close(inbox);
    inbox = -1;
    (void)unlink(path);
    (void)rmdir(folder);
}

/* The next datagram; NULL: there is none. */
static char *received(void) {
    static char text[TRACING_DATAGRAM_MAX + 1];
    const ssize_t got = recv(inbox, text, sizeof text, MSG_DONTWAIT);
    if (got < 0) {
        ck_assert_int_eq(errno, EAGAIN);
        return NULL;
    }
    ck_assert_int_le(got, TRACING_DATAGRAM_MAX);
    text[got] = '\0';
    return text;
}

static void tell(const struct trace *trace, enum span_place place, const char *name,
                 const char *error) {
    const mono_time now = mono_now();
    span_begin(&(struct span){.trace = trace,
                              .place = place,
                              .kind = SPAN_SERVER,
                              .name = span_of(name),
                              .from = mono_after_ms(now, -5),
                              .to = now});
    span_text("text", "a \"b\"\n");
    span_integer("number", -7);
    span_text("broken", "\xC3");
    span_span("none", (struct text_span){NULL, 0});
    span_end(error);
}

static json_t *span_in(const char *datagram) {
    static const char PROGRAM[] = "program\n";
    ck_assert_int_eq(strncmp(datagram, PROGRAM, sizeof PROGRAM - 1), 0);
    json_t *span = json_loads(datagram + sizeof PROGRAM - 1, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(span);
    return span;
}

static const char *text_in(const json_t *span, const char *name) {
    return json_string_value(json_object_get(span, name));
}

START_TEST(off) {
    struct trace trace = {.sampled = false};
    struct trace branch = {.sampled = false};
    tracing_begin(&trace, (struct text_span){NULL, 0});
    ck_assert(!trace_context_is_set(&trace.context));
    /* It goes on as it came. */
    tracing_begin(&trace, span_of(SAMPLED));
    ck_assert_str_eq(trace.context.text, SAMPLED);
    ck_assert(!trace.sampled);
    tracing_branch(&branch, &trace);
    ck_assert_str_eq(branch.context.text, SAMPLED);
    ck_assert(!branch.sampled);
    ck_assert(mono_is_never(tracing_deadline()));
}
END_TEST

START_TEST(joined) {
    struct trace trace = {.sampled = false};
    struct trace branch = {.sampled = false};
    begin("parentbased_always_off", "");
    if (_i == 0)
        tracing_begin(&trace, span_of(SAMPLED));
    else
        tracing_go_on(&trace, span_of(SAMPLED));
    ck_assert(trace.sampled);
    ck_assert_str_eq(trace.parent, SPAN);
    ck_assert_int_eq(strncmp(trace.context.text, SAMPLED, 36), 0);
    ck_assert_int_ne(strncmp(trace.context.text + 36, SPAN, 16), 0);
    ck_assert_str_eq(trace.context.text + 52, "-01");
    tracing_branch(&branch, &trace);
    ck_assert(branch.sampled);
    ck_assert_int_eq(strncmp(branch.parent, trace.context.text + 36, 16), 0);
    ck_assert_int_eq(strncmp(branch.context.text, SAMPLED, 36), 0);
}
END_TEST

START_TEST(left_alone) {
    struct trace trace = {.sampled = false};
    begin("parentbased_always_on", "");
    tracing_begin(&trace, span_of(UNSAMPLED));
    ck_assert(!trace.sampled);
    ck_assert_str_eq(trace.context.text, UNSAMPLED);
}
END_TEST

/* Who is told nothing of it must not think that there are spans. */
START_TEST(not_wanted_here) {
    struct trace trace = {.sampled = false};
    begin("always_off", "");
    tracing_begin(&trace, span_of(SAMPLED));
    ck_assert(!trace.sampled);
    ck_assert_str_eq(trace.context.text, UNSAMPLED);
}
END_TEST

START_TEST(made) {
    struct trace trace = {.sampled = false};
    begin("parentbased_always_on", "");
    tracing_go_on(&trace, span_of(NULL));
    tracing_go_on(&trace, span_of("nonsense"));
    ck_assert(!trace_context_is_set(&trace.context));
    tracing_begin(&trace, span_of(_i == 0 ? NULL : "nonsense"));
    ck_assert(trace.sampled);
    ck_assert_str_eq(trace.parent, "");
    ck_assert(trace_context_is_sampled(&trace.context));
}
END_TEST

START_TEST(made_by_ratio) {
    int sampled = 0;
    begin("traceidratio", "0.5");
    for (int i = 0; i < 1000; i++) {
        struct trace trace = {.sampled = false};
        tracing_begin(&trace, span_of(NULL));
        ck_assert_int_eq(trace.sampled, trace_context_is_set(&trace.context));
        /* Whoever samples by the same ratio takes the same traces. */
        if (trace.sampled)
            ck_assert_uint_eq(trace_context_random_part(&trace.context) >> 63, 0);
        sampled += trace.sampled;
    }
    ck_assert_int_gt(sampled, 400);
    ck_assert_int_lt(sampled, 600);
}
END_TEST

START_TEST(a_span) {
    struct trace trace = {.sampled = false};
    listen_at_path();
    begin("always_on", "");
    tracing_begin(&trace, span_of(SAMPLED));
    const int64_t before = wall_now_us();
    tell(&trace, SPAN_ITSELF, "n\xC3\xA4me", NULL);
    ck_assert_ptr_null(received()); /* it is gathered first */
    tracing_tick(mono_now());
    ck_assert_ptr_null(received());
    tracing_tick(tracing_deadline());
    json_t *span = span_in(received());
    ck_assert_str_eq(text_in(span, "traceId"), TRACE);
    ck_assert_int_eq(strncmp(text_in(span, "spanId"), trace.context.text + 36, 16), 0);
    ck_assert_str_eq(text_in(span, "parentSpanId"), SPAN);
    ck_assert_str_eq(text_in(span, "name"), "n\xC3\xA4me");
    ck_assert_int_eq(json_integer_value(json_object_get(span, "kind")), 2);
    const int64_t from = strtoll(text_in(span, "startTimeUnixNano"), NULL, 10) / 1000;
    const int64_t to = strtoll(text_in(span, "endTimeUnixNano"), NULL, 10) / 1000;
    ck_assert_int_eq(to - from, 5000);
    ck_assert_int_ge(to + 1000000, before);
    ck_assert_int_le(from, before);
    char *attributes = json_dumps(json_object_get(span, "attributes"), JSON_COMPACT);
    ck_assert_str_eq(attributes,
                     "[{\"key\":\"text\",\"value\":{\"stringValue\":\"a \\\"b\\\"\\n\"}},"
                     "{\"key\":\"number\",\"value\":{\"intValue\":\"-7\"}}]");
    ck_assert_uint_eq(json_object_size(json_object_get(span, "status")), 0);
    free(attributes);
    json_decref(span);
    ck_assert(mono_is_never(tracing_deadline()));
}
END_TEST

START_TEST(a_part_that_failed) {
    struct trace trace = {.sampled = false};
    listen_at_path();
    begin("always_on", "");
    tracing_begin(&trace, span_of(NULL));
    tell(&trace, SPAN_PART, "part", "40001");
    tracing_exit();
    json_t *span = span_in(received());
    ck_assert_int_eq(strncmp(text_in(span, "parentSpanId"), trace.context.text + 36, 16), 0);
    ck_assert_str_ne(text_in(span, "spanId"), text_in(span, "parentSpanId"));
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(span, "status"), "code")),
                     2);
    char *attributes = json_dumps(json_object_get(span, "attributes"), JSON_COMPACT);
    ck_assert_ptr_nonnull(
        strstr(attributes, "{\"key\":\"error.type\",\"value\":{\"stringValue\":\"40001\"}}"));
    free(attributes);
    json_decref(span);
}
END_TEST

START_TEST(datagrams_are_bounded) {
    struct trace trace = {.sampled = false};
    int spans = 0;
    int datagrams = 0;
    listen_at_path();
    begin("always_on", "");
    tracing_begin(&trace, span_of(NULL));
    for (int i = 0; i < 200; i++)
        tell(&trace, SPAN_PART, "part", NULL);
    tracing_exit();
    for (const char *text = NULL; (text = received()) != NULL; datagrams++) {
        ck_assert_int_eq(strncmp(text, "program\n{", 9), 0);
        while ((text = strchr(text, '\n')) != NULL) {
            spans++;
            text++;
        }
    }
    ck_assert_int_eq(spans, 200);
    ck_assert_int_gt(datagrams, 1);
}
END_TEST

/* Somebody listens and takes nothing, or nobody listens: nothing waits for it. */
START_TEST(nobody_takes_them) {
    struct trace trace = {.sampled = false};
    int datagrams = 0;
    if (_i == 0)
        listen_at_path();
    begin("always_on", "");
    tracing_begin(&trace, span_of(NULL));
    for (int i = 0; i < 20000; i++)
        tell(&trace, SPAN_PART, "part", NULL);
    tracing_tick(tracing_deadline());
    ck_assert(mono_is_never(tracing_deadline()));
    if (_i > 0)
        return;
    while (received() != NULL)
        datagrams++;
    ck_assert_int_gt(datagrams, 0);
    /* There is room again. */
    tell(&trace, SPAN_PART, "part", NULL);
    tracing_tick(tracing_deadline());
    json_decref(span_in(received()));
}
END_TEST

START_TEST(too_long_a_text_is_left_out) {
    struct trace trace = {.sampled = false};
    char text[SPAN_TEXT_MAX + 2];
    const mono_time now = mono_now();
    memset(text, 'x', sizeof text);
    listen_at_path();
    begin("always_on", "");
    tracing_begin(&trace, span_of(NULL));
    span_begin(&(struct span){
        .trace = &trace, .kind = SPAN_CLIENT, .name = span_of("n"), .from = now, .to = now});
    span_span("fits", (struct text_span){text, SPAN_TEXT_MAX});
    span_span("does not", (struct text_span){text, SPAN_TEXT_MAX + 1});
    span_end(NULL);
    tracing_exit();
    json_t *span = span_in(received());
    ck_assert_uint_eq(json_array_size(json_object_get(span, "attributes")), 1);
    ck_assert_ptr_null(json_object_get(span, "parentSpanId"));
    json_decref(span);
}
END_TEST

START_TEST(disabled) {
    begin("always_on", "");
    settings.otel_sdk_disabled = true;
    ck_assert(!tracing_is_wanted(&settings));
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("tracing");
    TCase *tcase = tcase_create("tracing");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, off);
    tcase_add_loop_test(tcase, joined, 0, 2);
    tcase_add_test(tcase, left_alone);
    tcase_add_test(tcase, not_wanted_here);
    tcase_add_loop_test(tcase, made, 0, 2);
    tcase_add_test(tcase, made_by_ratio);
    tcase_add_test(tcase, a_span);
    tcase_add_test(tcase, a_part_that_failed);
    tcase_add_test(tcase, datagrams_are_bounded);
    tcase_add_loop_test(tcase, nobody_takes_them, 0, 2);
    tcase_add_test(tcase, too_long_a_text_is_left_out);
    tcase_add_test(tcase, disabled);
    suite_add_tcase(suite, tcase);
    return suite;
}
