/* delivery.c: see delivery.h. */
#include "notifier/delivery.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "http/retry.h"
#include "kafka/consume_span.h"
#include "metrics/metrics.h"
#include "notifier/call_span.h"
#include "notifier/dispatch.h"
#include "trace/tracing.h"

static void review(struct delivery *d);
static void finish(struct delivery *d);

/* --- legs ---------------------------------------------------------------------------------- */

static bool is_under_way(const struct leg *leg) {
    return leg->state == LEG_READY || leg->state == LEG_CALLING || leg->state == LEG_WAITING;
}

static bool has_failed(const struct leg *leg) {
    return leg->state == LEG_EXHAUSTED || leg->state == LEG_REFUSED;
}

static struct delivery *delivery_of_letter(struct dead_letter *letter) {
    return (struct delivery *)((char *)letter - offsetof(struct delivery, letter));
}

static struct delivery *delivery_of_look_up(struct ledger_request *request) {
    return (struct delivery *)((char *)request - offsetof(struct delivery, look_up));
}

static struct leg *leg_of_note(struct ledger_request *request) {
    return (struct leg *)((char *)request - offsetof(struct leg, note));
}

static void note(struct leg *leg, enum ledger_state state) {
    struct delivery *d = leg->delivery;
    leg->note.state = state;
    leg->note.attempts = leg->attempts;
    d->notes++;
    ledger_ask(&d->dispatch->ledger, &leg->note);
}

static void take_noted(struct ledger_request *request) {
    struct delivery *d = leg_of_note(request)->delivery;
    d->notes--;
    if (d->state == DELIVERY_NOTING)
        finish(d);
    else if (d->leaving)
        review(d);
}

static void make_ready(struct leg *leg) {
    leg->state = LEG_READY;
    TAILQ_INSERT_TAIL(dispatch_queue(leg->delivery->dispatch, leg), leg, link);
}

/* Whatever it was about to do. A call under way goes on. */
static void give_up(struct leg *leg) {
    if (leg->state == LEG_READY)
        TAILQ_REMOVE(dispatch_queue(leg->delivery->dispatch, leg), leg, link);
    if (leg->state == LEG_READY || leg->state == LEG_WAITING)
        leg->state = LEG_EXHAUSTED;
}

static size_t delivery_cell(const struct leg *leg, enum metrics_delivery status) {
    return metrics_delivery_cell((enum metrics_channel)leg->endpoint->channel, status);
}

/* A leg, or none: the whole delivery. */
static struct log_subject subject_of(const struct delivery *d, const struct leg *leg) {
    return (struct log_subject){
        .tenant_id = d->tenant_id,
        .event_id = d->event_id,
        .operation = leg == NULL ? NULL : leg->endpoint->name,
    };
}

static void succeed(struct leg *leg) {
    struct delivery *d = leg->delivery;
    struct dispatch_counts *counts = &d->dispatch->counts;
    const int64_t lag_us = wall_now_us() - d->sent_at;
    const int64_t lag_ms = lag_us / US_PER_MS;
    char id[ID_TEXT_LENGTH + 1];
    id_format(&d->event_id, id);
    const struct log_subject subject = subject_of(d, leg);
    log_request(LOG_LEVEL_DEBUG, &subject,
                "event %s: %s delivered after %" PRId64 " ms, try %" PRId32, id,
                leg->endpoint->name, lag_ms, leg->attempts);
    leg->state = LEG_DELIVERED;
    counts->delivered[leg->endpoint->channel]++;
    metrics_add(delivery_cell(leg, METRICS_DELIVERY_DELIVERED), 1);
    metrics_delivery_lag(lag_us);
    if (lag_ms > counts->lag_ms_max)
        counts->lag_ms_max = lag_ms;
    note(leg, LEDGER_DELIVERED);
}

static void wait_for_retry(struct leg *leg, int64_t asked_ms) {
    struct dispatch *dispatch = leg->delivery->dispatch;
    const int64_t backoff_ms =
        dispatch->settings->availability_guard_notification_consumer_retry_backoff_ms;
    leg->state = LEG_WAITING;
    leg->due = mono_after_ms(mono_now(),
                             retry_pause_ms(backoff_ms, leg->tries, asked_ms, (uint32_t)random()));
    dispatch_wake_at(dispatch, leg->due);
}

/* Whether a call that failed must not be repeated by itself. */
static bool is_final(const struct leg *leg, const struct outcome *outcome) {
    return outcome->kind == OUTCOME_PERMANENT || (outcome->uncertain && leg->endpoint->never_twice);
}

