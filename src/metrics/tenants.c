/* tenants.c: see tenants.h.
 *
 * An id lies in two cells, each of which goes from 0 to its value once. Who finds the first half of
 * its id with nothing in the second one sets that: it was begun by a process that was killed, or is
 * beginning. Another tenant with the same first half may be quicker, and has the place then. Each
 * tenant looks at the places in an order of its own that never changes, and no place becomes free
 * again: so it always meets the one that it has before a free one. */
#include "metrics/tenants.h"

#include <string.h>

/* Whether the cell has this value now, which it gets if it has none. */
static bool claim(slots_cell *cell, uint64_t value) {
    uint64_t found = atomic_load_explicit(cell, memory_order_acquire);
    if (found == 0 && atomic_compare_exchange_strong_explicit(
                          cell, &found, value, memory_order_acq_rel, memory_order_acquire))
        return true;
    return found == value;
}

size_t tenants_place(slots_cell *directory, size_t places, const struct id *tenant) {
    uint64_t halves[2];
    memcpy(halves, tenant->bytes, sizeof halves);
    if (halves[0] == 0 || halves[1] == 0)
        return places;
    for (size_t i = 0; i < places; i++) {
        const size_t place = (size_t)((halves[1] + i) % places);
        slots_cell *entry = directory + 2 * place;
        if (claim(&entry[0], halves[0]) && claim(&entry[1], halves[1]))
            return place;
    }
    return places;
}

bool tenants_at(slots_cell *directory, size_t place, struct id *tenant) {
    uint64_t halves[2];
    for (size_t i = 0; i < 2; i++)
        halves[i] = atomic_load_explicit(&directory[2 * place + i], memory_order_acquire);
    memcpy(tenant->bytes, halves, sizeof halves);
    return halves[0] != 0 && halves[1] != 0;
}
