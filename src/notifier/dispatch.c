/* dispatch.c: see dispatch.h. */
#include "notifier/dispatch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kafka/consume_span.h"
#include "metrics/metrics.h"
#include "notifier/announcement.h"
#include "trace/tracing.h"

#define REPORT_EVERY_MS ((int64_t)60 * 1000)

/* --- deliveries ---------------------------------------------------------------------------- */

struct leg_queue *dispatch_queue(struct dispatch *d, const struct leg *leg) {
    return &d->ready[leg->endpoint->channel];
}

void dispatch_wake_at(struct dispatch *d, mono_time when) {
    d->next_wake = mono_earlier(d->next_wake, when);
}

/* Ids are random enough in their last bytes. */
static struct delivery_list *bucket_of(struct dispatch *d, const struct id *event_id) {
    const unsigned high = event_id->bytes[14];
    return &d->buckets[(high << 8 | event_id->bytes[15]) % DISPATCH_BUCKETS];
}

static bool is_same_event(const struct delivery *a, const struct delivery *b) {
    return a->announces && b->announces && id_equal(&a->event_id, &b->event_id) &&
           id_equal(&a->tenant_id, &b->tenant_id);
}

bool dispatch_is_behind(const struct dispatch *d, const struct delivery *delivery) {
    const struct delivery *other = delivery;
    (void)d;
    while ((other = TAILQ_PREV(other, delivery_list, bucket_link)) != NULL) {
        if (is_same_event(other, delivery))
            return true;
    }
    return false;
}

static void insert(struct dispatch *d, struct delivery *delivery) {
    TAILQ_INSERT_TAIL(&d->deliveries, delivery, link);
    TAILQ_INSERT_TAIL(bucket_of(d, &delivery->event_id), delivery, bucket_link);
    d->count++;
    d->bytes += delivery->record->size;
}

static struct delivery *next_of_event(const struct delivery *delivery) {
    struct delivery *other = TAILQ_NEXT(delivery, bucket_link);
    while (other != NULL && !is_same_event(other, delivery))
        other = TAILQ_NEXT(other, bucket_link);
    return other;
}

void dispatch_end(struct dispatch *d, struct delivery *delivery) {
    struct delivery *next = next_of_event(delivery);
    TAILQ_REMOVE(&d->deliveries, delivery, link);
    TAILQ_REMOVE(bucket_of(d, &delivery->event_id), delivery, bucket_link);
    d->count--;
    d->bytes -= delivery->record->size;
    delivery_free(delivery);
    if (next != NULL && next->state == DELIVERY_QUEUED && !next->leaving)
        delivery_begin(next);
}

bool dispatch_is_full(const struct dispatch *d) {
    return d->count >= DISPATCH_EVENTS_MAX || d->bytes >= DISPATCH_BYTES_MAX;
}

bool dispatch_has_room(const struct dispatch *d) {
    return d->count <= DISPATCH_EVENTS_MAX / 4 * 3 && d->bytes <= DISPATCH_BYTES_MAX / 4 * 3;
}

/* --- messages ------------------------------------------------------------------------------ */

/* A letter for one channel only is for that one only. */
static bool is_meant(const struct dispatch *d, const struct record *record, const char *channel) {
    const struct text_span only = record_header(record, "dlq-channel");
    return !d->replay || only.data == NULL ||
           (only.length == strlen(channel) && memcmp(only.data, channel, only.length) == 0);
}

/* Which channels are to be called. Returns whether any is. */
static bool choose_channels(struct dispatch *d, const struct record *record,
                            const struct announcement *a, bool wanted[RECIPIENT_CHANNELS]) {
    bool any = false;
    for (int i = 0; i < RECIPIENT_CHANNELS; i++) {
        const struct endpoint *e = &d->endpoints[i];
        const bool told = a->recipients.counts[i] > 0 && e->enabled && is_meant(d, record, e->name);
        wanted[i] = told && *e->url != '\0';
        if (told && !wanted[i]) {
            d->counts.without_url++;
            if (!d->dry_run)
                metrics_add(
                    metrics_delivery_cell((enum metrics_channel)i, METRICS_DELIVERY_SKIPPED), 1);
        }
        any = any || wanted[i];
    }
    return any;
}

/* So many are named in a line. */
#define NAMED_MAX 10

