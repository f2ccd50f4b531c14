/* tally.c: see tally.h. */
#include "commands/tally.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "metrics/metrics.h"

#define REPORT_EVERY_MS ((int64_t)60 * 1000)

static const char *const outcome_names[TALLY_OUTCOMES] = {
    [TALLY_LOCKED] = "locked",       [TALLY_CONFLICT] = "conflict",   [TALLY_RELEASED] = "released",
    [TALLY_NOT_FOUND] = "not_found", [TALLY_DUPLICATE] = "duplicate", [TALLY_SKIPPED] = "skipped",
    [TALLY_INVALID] = "invalid",     [TALLY_REFUSED] = "refused",     [TALLY_FAILED] = "failed",
};

static const enum metrics_outcome metrics_outcomes[TALLY_OUTCOMES] = {
    [TALLY_LOCKED] = METRICS_OUTCOME_SUCCESS,      [TALLY_CONFLICT] = METRICS_OUTCOME_CONFLICT,
    [TALLY_RELEASED] = METRICS_OUTCOME_SUCCESS,    [TALLY_NOT_FOUND] = METRICS_OUTCOME_NOT_FOUND,
    [TALLY_DUPLICATE] = METRICS_OUTCOME_DUPLICATE, [TALLY_SKIPPED] = METRICS_OUTCOME_SKIPPED,
    [TALLY_INVALID] = METRICS_OUTCOME_INVALID,     [TALLY_REFUSED] = METRICS_OUTCOME_INVALID,
    [TALLY_FAILED] = METRICS_OUTCOME_ERROR,
};

static const enum metrics_command metrics_commands[ENVELOPE_NAMES] = {
    [ENVELOPE_LOCK] = METRICS_COMMAND_LOCK_ROOM,
    [ENVELOPE_RELEASE] = METRICS_COMMAND_RELEASE_ROOM,
    [ENVELOPE_BULK_RELEASE] = METRICS_COMMAND_RELEASE_BULK,
    [ENVELOPE_OTHER] = METRICS_COMMAND_OTHER,
};

const char *tally_outcome_name(enum tally_outcome outcome) {
    return outcome_names[outcome];
}

void tally_init(struct tally *t, mono_time now) {
    memset(t, 0, sizeof *t);
    t->next_report = mono_after_ms(now, REPORT_EVERY_MS);
}

void tally_count(struct tally *t, enum envelope_name name, enum tally_outcome outcome,
                 int64_t duration_us) {
    metrics_command(metrics_commands[name], metrics_outcomes[outcome], duration_us);
    if (outcome == TALLY_INVALID || outcome == TALLY_REFUSED || outcome == TALLY_FAILED)
        metrics_add(METRICS_CELL(command_dead_letters), 1);
    t->figures.counts[outcome]++;
    if (outcome != TALLY_SKIPPED && duration_us > t->figures.duration_us_max)
        t->figures.duration_us_max = duration_us;
}

void tally_retry(struct tally *t) {
    t->figures.retries++;
}

void tally_lag(struct tally *t, int64_t messages, int64_t oldest_us) {
    metrics_set(METRICS_CELL(command_consumer_lag), messages);
    metrics_set(METRICS_CELL(command_oldest), oldest_us);
    t->lag = messages;
}

void tally_report(struct tally *t, mono_time now) {
    static const struct tally_figures nothing;
    const int64_t *n = t->figures.counts;
    if (memcmp(&t->figures, &nothing, sizeof nothing) != 0 || t->lag > 0)
        log_info("%" PRId64 " locked, %" PRId64 " conflicts, %" PRId64 " released, %" PRId64
                 " not found, %" PRId64 " performed before, the slowest after %" PRId64
                 " ms; %" PRId64 " for others; %" PRId64 " invalid, %" PRId64 " refused, %" PRId64
                 " failed; %" PRId64 " tried again; %" PRId64 " behind",
                 n[TALLY_LOCKED], n[TALLY_CONFLICT], n[TALLY_RELEASED], n[TALLY_NOT_FOUND],
                 n[TALLY_DUPLICATE], t->figures.duration_us_max / 1000, n[TALLY_SKIPPED],
                 n[TALLY_INVALID], n[TALLY_REFUSED], n[TALLY_FAILED], t->figures.retries, t->lag);
    t->figures = nothing;
    t->next_report = mono_after_ms(now, REPORT_EVERY_MS);
}

void tally_tick(struct tally *t, mono_time now) {
    if (!mono_is_before(now, t->next_report))
        tally_report(t, now);
}

mono_time tally_deadline(const struct tally *t) {
    return t->next_report;
}
