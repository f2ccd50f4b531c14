/*
 * tenants.h: which tenant is counted where. There is one directory for all processes, in the cells
 * that they share (slots.h); each counts in cells of its own, one for each place in the directory
 * and one behind them for all tenants that have none.
 *
 *   free --tenants_place() of a tenant without a place--> taken by that tenant, for good
 *
 * So there are never more series than places, and none of them ever falls.
 */
#ifndef METRICS_TENANTS_H
#define METRICS_TENANTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/id.h"
#include "metrics/slots.h"

/* The most places there can be: the greatest AVAILABILITY_GUARD_METRICS_TENANTS_MAX. */
#define TENANTS_MAX 1000

/* Of so many places: the cells of the directory, and those in which a process counts. */
static inline size_t tenants_directory_cells(size_t places) {
    return places * 2;
}

static inline size_t tenants_own_cells(size_t places) {
    return places == 0 ? 0 : places + 1;
}

/* How many places there are; 0: conflicts are not counted by tenant. */
static inline size_t tenants_places(const struct slots *s) {
    return slots_shared_count(s) / tenants_directory_cells(1);
}

/*
 * The place of the tenant, which takes a free one if it has none; `places` if there is none left.
 * Several processes may do this at once, and may be killed in the middle of it: no tenant ever has
 * two places, and a place that was being taken waits for its tenant. An id of which one half is all
 * zeros, which no version of RFC 9562 has but the nil one, gets no place.
 */
size_t tenants_place(slots_cell *directory, size_t places, const struct id *tenant);

/* Whose place it is. False: it is free. */
MUST_CHECK bool tenants_at(slots_cell *directory, size_t place, struct id *tenant);

#endif
