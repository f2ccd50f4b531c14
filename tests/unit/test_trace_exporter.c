/* What the trace exporter takes, keeps and says; how it calls is for the tests of the whole. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace_exporter/key_values.h"
#include "trace_exporter/otlp.h"
#include "trace_exporter/span_queue.h"
#include "unit.h"

static struct settings settings;
static struct span_queue queue;

static struct text_span span_of(const char *text) {
    return (struct text_span){text, strlen(text)};
}

static void load(const char *const *variables) {
    settings_free(&settings);
    ck_assert_int_eq(settings_load(&settings, (char *const *)(void *)variables, stderr), 0);
}

static void setup(void) {
    span_queue_init(&queue, 3);
}

static void teardown(void) {
    span_queue_exit(&queue);
    settings_free(&settings);
}

/* --- key_values ---------------------------------------------------------------------------- */

/* "[key|value]" of each pair, "[key|!]" where the value is wrong. */
static char *pairs_of(const char *text) {
    struct text_span rest = span_of(text);
    struct text_span key;
    struct text_span value;
    struct buffer decoded = {0};
    struct buffer all = {0};
    while (key_values_next(&rest, &key, &value)) {
        const bool fine = key_values_decode(value, &decoded);
        buffer_printf(&all, "[%.*s|%.*s]", (int)key.length, key.data,
                      fine ? (int)decoded.length : 1, fine ? decoded.data : "!");
    }
    buffer_append_char(&all, '\0');
    buffer_free(&decoded);
    ck_assert(!all.failed);
    return all.data;
}

static const struct {
    const char *text, *pairs;
} key_values[] = {
    {"", ""},
    {" , ,", ""},
    {"a=b", "[a|b]"},
    {" a = b ,\tc=d=e,", "[a|b][c|d=e]"},
    {"a=", "[a|]"},
    {"=b", "[|b]"},
    {"a", "[|]"},
    {"a=%41%2C%20b+c", "[a|A, b+c]"},
    {"a=%4", "[a|!]"},
    {"a=%C3,b=%C3%A4", "[a|!][b|\xC3\xA4]"},
    {"a=%0D%0Ax: y", "[a|!]"},
    {"a=%00", "[a|!]"},
};

START_TEST(pairs) {
    char *found = pairs_of(key_values[_i].text);
    ck_assert_str_eq(found, key_values[_i].pairs);
    free(found);
}
END_TEST

/* --- span_queue ---------------------------------------------------------------------------- */

START_TEST(kept_in_order_and_bounded) {
    struct span_list list = STAILQ_HEAD_INITIALIZER(list);
    const mono_time now = {5};
    ck_assert(mono_is_never(span_queue_oldest(&queue)));
    ck_assert_int_eq(span_queue_take(&queue, span_of("availability-guard\n{1}\n{2}"), now), 0);
    ck_assert_int_eq(
        span_queue_take(&queue, span_of("availability-guard-relay\n{3}\n{4}\n{5}"), (mono_time){6}),
        2);
    ck_assert_uint_eq(queue.count, 3);
    ck_assert_int_eq(span_queue_oldest(&queue).us, 5);
    ck_assert_uint_eq(span_queue_move(&queue, &list, 2), 2);
    ck_assert_mem_eq(STAILQ_FIRST(&list)->text, "{1}", 3);
    ck_assert_uint_eq(queue.count, 1);
    ck_assert_uint_eq(queue.bytes, 3);
    ck_assert_int_eq(span_queue_oldest(&queue).us, 6);
    ck_assert_str_eq(span_queue_program(STAILQ_FIRST(&queue.spans)->program),
                     "availability-guard-relay");
    ck_assert_uint_eq(span_queue_move(&queue, &list, 9), 1);
    ck_assert_uint_eq(queue.bytes, 0);
    span_queue_free_list(&list);
}
END_TEST

static const char *const foreign[] = {
    "",
    "\n",
    "\n{}",
    "availability-guar\n{}",
    "sshd\n{}",
    "availability-guard\n{}\nx",
    "{}\n{}",
    "availability-guard\n{",
    "availability-guard\n{}\n\n{}",
};

START_TEST(none_of_ours) {
    ck_assert_int_eq(span_queue_take(&queue, span_of(foreign[_i]), mono_now()), -1);
}
END_TEST

START_TEST(nothing_told) {
    ck_assert_int_eq(span_queue_take(&queue, span_of("availability-guard"), mono_now()), 0);
    ck_assert_uint_eq(queue.count, 0);
}
END_TEST

/* --- otlp ---------------------------------------------------------------------------------- */