static void fail(struct leg *leg, const struct outcome *outcome) {
    struct delivery *d = leg->delivery;
    const struct settings *settings = d->dispatch->settings;
    const bool doubtful = outcome->kind == OUTCOME_TRANSIENT && is_final(leg, outcome);
    char id[ID_TEXT_LENGTH + 1];
    id_format(&d->event_id, id);
    (void)snprintf(leg->reason, sizeof leg->reason, "%s%s", outcome->reason,
                   doubtful ? ", may have been sent" : "");
    const struct log_subject subject = subject_of(d, leg);
    log_request(LOG_LEVEL_DEBUG, &subject, "event %s: %s failed, try %" PRId32 ": %s", id,
                leg->endpoint->name, leg->attempts, leg->reason);
    d->dispatch->counts.failed_tries++;
    if (is_final(leg, outcome))
        leg->state = LEG_REFUSED;
    else if (d->leaving ||
             leg->tries > settings->availability_guard_notification_consumer_max_retries)
        leg->state = LEG_EXHAUSTED;
    else
        wait_for_retry(leg, outcome->asked_ms);
}

static void take_outcome(struct leg *leg, const struct outcome *outcome) {
    leg->tries++;
    leg->attempts++;
    if (outcome->kind == OUTCOME_DELIVERED)
        succeed(leg);
    else
        fail(leg, outcome);
    review(leg->delivery);
}

static void take_call(void *context, const struct outcome *outcome) {
    struct leg *leg = context;
    endpoint_note(leg->endpoint, outcome, mono_now());
    call_span_tell(&leg->trace, leg->endpoint->name, leg->called, leg->attempts, outcome);
    take_outcome(leg, outcome);
}

/* Reading the event again gives the same body again, and nothing has to be kept meanwhile. */
static char *make_body(const struct leg *leg, size_t *length) {
    struct announcement a;
    struct event_error error;
    if (announcement_read(&a, leg->delivery->record, &error) != EVENT_OK)
        return NULL;
    char *body = announcement_body(&a, leg->endpoint->channel, length);
    announcement_exit(&a);
    return body;
}

static bool call(struct leg *leg) {
    struct dispatch *dispatch = leg->delivery->dispatch;
    size_t length = 0;
    char *body = make_body(leg, &length);
    leg->called = mono_now();
    tracing_branch(&leg->trace, &leg->delivery->trace);
    const bool called =
        body != NULL &&
        endpoint_call(leg->endpoint, &dispatch->http, &dispatch->signer, &leg->delivery->event_id,
                      trace_context_text(&leg->trace.context), (struct text_span){body, length},
                      take_call, leg);
    free(body);
    return called;
}

void leg_call(struct leg *leg, mono_time now) {
    struct outcome outcome;
    leg->state = LEG_CALLING;
    if (!breaker_admits(&leg->endpoint->breaker, now)) {
        outcome_transient(&outcome, "left alone after failures");
        take_outcome(leg, &outcome);
    } else if (!call(leg)) {
        (void)breaker_fail(&leg->endpoint->breaker, now);
        outcome_transient(&outcome, "out of memory");
        take_outcome(leg, &outcome);
    }
}

/* --- what follows from all legs ------------------------------------------------------------ */

/* Every channel that is used has failed, and none for good. */
static bool is_world_ill(const struct delivery *d) {
    for (int i = 0; i < RECIPIENT_CHANNELS; i++) {
        if (d->legs[i].state != LEG_UNUSED && d->legs[i].state != LEG_EXHAUSTED)
            return false;
    }
    return true;
}

static void park(struct delivery *d) {
    const struct settings *s = d->dispatch->settings;
    const int tries = (int)s->availability_guard_notification_consumer_max_retries + 1 + d->rounds;
    const int64_t pause_ms =
        retry_pause_ms(s->availability_guard_notification_consumer_retry_backoff_ms, tries,
                       RETRY_NOT_ASKED, (uint32_t)random());
    char id[ID_TEXT_LENGTH + 1];
    id_format(&d->event_id, id);
    const struct log_subject subject = subject_of(d, NULL);
    log_request(d->rounds == 0 ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, &subject,
                "event %s: no channel can be reached; it is kept, and begins anew in %" PRId64
                " ms",
                id, pause_ms);
    if (d->rounds < INT16_MAX)
        d->rounds++;
    d->state = DELIVERY_PARKED;
    d->due = mono_after_ms(mono_now(), pause_ms);
    d->dispatch->counts.parked++;
    metrics_add(METRICS_CELL(notification_parked), 1);
    dispatch_wake_at(d->dispatch, d->due);
}

