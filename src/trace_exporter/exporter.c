/* exporter.c: see exporter.h. */
#include "trace_exporter/exporter.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "http/retry.h"
#include "metrics/metrics.h"

/* Pause before the first repetition; it doubles. */
#define PAUSE_FIRST_MS 1000

/* For all that is left at the end. */
#define DRAIN_MS 3000

static void count(enum metrics_spans result, size_t spans) {
    metrics_add(METRICS_CELL(trace_spans) + (size_t)result, spans);
}

/* --- in ------------------------------------------------------------------------------------ */

static void take_datagram(void *context, struct text_span datagram) {
    struct exporter *e = context;
    const int64_t dropped = span_queue_take(&e->queue, datagram, mono_now());
    if (dropped > 0)
        count(METRICS_SPANS_DROPPED, (size_t)dropped);
    else if (dropped < 0)
        log_warn("a datagram is none of ours");
}

/* --- out ----------------------------------------------------------------------------------- */

/* Told when it begins and when it ends. */
static void tell_loss(struct exporter *e, const char *reason) {
    log_write(e->told ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
              "the collector does not take spans: %s; %zu are dropped", reason, e->spans);
    e->told = true;
}

static void end_batch(struct exporter *e) {
    buffer_clear(&e->body);
    e->spans = 0;
    e->state = EXPORTER_GATHERING;
}

static void take_success(struct exporter *e, const struct outcome *outcome) {
    const int64_t told = otlp_rejected(outcome->body);
    const size_t rejected = (uint64_t)told < e->spans ? (size_t)told : e->spans;
    count(METRICS_SPANS_EXPORTED, e->spans - rejected);
    count(METRICS_SPANS_REFUSED, rejected);
    if (rejected > 0)
        log_warn("the collector has not taken %zu of %zu spans", rejected, e->spans);
    if (e->told)
        log_info("the collector takes spans again");
    e->told = false;
    end_batch(e);
}

static void take_failure(struct exporter *e, const struct outcome *outcome) {
    const mono_time now = mono_now();
    metrics_add(METRICS_CELL(trace_failures), 1);
    if (!otlp_may_retry(outcome->status)) {
        tell_loss(e, outcome->reason);
        count(METRICS_SPANS_REFUSED, e->spans);
        end_batch(e);
        return;
    }
    e->due = mono_after_ms(
        now, retry_pause_ms(PAUSE_FIRST_MS, ++e->tries, outcome->asked_ms, (uint32_t)random()));
    e->state = EXPORTER_PAUSED;
    if (mono_is_before(e->due, e->give_up_at)) {
        log_debug("the collector did not take %zu spans: %s", e->spans, outcome->reason);
        return;
    }
    tell_loss(e, outcome->reason);
    count(METRICS_SPANS_DROPPED, e->spans);
    end_batch(e);
}

static void take_answer(void *context, const struct outcome *outcome) {
    struct exporter *e = context;
    if (outcome->kind == OUTCOME_DELIVERED)
        take_success(e, outcome);
    else
        take_failure(e, outcome);
}

static void call(struct exporter *e) {
    const struct http_request request = {
        .url = e->otlp.url,
        .headers = e->otlp.headers,
        .header_count = e->otlp.header_count,
        .body = {e->body.data, e->body.length},
        .timeout_ms = e->call_ms,
        .keep_body = true,
    };
    e->state = EXPORTER_CALLING;
    if (http_post(&e->http, &request, take_answer, e) != NULL)
        return;
    tell_loss(e, "out of memory");
    count(METRICS_SPANS_DROPPED, e->spans);
    end_batch(e);
}

static void begin_batch(struct exporter *e, mono_time now) {
    struct span_list spans = STAILQ_HEAD_INITIALIZER(spans);
    e->spans = span_queue_move(&e->queue, &spans, e->batch_max);
    otlp_append(&e->body, &e->otlp, &spans);
    span_queue_free_list(&spans);
    e->tries = 0;
    if (!e->draining)
        e->give_up_at = mono_after_ms(now, e->batch_ms);
    if (!e->body.failed) {
        call(e);
        return;
    }
    tell_loss(e, "out of memory");
    count(METRICS_SPANS_DROPPED, e->spans);
    end_batch(e);
}

/* --- time ---------------------------------------------------------------------------------- */

/* When the next batch is to be made. */
static mono_time batch_due(const struct exporter *e) {
    if (e->queue.count >= e->batch_max || (e->draining && e->queue.count > 0))
        return (mono_time){0};
    return mono_after_ms(span_queue_oldest(&e->queue), e->gather_ms);
}

static void do_due(struct exporter *e, mono_time now) {
    if (e->state == EXPORTER_GATHERING && !mono_is_before(now, batch_due(e)))
        begin_batch(e, now);
    else if (e->state == EXPORTER_PAUSED && !mono_is_before(now, e->due))
        call(e);
}

void exporter_tick(struct exporter *e, mono_time now) {
    http_tick(&e->http, now);
    do_due(e, now);
    metrics_set(METRICS_CELL(trace_queue), (int64_t)(e->queue.count + e->spans));
}

mono_time exporter_deadline(const struct exporter *e) {
    const mono_time due = http_deadline(&e->http);
    if (e->draining && mono_is_before(e->give_up_at, due))
        return e->give_up_at;
    if (e->state == EXPORTER_GATHERING)
        return mono_earlier(due, batch_due(e));
    return e->state == EXPORTER_PAUSED ? mono_earlier(due, e->due) : due;
}

/* --- beginning and end --------------------------------------------------------------------- */

bool exporter_init(struct exporter *e, struct poller *poller, const struct settings *settings) {
    memset(e, 0, sizeof *e);
    e->batch_max = (size_t)settings->otel_bsp_max_export_batch_size;
    e->gather_ms = settings->otel_bsp_schedule_delay;
    e->call_ms = settings->otel_exporter_otlp_timeout;
    e->batch_ms = settings->otel_bsp_export_timeout;
    span_queue_init(&e->queue, (size_t)settings->otel_bsp_max_queue_size);
    if (!otlp_init(&e->otlp, settings) || !http_init(&e->http, poller, false)) {
        log_error("cannot start: out of memory");
        otlp_exit(&e->otlp);
        return false;
    }
    if (inbox_init(&e->inbox, poller, settings->guard_trace_socket, take_datagram, e))
        return true;
    http_exit(&e->http);
    otlp_exit(&e->otlp);
    return false;
}

void exporter_exit(struct exporter *e) {
    const size_t left = e->queue.count + e->spans;
    if (left > 0)
        log_warn("ended with %zu spans that the collector did not take", left);
    count(METRICS_SPANS_DROPPED, left);
    http_exit(&e->http);
    inbox_exit(&e->inbox);
    span_queue_exit(&e->queue);
    otlp_exit(&e->otlp);
    buffer_free(&e->body);
}

void exporter_stop(struct exporter *e, mono_time now) {
    if (e->draining)
        return;
    e->draining = true;
    e->give_up_at = mono_after_ms(now, DRAIN_MS);
    inbox_drain(&e->inbox);
}

bool exporter_is_done(const struct exporter *e) {
    const bool is_empty = e->state == EXPORTER_GATHERING && e->queue.count == 0;
    return e->draining && (is_empty || !mono_is_before(mono_now(), e->give_up_at));
}
