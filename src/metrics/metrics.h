/*
 * metrics.h: what a process counts. Each call is a few additions to memory that only this process
 * writes to (see slots.h); table.h lists what there is to count.
 *
 * Before metrics_init(), and when the shared file cannot be used, counting goes on in memory that
 * nobody sees: no caller has to care. Only one thread may count.
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/settings.h"
#include "metrics/slots.h"
#include "metrics/table.h"

/* Begins to count as this program, in the file GUARD_METRICS_FILE, and sets what is known at the
 * start. If the file cannot be used that is logged once. */
void metrics_init(enum metrics_program program, const struct settings *settings);

/* Leaves the slot: gauges of this process are not shown any more. */
void metrics_exit(void);

/* The slots of all processes, or NULL when the file is not in use. */
const struct slots *metrics_slots(void);

/* --- any metric: see METRICS_CELL() ------------------------------------------------------ */

/* A counter. */
void metrics_add(size_t cell, uint64_t count);

/* A gauge. METRICS_UNSET: it says nothing any more. */
void metrics_set(size_t cell, int64_t value);

/* --- what happens in the guard and wherever commands are carried out --------------------- */

/* A request was answered, that many microseconds after it came. Counts a conflict of locks, too. */
void metrics_request(enum metrics_operation operation, enum metrics_result result, int64_t us);

/* One of these conflicts was this tenant's: beside the above, where conflicts are counted by tenant
 * at all. */
void metrics_tenant_conflict(const struct id *tenant);

/* A statement with so many commands was sent. */
void metrics_batch(enum metrics_statement statement, size_t commands);
/* A command has waited so long before it was first sent. */
void metrics_queued(enum metrics_statement statement, int64_t us);
/* A statement was answered after so long. */
void metrics_statement(enum metrics_statement statement, int64_t us);

/* A message of the command topic has come to its outcome so long after it was received, which says
 * nothing where it was skipped. Counts a conflict of locks, too. */
void metrics_command(enum metrics_command command, enum metrics_outcome outcome, int64_t us);

/* --- what happens in the notifier -------------------------------------------------------- */

static inline size_t metrics_delivery_cell(enum metrics_channel channel,
                                           enum metrics_delivery status) {
    return METRICS_CELL(notification_deliveries) + (size_t)channel * METRICS_DELIVERY_COUNT +
           (size_t)status;
}

/* A webhook has taken an announcement so long after the release. */
void metrics_delivery_lag(int64_t us);

#endif