/* Appends who is told over the channel: ": g***@hotel.example, …". */
static void name_recipients(struct buffer *b, const struct recipients *all,
                            enum recipient_channel channel) {
    char shown[MASK_MAX];
    size_t named = 0;
    for (size_t i = 0; i < all->count && named <= NAMED_MAX; i++) {
        if (all->items[i]->channel != channel)
            continue;
        buffer_append_text(b, named == 0 ? ": " : ", ");
        buffer_append_text(b,
                           named == NAMED_MAX ? "…" : log_contact(shown, all->items[i]->address));
        named++;
    }
    buffer_append_char(b, '\0');
}

static void log_recipients(const struct announcement *a, const char *what, const char *name,
                           enum recipient_channel channel) {
    const struct log_subject subject = {
        .tenant_id = a->event.tenant_id, .event_id = a->event_id, .lock_id = a->event.lock_id};
    char id[ID_TEXT_LENGTH + 1];
    char lock[ID_TEXT_LENGTH + 1];
    struct buffer names;
    buffer_init(&names);
    id_format(&a->event_id, id);
    id_format(&a->event.lock_id, lock);
    name_recipients(&names, &a->recipients, channel);
    log_request(LOG_LEVEL_INFO, &subject, "%s: event %s, lock %s: %s to %zu recipients%s", what, id,
                lock, name, a->recipients.counts[channel], names.failed ? "" : names.data);
    buffer_free(&names);
}

static void log_dry_run(const struct dispatch *d, const struct record *record,
                        const struct announcement *a) {
    for (int i = 0; i < RECIPIENT_CHANNELS; i++) {
        const struct endpoint *e = &d->endpoints[i];
        if (a->recipients.counts[i] == 0 || !e->enabled || !is_meant(d, record, e->name))
            continue;
        metrics_add(metrics_delivery_cell((enum metrics_channel)i, METRICS_DELIVERY_DRY_RUN), 1);
        log_recipients(a, "dry run", e->name, (enum recipient_channel)i);
    }
}

static void run_out_of_memory(struct dispatch *d, struct partition *partition,
                              const rd_kafka_message_t *m) {
    log_error("out of memory");
    d->failed = true;
    partition_skip(partition, m);
}

/* Takes the record over; delivery is NULL when there was no memory for it. */
static void deliver(struct dispatch *d, struct partition *partition, const rd_kafka_message_t *m,
                    struct record *record, struct delivery *delivery) {
    if (delivery == NULL) {
        free(record);
        run_out_of_memory(d, partition, m);
        return;
    }
    place_take(&delivery->place, partition, m);
    insert(d, delivery);
    delivery_begin(delivery);
}

static void count_message(enum metrics_message status) {
    metrics_add(METRICS_CELL(notification_messages) + (size_t)status, 1);
}

/* There is nothing to be done with it. */
static void skip(const struct dispatch *d, struct record *record, mono_time taken,
                 const char *why) {
    struct trace trace = {.sampled = false};
    tracing_go_on(&trace, record_header(record, CONSUME_SPAN_HEADER));
    consume_span_tell(&trace, record, d->settings->availability_guard_notification_consumer_group,
                      taken, why, NULL);
    count_message(METRICS_MESSAGE_SKIPPED);
    free(record);
}

/* Takes the record over, or frees it. */
static void take_announcement(struct dispatch *d, struct partition *partition,
                              const rd_kafka_message_t *m, struct record *record,
                              const struct announcement *a) {
    bool wanted[RECIPIENT_CHANNELS];
    const size_t unroutable = a->recipients.counts[RECIPIENT_UNROUTABLE];
    d->counts.unroutable += (int64_t)unroutable;
    metrics_add(METRICS_CELL(notification_unroutable), unroutable);
    const mono_time taken = mono_now();
    if (unroutable > 0)
        log_recipients(a, "not to be reached", "no channel", RECIPIENT_UNROUTABLE);
    const bool any = choose_channels(d, record, a, wanted);
    if (d->dry_run) {
        log_dry_run(d, record, a);
        d->counts.dry_runs++;
        if (d->replay) /* it still is to be replayed */
            partition_skip(partition, m);
        skip(d, record, taken, "dry_run");
        return;
    }
    if (!any) {
        d->counts.skipped++;
        skip(d, record, taken, "skipped");
        return;
    }
    deliver(d, partition, m, record, delivery_new(d, record, a, wanted, NULL));
}