static const char *attribute(const json_t *resource, const char *key) {
    const json_t *attributes = json_object_get(resource, "attributes");
    size_t i = 0;
    const json_t *item = NULL;
    const char *found = NULL;
    json_array_foreach(attributes, i, item) {
        if (strcmp(json_string_value(json_object_get(item, "key")), key) != 0)
            continue;
        ck_assert_ptr_null(found);
        found = json_string_value(json_object_get(json_object_get(item, "value"), "stringValue"));
    }
    return found;
}

/* The body with what is in the queue. */
static json_t *body_of(struct otlp *o) {
    struct span_list list = STAILQ_HEAD_INITIALIZER(list);
    struct buffer body = {0};
    (void)span_queue_move(&queue, &list, 9);
    otlp_append(&body, o, &list);
    span_queue_free_list(&list);
    ck_assert(!body.failed);
    json_t *root = json_loadb(body.data, body.length, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(root);
    buffer_free(&body);
    json_t *group = json_incref(json_array_get(json_object_get(root, "resourceSpans"), 0));
    json_decref(root);
    return group;
}

START_TEST(a_body) {
    struct otlp o;
    load((const char *[]){"OTEL_EXPORTER_OTLP_ENDPOINT=http://h:1", NULL});
    ck_assert(otlp_init(&o, &settings));
    ck_assert_int_eq(
        span_queue_take(&queue, span_of("availability-guard-notifier\n{\"n\":1}"), mono_now()), 0);
    ck_assert_int_eq(
        span_queue_take(&queue, span_of("availability-guard\n{\"n\":2}\n{\"n\":3}"), mono_now()),
        0);
    json_t *group = body_of(&o);
    json_t *scopes = json_object_get(group, "scopeSpans");
    char *text = json_dumps(scopes, JSON_COMPACT);
    ck_assert_uint_eq(json_array_size(scopes), 2);
    const char *first = strstr(text, "\"name\":\"availability-guard\"");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(strstr(first, "\"spans\":[{\"n\":2},{\"n\":3}]"));
    ck_assert_ptr_nonnull(strstr(first, "\"name\":\"availability-guard-notifier\""));
    const json_t *resource = json_object_get(group, "resource");
    ck_assert_str_eq(attribute(resource, "service.name"), "availability-guard");
    ck_assert_ptr_nonnull(attribute(resource, "service.version"));
    ck_assert_ptr_nonnull(attribute(resource, "host.name"));
    free(text);
    json_decref(group);
    otlp_exit(&o);
}
END_TEST

static const struct {
    const char *name, *attributes, *service, *zone;
} resources[] = {
    {"", "", "availability-guard", NULL},
    {"mine", "", "mine", NULL},
    {"", "zone=a%20b, service.name=theirs", "theirs", "a b"},
    {"mi\"ne", "service.name=theirs,zone=\xC3\xA4", "mi\"ne", "\xC3\xA4"},
    {"", "service.name=one,service.name=two", "one", NULL},
};

START_TEST(a_resource) {
    struct otlp o;
    char name[64];
    char attributes[96];
    (void)snprintf(name, sizeof name, "OTEL_SERVICE_NAME=%s", resources[_i].name);
    (void)snprintf(attributes, sizeof attributes, "OTEL_RESOURCE_ATTRIBUTES=%s",
                   resources[_i].attributes);
    load((const char *[]){"OTEL_EXPORTER_OTLP_ENDPOINT=http://h", name, attributes, NULL});
    ck_assert_ptr_null(otlp_check(&settings));
    ck_assert(otlp_init(&o, &settings));
    json_t *resource = json_loadb(o.resource.data, o.resource.length, 0, NULL);
    ck_assert_str_eq(attribute(resource, "service.name"), resources[_i].service);
    ck_assert_pstr_eq(attribute(resource, "zone"), resources[_i].zone);
    json_decref(resource);
    otlp_exit(&o);
}
END_TEST

static const struct {
    const char *endpoint, *traces, *url;
} urls[] = {
    {"http://h:4318", "", "http://h:4318/v1/traces"},
    {"https://h/base//", "", "https://h/base/v1/traces"},
    {"", "http://h/other", "http://h/other"},
    {"http://h", "http://h/other/", "http://h/other/"},
};

START_TEST(an_address) {
    struct otlp o;
    char endpoint[64];
    char traces[64];
    (void)snprintf(endpoint, sizeof endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT=%s", urls[_i].endpoint);
    (void)snprintf(traces, sizeof traces, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=%s", urls[_i].traces);
    load((const char *[]){endpoint, traces,
                          "OTEL_EXPORTER_OTLP_HEADERS=x-key=a%2Cb,Authorization=Bearer x", NULL});
    ck_assert_ptr_null(otlp_check(&settings));
    ck_assert(otlp_init(&o, &settings));
    ck_assert_str_eq(o.url, urls[_i].url);
    ck_assert_uint_eq(o.header_count, 2);
    ck_assert_bytes_eq(o.headers[0].data, o.headers[0].length, "x-key: a,b");
    ck_assert_bytes_eq(o.headers[1].data, o.headers[1].length, "Authorization: Bearer x");
    otlp_exit(&o);
}
END_TEST

static const struct {
    const char *variable, *said;
} wrong[] = {
    {"OTEL_EXPORTER_OTLP_ENDPOINT=h:4318", "OTEL_EXPORTER_OTLP_ENDPOINT"},
    {"OTEL_EXPORTER_OTLP_ENDPOINT=ftp://h", "OTEL_EXPORTER_OTLP_ENDPOINT"},
    {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://", "OTEL_EXPORTER_OTLP_ENDPOINT"},
    {"OTEL_EXPORTER_OTLP_HEADERS=a", "OTEL_EXPORTER_OTLP_HEADERS"},
    {"OTEL_EXPORTER_OTLP_HEADERS=a b=c", "OTEL_EXPORTER_OTLP_HEADERS"},
    {"OTEL_EXPORTER_OTLP_HEADERS=a:=c", "OTEL_EXPORTER_OTLP_HEADERS"},
    {"OTEL_EXPORTER_OTLP_HEADERS=a=%0d%0ab: c", "OTEL_EXPORTER_OTLP_HEADERS"},
    {"OTEL_EXPORTER_OTLP_HEADERS=a=%", "OTEL_EXPORTER_OTLP_HEADERS"},
    {"OTEL_RESOURCE_ATTRIBUTES=a", "OTEL_RESOURCE_ATTRIBUTES"},
    {"OTEL_RESOURCE_ATTRIBUTES=a=%FF", "OTEL_RESOURCE_ATTRIBUTES"},
};

START_TEST(refused) {
    load((const char *[]){wrong[_i].variable, NULL});
    const char *said = otlp_check(&settings);
    ck_assert_ptr_nonnull(said);
    ck_assert_int_eq(strncmp(said, wrong[_i].said, strlen(wrong[_i].said)), 0);
}
END_TEST

START_TEST(too_many_headers) {
    struct buffer text = {0};
    buffer_append_text(&text, "OTEL_EXPORTER_OTLP_HEADERS=");
    for (int i = 0; i <= OTLP_HEADERS_MAX; i++)
        buffer_printf(&text, "h%d=1,", i);
    buffer_append_char(&text, '\0');
    load((const char *[]){text.data, NULL});
    ck_assert_ptr_nonnull(otlp_check(&settings));
    buffer_free(&text);
}
END_TEST

static const struct {
    const char *answer;
    int64_t rejected;
} answers[] = {
    {"", 0},
    {"{}", 0},
    {"{\"partialSuccess\":{}}", 0},
    {"{\"partialSuccess\":{\"rejectedSpans\":\"7\",\"errorMessage\":\"x\"}}", 7},
    {"{\"partialSuccess\":{\"rejectedSpans\":7}}", 7},
    {"{\"partialSuccess\":{\"rejectedSpans\":\"-7\"}}", 0},
    {"{\"partialSuccess\":{\"rejectedSpans\":\"x\"}}", 0},
    {"{\"partialSuccess\":[]}", 0},
    {"[]", 0},
    {"not JSON", 0},
    {"{\"partialSuccess\":", 0},
};

START_TEST(partial_success) {
    ck_assert_int_eq(otlp_rejected(span_of(answers[_i].answer)), answers[_i].rejected);
    ck_assert_int_eq(otlp_rejected((struct text_span){NULL, 0}), 0);
}
END_TEST

START_TEST(what_is_tried_again) {
    static const int AGAIN[] = {0, 429, 502, 503, 504};
    static const int NOT[] = {301, 400, 401, 404, 408, 413, 500, 501, 505};
    for (int i = 0; i < COUNT(AGAIN); i++)
        ck_assert(otlp_may_retry(AGAIN[i]));
    for (int i = 0; i < COUNT(NOT); i++)
        ck_assert(!otlp_may_retry(NOT[i]));
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("trace_exporter");
    TCase *tcase = tcase_create("trace_exporter");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, pairs, 0, COUNT(key_values));
    tcase_add_test(tcase, kept_in_order_and_bounded);
    tcase_add_loop_test(tcase, none_of_ours, 0, COUNT(foreign));
    tcase_add_test(tcase, nothing_told);
    tcase_add_test(tcase, a_body);
    tcase_add_loop_test(tcase, a_resource, 0, COUNT(resources));
    tcase_add_loop_test(tcase, an_address, 0, COUNT(urls));
    tcase_add_loop_test(tcase, refused, 0, COUNT(wrong));
    tcase_add_test(tcase, too_many_headers);
    tcase_add_loop_test(tcase, partial_success, 0, COUNT(answers));
    tcase_add_test(tcase, what_is_tried_again);
    suite_add_tcase(suite, tcase);
    return suite;
}
