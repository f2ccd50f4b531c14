/*
 * mark.h: up to which number the rows of the outbox are settled: no row up to it can appear any
 * more that a new snapshot does not see.
 *
 * A number counts as settled when, after it had been drawn, the transactions were noted that were
 * writing to the outbox, and all of these have ended since: guard.outbox_writers() in
 * sql/migrations/0012_streams.sql says why. Transactions that write elsewhere, or only read, do not
 * count, however long they stay open. One that has written here and stays open keeps the mark where
 * it is.
 */
#ifndef RELAY_MARK_H
#define RELAY_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "db/params.h"
#include "relay/outbox.h"

/* Zeroed memory is one that knows nothing. */
struct mark {
    int64_t settled;
    int64_t seen;         /* a number that has been drawn */
    int64_t next;         /* is settled when these have ended: */
    struct buffer before; /* who was writing after it had been drawn; empty: nobody */
    bool known;           /* not as little as at the beginning */
};

void mark_free(struct mark *m);
/* Knows nothing any more. */
void mark_reset(struct mark *m);

/* This number has been drawn, and no greater one before. */
void mark_see(struct mark *m, int64_t top);

/* Whether there is anything to be gained by asking OUTBOX_WRITERS. */
static inline bool mark_lags(const struct mark *m) {
    return !m->known || m->settled < m->seen;
}

/* The parameter of OUTBOX_WRITERS. */
void mark_put(const struct mark *m, struct params *p);
void mark_take(struct mark *m, const struct outbox_writers *writers);

#endif
