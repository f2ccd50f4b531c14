/* otlp.c: see otlp.h. */
#include <config.h>

#include "trace_exporter/otlp.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/client.h"
#include "trace_exporter/key_values.h"

#define SERVICE_NAME "service.name"

/* --- where to ------------------------------------------------------------------------------ */

/* From malloc; NULL when memory ran out, or none is set. */
static char *make_url(const struct settings *settings) {
    static const char PATH[] = "/v1/traces";
    const char *whole = settings->otel_exporter_otlp_traces_endpoint;
    const char *base = settings->otel_exporter_otlp_endpoint;
    if (*whole != '\0')
        return strdup(whole);
    size_t length = strlen(base);
    while (length > 0 && base[length - 1] == '/')
        length--;
    char *url = length == 0 ? NULL : malloc(length + sizeof PATH);
    if (url == NULL)
        return NULL;
    (void)snprintf(url, length + sizeof PATH, "%.*s%s", (int)length, base, PATH);
    return url;
}

/* RFC 9110, section 5.6.2. */
static bool is_token(struct text_span text) {
    for (size_t i = 0; i < text.length; i++) {
        const char c = text.data[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && (c < '0' || c > '9') && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return text.length > 0;
}

static bool add_header(struct otlp *o, struct text_span key, const struct buffer *value,
                       size_t *ends) {
    struct buffer *b = &o->header_text;
    if (!is_token(key) || o->header_count == OTLP_HEADERS_MAX)
        return false;
    buffer_append(b, key.data, key.length);
    buffer_append_text(b, ": ");
    buffer_append(b, value->data, value->length);
    ends[o->header_count++] = b->length;
    return true;
}

static bool make_headers(struct otlp *o, const char *setting) {
    struct text_span rest = {setting, strlen(setting)};
    struct text_span key;
    struct text_span value;
    struct buffer decoded = {0};
    size_t ends[OTLP_HEADERS_MAX] = {0};
    bool fine = true;
    while (fine && key_values_next(&rest, &key, &value))
        fine = key_values_decode(value, &decoded) && add_header(o, key, &decoded, ends);
    for (size_t i = 0, start = 0; fine && i < o->header_count; start = ends[i++])
        o->headers[i] = (struct text_span){o->header_text.data + start, ends[i] - start};
    buffer_free(&decoded);
    return fine && !o->header_text.failed;
}

/* --- who says it --------------------------------------------------------------------------- */

static void append_attribute(struct buffer *b, struct text_span key, struct text_span value) {
    buffer_append_text(b,
                       b->length > 0 && b->data[b->length - 1] == '}' ? ",{\"key\":" : "{\"key\":");
    buffer_append_json_string(b, key.data, key.length);
    buffer_append_text(b, ",\"value\":{\"stringValue\":");
    buffer_append_json_string(b, value.data, value.length);
    buffer_append_text(b, "}}");
}

static void append_text_attribute(struct buffer *b, const char *key, const char *value) {
    append_attribute(b, (struct text_span){key, strlen(key)},
                     (struct text_span){value, strlen(value)});
}

/* What OTEL_RESOURCE_ATTRIBUTES says. OTEL_SERVICE_NAME is stronger than the name in it. */
static bool append_given(struct buffer *b, const struct settings *settings, bool *named) {
    const char *setting = settings->otel_resource_attributes;
    struct text_span rest = {setting, strlen(setting)};
    struct text_span key;
    struct text_span value;
    struct buffer decoded = {0};
    bool fine = true;
    while (fine && key_values_next(&rest, &key, &value)) {
        fine = key.length > 0 && text_is_valid_utf8(key.data, key.length) &&
               key_values_decode(value, &decoded);
        const bool is_name = fine && text_is(key, SERVICE_NAME);
        if (fine && !(is_name && *named))
            append_attribute(b, key, (struct text_span){decoded.data, decoded.length});
        *named = *named || is_name;
    }
    buffer_free(&decoded);
    return fine;
}

static bool make_resource(struct buffer *b, const struct settings *settings) {
    char host[256] = "";
    bool named = *settings->otel_service_name != '\0';
    buffer_append_text(b, "{\"attributes\":[");
    if (named)
        append_text_attribute(b, SERVICE_NAME, settings->otel_service_name);
    if (!append_given(b, settings, &named))
        return false;
    if (!named)
        append_text_attribute(b, SERVICE_NAME, PACKAGE_TARNAME);
    append_text_attribute(b, "service.version", PACKAGE_VERSION);
    if (gethostname(host, sizeof host - 1) == 0 && text_is_valid_utf8(host, strlen(host)))
        append_text_attribute(b, "host.name", host);
    buffer_append_text(b, "]}");
    return !b->failed;
}

const char *otlp_check(const struct settings *settings) {
    struct otlp o = {.header_count = 0};
    bool named = false;
    const char *wrong = NULL;
    char *url = make_url(settings);
    if (url != NULL && !http_url_is_fine(url))
        wrong = "OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: must be an"
                " address that begins with http:// or https://";
    else if (!make_headers(&o, settings->otel_exporter_otlp_headers))
        wrong = "OTEL_EXPORTER_OTLP_HEADERS: must be key=value by comma, percent-encoded where"
                " needed";
    else if (!append_given(&o.resource, settings, &named))
        wrong =
            "OTEL_RESOURCE_ATTRIBUTES: must be key=value by comma, percent-encoded where needed";
    free(url);
    otlp_exit(&o);
    return wrong;
}

bool otlp_init(struct otlp *o, const struct settings *settings) {
    *o = (struct otlp){.url = make_url(settings)};
    return o->url != NULL && make_headers(o, settings->otel_exporter_otlp_headers) &&
           make_resource(&o->resource, settings);
}

void otlp_exit(struct otlp *o) {
    free(o->url);
    o->url = NULL;
    buffer_free(&o->resource);
    buffer_free(&o->header_text);
}

/* --- calls --------------------------------------------------------------------------------- */

/* The spans of one program, if there are any. */
static void append_scope(struct buffer *body, const struct span_list *spans, size_t program) {
    const struct span_entry *entry = NULL;
    bool any = false;
    STAILQ_FOREACH(entry, spans, link) {
        if (entry->program != program)
            continue;
        if (!any) {
            buffer_append_text(body, body->data[body->length - 1] == '}' ? "," : "");
            buffer_append_text(body, "{\"scope\":{\"name\":\"");
            buffer_append_text(body, span_queue_program(program));
            buffer_append_text(body, "\",\"version\":\"" PACKAGE_VERSION "\"},\"spans\":[");
        } else {
            buffer_append_char(body, ',');
        }
        any = true;
        buffer_append(body, entry->text, entry->length);
    }
    if (any)
        buffer_append_text(body, "]}");
}

void otlp_append(struct buffer *body, const struct otlp *o, const struct span_list *spans) {
    buffer_append_text(body, "{\"resourceSpans\":[{\"resource\":");
    buffer_append(body, o->resource.data, o->resource.length);
    buffer_append_text(body, ",\"scopeSpans\":[");
    for (size_t program = 0; !body->failed && program < SPAN_QUEUE_PROGRAMS; program++)
        append_scope(body, spans, program);
    buffer_append_text(body, "]}]}");
}

/* 64 bits: a string in the JSON of protobuf, a number in that of many. */
static int64_t integer_of(const json_t *value) {
    int64_t number = 0;
    if (json_is_integer(value))
        return (int64_t)json_integer_value(value);
    if (json_is_string(value) &&
        text_parse_int(&number, json_string_value(value), json_string_length(value)))
        return number;
    return 0;
}

int64_t otlp_rejected(struct text_span answer) {
    json_t *root = json_loadb(answer.data == NULL ? "" : answer.data, answer.length, 0, NULL);
    const json_t *partial = json_object_get(root, "partialSuccess");
    const int64_t rejected = integer_of(json_object_get(partial, "rejectedSpans"));
    json_decref(root);
    return rejected > 0 ? rejected : 0;
}

bool otlp_may_retry(int status) {
    return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}