/* Takes the record over, or frees it. */
static void take_malformed(struct dispatch *d, struct partition *partition,
                           const rd_kafka_message_t *m, struct record *record,
                           const char *problem) {
    log_warn("%s, partition %" PRId32 ", offset %" PRId64 ": malformed: %s", record->topic,
             record->partition, record->offset, problem);
    if (d->replay) {
        d->counts.malformed++;
        count_message(METRICS_MESSAGE_FAILED);
        free(record);
        return;
    }
    deliver(d, partition, m, record, delivery_new(d, record, NULL, NULL, problem));
}

void dispatch_take(struct dispatch *d, struct partition *partition, const rd_kafka_message_t *m) {
    struct announcement a;
    struct event_error error = {""};
    struct record *record = record_copy(m);
    d->counts.received++;
    if (record == NULL) {
        run_out_of_memory(d, partition, m);
        return;
    }
    switch (announcement_read(&a, record, &error)) {
    case EVENT_OK:
        take_announcement(d, partition, m, record, &a);
        announcement_exit(&a);
        break;
    case EVENT_MALFORMED:
        take_malformed(d, partition, m, record, error.text);
        break;
    case EVENT_NO_MEMORY:
        free(record);
        run_out_of_memory(d, partition, m);
        break;
    }
}

/* --- time ---------------------------------------------------------------------------------- */

static void wake_due(struct dispatch *d, mono_time now) {
    if (mono_is_before(now, d->next_wake))
        return;
    mono_time next = MONO_NEVER;
    struct delivery *delivery = TAILQ_FIRST(&d->deliveries);
    d->next_wake = MONO_NEVER;
    while (delivery != NULL) {
        struct delivery *following = TAILQ_NEXT(delivery, link);
        delivery_wake(delivery, now, &next);
        delivery = following;
    }
    dispatch_wake_at(d, next);
}

static void call_ready(struct dispatch *d, mono_time now) {
    for (int i = 0; i < RECIPIENT_CHANNELS; i++) {
        while (!TAILQ_EMPTY(&d->ready[i]) && endpoint_is_ready(&d->endpoints[i], now)) {
            struct leg *leg = TAILQ_FIRST(&d->ready[i]);
            TAILQ_REMOVE(&d->ready[i], leg, link);
            leg_call(leg, now);
        }
    }
}

static int64_t sum(const int64_t counts[RECIPIENT_CHANNELS]) {
    int64_t total = 0;
    for (int i = 0; i < RECIPIENT_CHANNELS; i++)
        total += counts[i];
    return total;
}

/* What was done since the last time, if anything was. */
static void report(struct dispatch *d, mono_time now) {
    const struct dispatch_counts *c = &d->counts;
    const struct dispatch_counts *r = &d->reported;
    if (memcmp(c, r, sizeof *c) != 0)
        log_info("received %" PRId64 " events, made %" PRId64 " deliveries, the slowest %" PRId64
                 " ms after its release; %" PRId64 " tries failed, %" PRId64
                 " deliveries given up; %" PRId64 " events malformed, %" PRId64
                 " with nothing to do, %" PRId64 " kept for later; %" PRId64
                 " times no webhook, %" PRId64 " recipients unroutable; %d events under way",
                 c->received - r->received, sum(c->delivered) - sum(r->delivered), c->lag_ms_max,
                 c->failed_tries - r->failed_tries, sum(c->dead) - sum(r->dead),
                 c->malformed - r->malformed, c->skipped - r->skipped, c->parked - r->parked,
                 c->without_url - r->without_url, c->unroutable - r->unroutable, d->count);
    d->counts.lag_ms_max = 0;
    d->reported = d->counts;
    d->next_report = mono_after_ms(now, REPORT_EVERY_MS);
}

static void show(const struct dispatch *d) {
    metrics_set(METRICS_CELL(notification_under_way), d->count);
    for (size_t i = 0; i < RECIPIENT_CHANNELS; i++) {
        for (size_t state = 0; state < METRICS_BREAKER_COUNT; state++)
            metrics_set(METRICS_CELL(notification_breakers) + i * METRICS_BREAKER_COUNT + state,
                        state == (size_t)d->endpoints[i].breaker.state);
    }
}

