/* span.c: see span.h. */
#include "trace/span.h"

#include <string.h>

#include "base/buffer.h"
#include "metrics/metrics.h"
#include "trace/tracing.h"

/* The span that is being told. */
static struct buffer text;
static bool has_attributes;

/* How often it is looked whether the wall clock was set, and what does not count as that. */
#define LOOK_EVERY_MS 1000
#define SLACK_US 1000

/* What the wall clock is ahead of the monotonic one. A process may lose its processor between two
 * looks: the quickest of a few is right. */
static int64_t measure_lead_us(void) {
    int64_t lead = 0;
    int64_t least = INT64_MAX;
    for (int i = 0; i < 3; i++) {
        const mono_time before = mono_now();
        const int64_t wall = wall_now_us();
        const int64_t gap = mono_diff_us(mono_now(), before);
        if (gap < least) {
            least = gap;
            lead = wall - before.us - gap / 2;
        }
    }
    return lead;
}

/* The same for all spans for as long as possible: so parts lie within what they are parts of. */
static int64_t wall_us(mono_time when) {
    static int64_t lead;
    static mono_time next_look;
    if (!mono_is_before(when, next_look)) {
        const int64_t now = measure_lead_us();
        if (now - lead > SLACK_US || lead - now > SLACK_US)
            lead = now;
        next_look = mono_after_ms(when, LOOK_EVERY_MS);
    }
    return when.us + lead;
}

static void append_id(const char *label, const char *digits, size_t length) {
    buffer_append_text(&text, label);
    buffer_append(&text, digits, length);
    buffer_append_char(&text, '"');
}

/* Clocks count microseconds, OTLP nanoseconds. */
static void append_time(const char *label, int64_t us) {
    buffer_append_text(&text, label);
    buffer_append_int(&text, us);
    buffer_append_text(&text, "000\"");
}

static void append_ids(const struct trace *trace, enum span_place place) {
    const struct text_span own = trace_context_span_id(&trace->context);
    char part[TRACE_SPAN_ID_LENGTH];
    append_id("{\"traceId\":\"", trace_context_trace_id(&trace->context).data, TRACE_ID_LENGTH);
    if (place == SPAN_PART) {
        trace_context_new_span_id(part);
        append_id(",\"spanId\":\"", part, sizeof part);
        append_id(",\"parentSpanId\":\"", own.data, own.length);
        return;
    }
    append_id(",\"spanId\":\"", own.data, own.length);
    if (trace->parent[0] != '\0')
        append_id(",\"parentSpanId\":\"", trace->parent, TRACE_SPAN_ID_LENGTH);
}

void span_begin(const struct span *span) {
    const int64_t ended = wall_us(span->to);
    buffer_clear(&text);
    has_attributes = false;
    append_ids(span->trace, span->place);
    buffer_append_text(&text, ",\"name\":");
    buffer_append_json_string(&text, span->name.data, span->name.length);
    buffer_append_text(&text, ",\"kind\":");
    buffer_append_int(&text, (int64_t)span->kind);
    append_time(",\"startTimeUnixNano\":\"", ended - mono_diff_us(span->to, span->from));
    append_time(",\"endTimeUnixNano\":\"", ended);
    buffer_append_text(&text, ",\"attributes\":[");
}

static void begin_attribute(const char *key, const char *type) {
    buffer_append_text(&text, has_attributes ? ",{\"key\":\"" : "{\"key\":\"");
    buffer_append_text(&text, key);
    buffer_append_text(&text, type);
    has_attributes = true;
}

void span_span(const char *key, struct text_span value) {
    if (value.data == NULL || value.length > SPAN_TEXT_MAX ||
        !text_is_valid_utf8(value.data, value.length))
        return;
    begin_attribute(key, "\",\"value\":{\"stringValue\":");
    buffer_append_json_string(&text, value.data, value.length);
    buffer_append_text(&text, "}}");
}

void span_text(const char *key, const char *value) {
    span_span(key, (struct text_span){value, strlen(value)});
}

void span_id(const char *key, const struct id *value) {
    char digits[ID_TEXT_LENGTH + 1];
    id_format(value, digits);
    span_span(key, (struct text_span){digits, ID_TEXT_LENGTH});
}

/* 64 bits, which are strings in the JSON of protobuf. */
void span_integer(const char *key, int64_t value) {
    begin_attribute(key, "\",\"value\":{\"intValue\":\"");
    buffer_append_int(&text, value);
    buffer_append_text(&text, "\"}}");
}

void span_end(const char *error) {
    if (error != NULL)
        span_text("error.type", error);
    buffer_append_text(&text, error != NULL ? "],\"status\":{\"code\":2}}" : "],\"status\":{}}");
    if (text.failed || text.length > TRACING_SPAN_MAX)
        metrics_add(METRICS_CELL(trace_spans) + METRICS_SPANS_UNSENT, 1);
    else
        tracing_tell((struct text_span){text.data, text.length});
}