/* "email: HTTP status 400; sms: Timeout was reached" */
static void describe_failures(struct delivery *d) {
    struct dead_letter *letter = &d->letter;
    size_t length = 0;
    int failures = 0;
    letter->attempts = 0;
    for (int i = 0; i < RECIPIENT_CHANNELS; i++) {
        const struct leg *leg = &d->legs[i];
        if (!has_failed(leg))
            continue;
        const int printed =
            snprintf(letter->reason + length, sizeof letter->reason - length, "%s%s: %s",
                     failures > 0 ? "; " : "", leg->endpoint->name, leg->reason);
        length += printed > 0 ? (size_t)printed : 0;
        assert(length < sizeof letter->reason);
        letter->attempts += leg->attempts;
        letter->channel = failures == 0 ? leg->endpoint->name : NULL;
        failures++;
    }
}

static void put_letter(struct delivery *d) {
    char id[ID_TEXT_LENGTH + 1];
    d->state = DELIVERY_DEAD_LETTERING;
    if (d->announces) {
        describe_failures(d);
        id_format(&d->event_id, id);
        const struct log_subject subject = subject_of(d, NULL);
        log_request(LOG_LEVEL_WARN, &subject, "event %s: into the dead-letter topic: %s", id,
                    d->letter.reason);
    }
    dead_letters_put(&d->dispatch->dead_letters, &d->letter);
}

static void take_letter(struct dead_letter *letter) {
    struct delivery *d = delivery_of_letter(letter);
    const enum metrics_letter reason =
        d->announces ? METRICS_LETTER_UNDELIVERABLE : METRICS_LETTER_MALFORMED;
    metrics_add(METRICS_CELL(notification_dead_letters) + (size_t)reason, 1);
    d->state = DELIVERY_NOTING;
    for (int i = 0; d->announces && i < RECIPIENT_CHANNELS; i++) {
        if (!has_failed(&d->legs[i]))
            continue;
        d->dispatch->counts.dead[i]++;
        metrics_add(delivery_cell(&d->legs[i], METRICS_DELIVERY_FAILED), 1);
        note(&d->legs[i], LEDGER_DEAD);
    }
    finish(d);
}

static bool has_any_failed(const struct delivery *d) {
    for (int i = 0; i < RECIPIENT_CHANNELS; i++) {
        if (has_failed(&d->legs[i]))
            return true;
    }
    return false;
}

/* It has nothing under way any more, and did not come to its end. */
static void abandon(struct delivery *d) {
    place_abandon(&d->place);
    dispatch_end(d->dispatch, d);
}

/* After a change of a leg: have all come to an end? */
static void review(struct delivery *d) {
    if (d->state != DELIVERY_CALLING)
        return;
    for (int i = 0; i < RECIPIENT_CHANNELS; i++) {
        if (is_under_way(&d->legs[i]))
            return;
    }
    if (!has_any_failed(d)) {
        d->state = DELIVERY_NOTING;
        finish(d);
    } else if (d->leaving) {
        if (d->notes == 0)
            abandon(d);
    } else if (is_world_ill(d) && !d->dispatch->replay) {
        park(d);
    } else {
        put_letter(d);
    }
}

static void tell(const struct delivery *d, enum metrics_message status) {
    const char *error = d->announces ? "undeliverable" : "malformed";
    consume_span_tell(&d->trace, d->record,
                      d->dispatch->settings->availability_guard_notification_consumer_group,
                      d->taken, metrics_messages->values[status],
                      status == METRICS_MESSAGE_FAILED ? error : NULL);
}

static void finish(struct delivery *d) {
    struct dispatch_counts *counts = &d->dispatch->counts;
    enum metrics_message status = METRICS_MESSAGE_FAILED;
    bool delivered = false;
    if (d->notes > 0)
        return;
    for (int i = 0; i < RECIPIENT_CHANNELS; i++)
        delivered = delivered || d->legs[i].state == LEG_DELIVERED;
    if (!d->announces) {
        counts->malformed++;
    } else if (has_any_failed(d)) {
        counts->events_failed++;
    } else if (delivered) {
        counts->events_delivered++;
        status = METRICS_MESSAGE_PROCESSED;
    } else {
        counts->skipped++;
        status = METRICS_MESSAGE_SKIPPED;
    }
    metrics_add(METRICS_CELL(notification_messages) + (size_t)status, 1);
    tell(d, status);
    place_settle(&d->place);
    dispatch_end(d->dispatch, d);
}

/* --- beginning ----------------------------------------------------------------------------- */

