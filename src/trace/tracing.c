/* tracing.c: see tracing.h. */
#include "trace/tracing.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "trace/sampler.h"

#define GATHER_MS 100

static struct {
    bool on;
    struct sampler sampler;
    const char *program;
    struct sockaddr_un address;
    int fd;
    struct buffer datagram; /* empty, or with spans behind the name of the program */
    uint64_t spans;         /* in it */
    mono_time due;
    bool unheard; /* the last datagram was; it has been logged */
} tracing = {.fd = -1, .due = MONO_NEVER};

/* --- which traces -------------------------------------------------------------------------- */

static void take_up(struct trace *trace, const struct trace_context *parent) {
    memcpy(trace->parent, parent->text + TRACE_CONTEXT_AT_SPAN_ID, TRACE_SPAN_ID_LENGTH);
    trace_context_child(&trace->context, parent, true);
    trace->sampled = true;
}

/* Returns whether it belongs to a trace. */
static bool join(struct trace *trace, struct text_span traceparent) {
    struct trace_context parent;
    if (!trace_context_parse(&parent, traceparent))
        return false;
    if (tracing.on && sampler_takes(&tracing.sampler, &parent)) {
        take_up(trace, &parent);
        return true;
    }
    trace->context = parent;
    if (tracing.on)
        trace_context_set_sampled(&trace->context, false);
    return true;
}

void tracing_begin(struct trace *trace, struct text_span traceparent) {
    if ((traceparent.data != NULL && join(trace, traceparent)) || !tracing.on)
        return;
    const uint64_t random_part = trace_context_random();
    if (!sampler_takes_new(&tracing.sampler, random_part))
        return;
    trace_context_make(&trace->context, random_part, true);
    trace->sampled = true;
}

void tracing_go_on(struct trace *trace, struct text_span traceparent) {
    if (traceparent.data != NULL)
        (void)join(trace, traceparent);
}

void tracing_branch(struct trace *trace, const struct trace *cause) {
    if (cause->sampled)
        take_up(trace, &cause->context);
    else
        trace->context = cause->context;
}

/* --- the way out --------------------------------------------------------------------------- */

static void forget(void) {
    buffer_clear(&tracing.datagram);
    tracing.spans = 0;
    tracing.due = MONO_NEVER;
}

/* Told when it begins and when it ends. EAGAIN: somebody listens, too slowly. */
static void note_unheard(int error) {
    if (!tracing.unheard)
        log_warn("spans are dropped: %s: %s", tracing.address.sun_path, strerror(error));
    tracing.unheard = true;
}

static void note_heard(void) {
    if (tracing.unheard)
        log_info("spans are taken again");
    tracing.unheard = false;
}

static void send_gathered(void) {
    if (tracing.spans == 0)
        return;
    const ssize_t sent = sendto(tracing.fd, tracing.datagram.data, tracing.datagram.length,
                                MSG_DONTWAIT | MSG_NOSIGNAL,
                                (const struct sockaddr *)&tracing.address, sizeof tracing.address);
    const enum metrics_spans result = sent < 0 ? METRICS_SPANS_UNSENT : METRICS_SPANS_SENT;
    metrics_add(METRICS_CELL(trace_spans) + (size_t)result, tracing.spans);
    if (sent < 0)
        note_unheard(errno);
    else
        note_heard();
    forget();
}

void tracing_tell(struct text_span span) {
    struct buffer *d = &tracing.datagram;
    if (d->length + 1 + span.length > TRACING_DATAGRAM_MAX)
        send_gathered();
    if (tracing.spans == 0) {
        buffer_append_text(d, tracing.program);
        tracing.due = mono_after_ms(mono_now(), GATHER_MS);
    }
    buffer_append_char(d, '\n');
    buffer_append(d, span.data, span.length);
    tracing.spans++;
    if (d->failed) {
        metrics_add(METRICS_CELL(trace_spans) + METRICS_SPANS_UNSENT, tracing.spans);
        forget();
    }
}

void tracing_tick(mono_time now) {
    if (!mono_is_before(now, tracing.due))
        send_gathered();
}

mono_time tracing_deadline(void) {
    return tracing.due;
}

/* --- beginning and end --------------------------------------------------------------------- */

const char *tracing_check(const struct settings *settings) {
    struct sampler sampler;
    return sampler_init(&sampler, settings->otel_traces_sampler, settings->otel_traces_sampler_arg);
}

bool tracing_is_wanted(const struct settings *settings) {
    return !settings->otel_sdk_disabled && (*settings->otel_exporter_otlp_endpoint != '\0' ||
                                            *settings->otel_exporter_otlp_traces_endpoint != '\0');
}

void tracing_init(const char *program, const struct settings *settings) {
    if (!tracing_is_wanted(settings) ||
        sampler_init(&tracing.sampler, settings->otel_traces_sampler,
                     settings->otel_traces_sampler_arg) != NULL)
        return;
    tracing.program = program;
    tracing.address.sun_family = AF_UNIX;
    /* The setting is no longer than the name of a socket may be. */
    strncpy(tracing.address.sun_path, settings->guard_trace_socket,
            sizeof tracing.address.sun_path - 1);
    tracing.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    tracing.on = tracing.fd >= 0;
    if (!tracing.on)
        log_error("no spans: %s", strerror(errno));
}

void tracing_exit(void) {
    send_gathered();
    if (tracing.fd >= 0)
        close(tracing.fd);
    tracing.fd = -1;
    tracing.on = false;
    tracing.unheard = false;
    buffer_free(&tracing.datagram);
}
