/*
 * span_queue.h: the spans that wait to be sent to the collector, oldest first, bounded in number
 * and in bytes.
 */
#ifndef TRACE_EXPORTER_SPAN_QUEUE_H
#define TRACE_EXPORTER_SPAN_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/text.h"

#define SPAN_QUEUE_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* Those that tell spans. */
#define SPAN_QUEUE_PROGRAMS 4

struct span_entry {
    STAILQ_ENTRY(span_entry) link;
    mono_time came;
    size_t program;
    size_t length;
    char text[]; /* a JSON object */
};

STAILQ_HEAD(span_list, span_entry);

struct span_queue {
    struct span_list spans;
    size_t count;
    size_t count_max;
    size_t bytes;
};

void span_queue_init(struct span_queue *q, size_t count_max);
void span_queue_exit(struct span_queue *q);

/* The name of a program by its number. */
const char *span_queue_program(size_t program);

/*
 * Takes the spans of a datagram (see trace/tracing.h). Returns how many were dropped, because the
 * queue is full or there is no memory; -1 when it is no datagram of ours.
 */
MUST_CHECK int64_t span_queue_take(struct span_queue *q, struct text_span datagram, mono_time now);

/* Moves up to `count` spans to the empty list, and returns how many. */
size_t span_queue_move(struct span_queue *q, struct span_list *to, size_t count);

void span_queue_free_list(struct span_list *list);

/* When the oldest one came; MONO_NEVER: there is none. */
static inline mono_time span_queue_oldest(const struct span_queue *q) {
    return q->count == 0 ? MONO_NEVER : STAILQ_FIRST(&q->spans)->came;
}

#endif