static bool is_served(const struct delivery *d, enum ledger_state found) {
    return found == LEDGER_DELIVERED || (found == LEDGER_DEAD && !d->dispatch->replay);
}

static void take_look_up(struct ledger_request *request) {
    struct delivery *d = delivery_of_look_up(request);
    d->state = DELIVERY_CALLING;
    for (int i = 0; i < RECIPIENT_CHANNELS; i++) {
        struct leg *leg = &d->legs[i];
        if (leg->state == LEG_UNUSED)
            continue;
        leg->tries = 0;
        if (is_served(d, request->found[i]))
            leg->state = LEG_SERVED;
        else
            make_ready(leg);
    }
    review(d);
}

void delivery_begin(struct delivery *d) {
    if (!d->announces) {
        put_letter(d);
    } else if (dispatch_is_behind(d->dispatch, d)) {
        d->state = DELIVERY_QUEUED;
    } else {
        d->state = DELIVERY_ASKING;
        ledger_ask(&d->dispatch->ledger, &d->look_up);
    }
}

void delivery_wake(struct delivery *d, mono_time now, mono_time *next) {
    if (d->state == DELIVERY_PARKED) {
        if (mono_is_before(now, d->due))
            *next = mono_earlier(*next, d->due);
        else
            delivery_begin(d);
        return;
    }
    for (int i = 0; d->state == DELIVERY_CALLING && i < RECIPIENT_CHANNELS; i++) {
        struct leg *leg = &d->legs[i];
        if (leg->state != LEG_WAITING)
            continue;
        if (mono_is_before(now, leg->due))
            *next = mono_earlier(*next, leg->due);
        else
            make_ready(leg);
    }
}

static struct leg make_leg(struct delivery *d, struct endpoint *endpoint, bool wanted) {
    return (struct leg){
        .delivery = d,
        .endpoint = endpoint,
        .state = wanted ? LEG_WAITING : LEG_UNUSED,
        .due = MONO_NEVER,
        .note =
            {
                .kind = LEDGER_NOTE,
                .tenant_id = d->tenant_id,
                .event_id = d->event_id,
                .channel = endpoint->channel,
                .done = take_noted,
            },
    };
}

static void take_announcement(struct delivery *d, const struct announcement *a) {
    d->announces = true;
    d->tenant_id = a->event.tenant_id;
    d->event_id = a->event_id;
    d->sent_at = a->event.sent_at;
    d->look_up = (struct ledger_request){
        .kind = LEDGER_LOOK_UP,
        .tenant_id = d->tenant_id,
        .event_id = d->event_id,
        .done = take_look_up,
    };
}

struct delivery *delivery_new(struct dispatch *dispatch, struct record *record,
                              const struct announcement *a, const bool wanted[RECIPIENT_CHANNELS],
                              const char *problem) {
    struct delivery *d = calloc(1, sizeof *d);
    if (d == NULL)
        return NULL;
    d->dispatch = dispatch;
    d->record = record;
    d->taken = mono_now();
    tracing_go_on(&d->trace, record_header(record, CONSUME_SPAN_HEADER));
    d->due = MONO_NEVER;
    d->letter.record = record;
    d->letter.done = take_letter;
    if (a != NULL)
        take_announcement(d, a);
    else
        (void)snprintf(d->letter.reason, sizeof d->letter.reason, "malformed: %s", problem);
    for (int i = 0; i < RECIPIENT_CHANNELS; i++)
        d->legs[i] = make_leg(d, &dispatch->endpoints[i], a != NULL && wanted[i]);
    return d;
}

void delivery_free(struct delivery *d) {
    ledger_forget(&d->dispatch->ledger, &d->look_up);
    for (int i = 0; i < RECIPIENT_CHANNELS; i++) {
        give_up(&d->legs[i]);
        ledger_forget(&d->dispatch->ledger, &d->legs[i].note);
    }
    free(d->record);
    free(d);
}

void delivery_leave(struct delivery *d) {
    d->leaving = true;
    switch (d->state) {
    case DELIVERY_QUEUED:
    case DELIVERY_ASKING:
    case DELIVERY_PARKED:
        abandon(d);
        break;
    case DELIVERY_CALLING:
        for (int i = 0; i < RECIPIENT_CHANNELS; i++)
            give_up(&d->legs[i]);
        review(d);
        break;
    case DELIVERY_DEAD_LETTERING:
        if (dead_letters_forget(&d->dispatch->dead_letters, &d->letter))
            abandon(d);
        break;
    case DELIVERY_NOTING:
        break;
    }
}
