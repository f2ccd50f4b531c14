/* metrics.c: see metrics.h. */
#include "metrics/metrics.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/timestamp.h"
#include "metrics/tenants.h"

/* Where a process counts that has no slot. */
static slots_cell unseen[METRICS_CELLS];

static slots_cell *own = unseen;
static struct slots slots;

/* --- cells ------------------------------------------------------------------------------- */

/* Nobody else writes here, so this need not be one step: it is only never to be seen in halves. */
static void add(size_t cell, uint64_t count) {
    const uint64_t before = atomic_load_explicit(&own[cell], memory_order_relaxed);
    atomic_store_explicit(&own[cell], before + count, memory_order_relaxed);
}

void metrics_add(size_t cell, uint64_t count) {
    add(cell, count);
}

void metrics_set(size_t cell, int64_t value) {
    atomic_store_explicit(&own[cell], (uint64_t)value, memory_order_relaxed);
}

/* Bounds are few, and most values are small. A clock that was set back gives no negative sum. */
static void observe(size_t first, const int64_t *bounds, size_t count, int64_t value) {
    size_t bucket = 0;
    while (bucket < count && value > bounds[bucket])
        bucket++;
    add(first + bucket, 1);
    add(first + count + 1, value > 0 ? (uint64_t)value : 0);
}

#define OBSERVE(member, set, index, value)                                                         \
    do {                                                                                           \
        static const int64_t bounds[] = {METRICS_BOUNDS_##set};                                    \
        observe(METRICS_CELL(member) + (size_t)(index)*METRICS_##set##_CELLS, bounds,              \
                METRICS_##set##_BOUNDS, (value));                                                  \
    } while (0)

/* --- facts ------------------------------------------------------------------------------- */

void metrics_request(enum metrics_operation operation, enum metrics_result result, int64_t us) {
    add(METRICS_CELL(requests) + (size_t)operation * METRICS_RESULT_COUNT + (size_t)result, 1);
    if (operation == METRICS_OPERATION_LOCK_ROOM && result == METRICS_RESULT_CONFLICT)
        add(METRICS_CELL(lock_conflicts), 1);
    OBSERVE(request_duration, DURATION, operation, us);
}

void metrics_tenant_conflict(const struct id *tenant) {
    const size_t places = own == unseen ? 0 : tenants_places(&slots);
    if (places > 0)
        add(METRICS_CELLS + tenants_place(slots_shared(&slots), places, tenant), 1);
}

void metrics_batch(enum metrics_statement statement, size_t commands) {
    OBSERVE(batch_size, SIZE, statement, (int64_t)commands);
}

void metrics_queued(enum metrics_statement statement, int64_t us) {
    OBSERVE(queue_time, DURATION, statement, us);
}

void metrics_statement(enum metrics_statement statement, int64_t us) {
    OBSERVE(statement_duration, DURATION, statement, us);
}

void metrics_command(enum metrics_command command, enum metrics_outcome outcome, int64_t us) {
    add(METRICS_CELL(command_outcomes) + (size_t)command * METRICS_OUTCOME_COUNT + (size_t)outcome,
        1);
    if (command == METRICS_COMMAND_LOCK_ROOM && outcome == METRICS_OUTCOME_CONFLICT)
        add(METRICS_CELL(lock_conflicts), 1);
    if (outcome != METRICS_OUTCOME_SKIPPED)
        OBSERVE(command_duration, DURATION, command, us);
}

void metrics_delivery_lag(int64_t us) {
    OBSERVE(notification_lag, LAG, 0, us);
}

/* --- beginning and end ------------------------------------------------------------------- */

/* What another process has left says nothing about this one. */
static void unset_gauges(void) {
    for (size_t i = 0; i < metrics_table_count; i++) {
        const struct metrics_metric *m = &metrics_table[i];
        for (size_t cell = 0; m->type == METRICS_GAUGE && cell < m->cells; cell++)
            metrics_set(m->first + cell, METRICS_UNSET);
    }
}

static void take_slot(enum metrics_program program, const char *path, size_t tenants) {
    const struct slots_layout layout = {.hash = metrics_table_hash(),
                                        .cells = METRICS_CELLS + tenants_own_cells(tenants),
                                        .shared = tenants_directory_cells(tenants)};
    const char *wrong = slots_open(&slots, path, &layout, (uint32_t)program);
    if (wrong == NULL)
        own = slots_own(&slots);
    else
        log_warn("no metrics: %s %s%s%s", path, wrong, errno == 0 ? "" : ": ",
                 errno == 0 ? "" : strerror(errno));
}

void metrics_init(enum metrics_program program, const struct settings *settings) {
    if (settings->guard_metrics_enabled)
        take_slot(program, settings->guard_metrics_file,
                  (size_t)settings->availability_guard_metrics_tenants_max);
    unset_gauges();
    metrics_set(METRICS_CELL(shadow_mode), settings->shadow_mode);
    metrics_set(METRICS_CELL(process_start_time), wall_now_us());
}

void metrics_exit(void) {
    own = unseen;
    slots_close(&slots);
}

const struct slots *metrics_slots(void) {
    return own == unseen || slots_is_lost() ? NULL : &slots;
}