void dispatch_tick(struct dispatch *d, mono_time now) {
    http_tick(&d->http, now);
    wake_due(d, now);
    call_ready(d, now);
    if (!d->dry_run)
        ledger_tick(&d->ledger, now);
    dead_letters_tick(&d->dead_letters, now);
    show(d);
    if (!mono_is_before(now, d->next_report))
        report(d, now);
}

static mono_time earliest_hold(const struct dispatch *d) {
    mono_time due = MONO_NEVER;
    for (int i = 0; i < RECIPIENT_CHANNELS; i++) {
        if (!TAILQ_EMPTY(&d->ready[i]) && d->endpoints[i].calls < ENDPOINT_CALLS_MAX)
            due = mono_earlier(due, d->endpoints[i].hold_until);
    }
    return due;
}

mono_time dispatch_deadline(const struct dispatch *d) {
    mono_time due = mono_earlier(d->next_wake, d->next_report);
    due = mono_earlier(due, earliest_hold(d));
    due = mono_earlier(due, http_deadline(&d->http));
    due = mono_earlier(due, dead_letters_deadline(&d->dead_letters));
    return d->dry_run ? due : mono_earlier(due, ledger_deadline(&d->ledger));
}

void dispatch_leave(struct dispatch *d, const struct partition *partition) {
    struct delivery *delivery = TAILQ_FIRST(&d->deliveries);
    while (delivery != NULL) {
        struct delivery *following = TAILQ_NEXT(delivery, link);
        if ((partition == NULL || delivery->place.partition == partition) && !delivery->leaving)
            delivery_leave(delivery);
        delivery = following;
    }
}

/* --- beginning and end --------------------------------------------------------------------- */

const char *dispatch_check(const struct settings *settings) {
    return endpoint_check(settings);
}

static void tell_unused(const struct endpoint *e) {
    if (e->enabled && *e->url == '\0')
        log_warn("%s is enabled but has no webhook: its recipients are not told", e->name);
}

bool dispatch_init(struct dispatch *d, struct poller *poller, const struct settings *settings,
                   const struct conninfo *conninfo, bool replay) {
    memset(d, 0, sizeof *d);
    d->settings = settings;
    d->replay = replay;
    d->dry_run = settings->availability_guard_notification_dry_run;
    d->next_wake = MONO_NEVER;
    d->next_report = mono_after_ms(mono_now(), REPORT_EVERY_MS);
    TAILQ_INIT(&d->deliveries);
    for (int i = 0; i < DISPATCH_BUCKETS; i++)
        TAILQ_INIT(&d->buckets[i]);
    for (int i = 0; i < RECIPIENT_CHANNELS; i++) {
        TAILQ_INIT(&d->ready[i]);
        endpoint_init(&d->endpoints[i], settings, (enum recipient_channel)i);
        tell_unused(&d->endpoints[i]);
    }
    const char *wrong =
        signer_init(&d->signer, settings->availability_guard_notification_signing_secret);
    if (wrong != NULL) {
        log_error("signing: %s", wrong);
        signer_exit(&d->signer);
        return false;
    }
    if (!http_init(&d->http, poller,
                   settings->availability_guard_notification_refuse_private_addresses)) {
        log_error("libcurl does not start");
        signer_exit(&d->signer);
        return false;
    }
    if (!dead_letters_init(&d->dead_letters, poller, settings,
                           settings->availability_guard_notification_dlq_topic)) {
        http_exit(&d->http);
        signer_exit(&d->signer);
        return false;
    }
    ledger_init(&d->ledger, poller, settings, conninfo);
    return true;
}

void dispatch_exit(struct dispatch *d) {
    report(d, mono_now());
    /* Before the deliveries: nobody may call them back. */
    http_exit(&d->http);
    dead_letters_exit(&d->dead_letters);
    while (!TAILQ_EMPTY(&d->deliveries)) {
        struct delivery *delivery = TAILQ_FIRST(&d->deliveries);
        place_abandon(&delivery->place);
        TAILQ_REMOVE(&d->deliveries, delivery, link);
        delivery_free(delivery);
    }
    ledger_exit(&d->ledger);
    signer_exit(&d->signer);
}
