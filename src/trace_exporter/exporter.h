/*
 * exporter.h: takes the spans that the programs of a machine tell, and sends them to a collector in
 * batches, one at a time.
 *
 *   GATHERING --enough spans, or time--> CALLING --done, or refused--> GATHERING
 *                                          ^  \--failed--> PAUSED
 *                                          +---pause over----/ \--too long--> GATHERING: dropped
 *
 * Meanwhile spans queue up to a bound; further ones are dropped and counted. Nobody ever waits for
 * the exporter.
 */
#ifndef TRACE_EXPORTER_EXPORTER_H
#define TRACE_EXPORTER_EXPORTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/settings.h"
#include "http/client.h"
#include "trace_exporter/inbox.h"
#include "trace_exporter/otlp.h"
#include "trace_exporter/span_queue.h"

enum exporter_state {
    EXPORTER_GATHERING,
    EXPORTER_CALLING,
    EXPORTER_PAUSED, /* until `due` */
};

struct exporter {
    struct http http;
    struct otlp otlp;
    struct inbox inbox;
    struct span_queue queue;
    enum exporter_state state;
    struct buffer body; /* of the call */
    size_t spans;       /* in it */
    int tries;
    mono_time due;
    mono_time give_up_at; /* the batch */
    bool draining;
    bool told; /* that spans are lost */

    /* settings */
    size_t batch_max;
    int64_t gather_ms;
    int64_t call_ms;
    int64_t batch_ms;
};

/* False when something cannot start, which has been logged; there is nothing to end then. The
 * settings must outlive it. Must not move afterwards. */
MUST_CHECK bool exporter_init(struct exporter *e, struct poller *poller,
                              const struct settings *settings);
void exporter_exit(struct exporter *e);

void exporter_tick(struct exporter *e, mono_time now);
mono_time exporter_deadline(const struct exporter *e);

/* Sends what is there, for a few seconds at most. Does no harm when it has been told so before. */
void exporter_stop(struct exporter *e, mono_time now);
bool exporter_is_done(const struct exporter *e);

#endif
