/*
 * inbox.h: the socket on which the programs of a machine tell their spans.
 */
#ifndef TRACE_EXPORTER_INBOX_H
#define TRACE_EXPORTER_INBOX_H

#include <stdbool.h>

#include "base/attributes.h"
#include "base/poller.h"
#include "base/text.h"

struct inbox {
    struct poll_source source; /* first, so that the poller's callback finds it */
    struct poller *poller;
    const char *path;
    void (*received)(void *context, struct text_span datagram);
    void *context;
};

/* Makes the socket, in the place of one on which nobody listens any more. False when that cannot
 * be, which has been logged; there is nothing to end then. The path must outlive it. */
MUST_CHECK bool inbox_init(struct inbox *inbox, struct poller *poller, const char *path,
                           void (*received)(void *context, struct text_span datagram),
                           void *context);
void inbox_exit(struct inbox *inbox);

/* Takes what is there. */
void inbox_drain(struct inbox *inbox);

#endif
