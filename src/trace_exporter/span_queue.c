/* span_queue.c: see span_queue.h. */
#include "trace_exporter/span_queue.h"

#include <stdlib.h>
#include <string.h>

static const char *const PROGRAMS[SPAN_QUEUE_PROGRAMS] = {
    "availability-guard",
    "availability-guard-relay",
    "availability-guard-notifier",
    "availability-guard-commands",
};

void span_queue_init(struct span_queue *q, size_t count_max) {
    *q = (struct span_queue){.count_max = count_max};
    STAILQ_INIT(&q->spans);
}

void span_queue_exit(struct span_queue *q) {
    span_queue_free_list(&q->spans);
    q->count = 0;
    q->bytes = 0;
}

const char *span_queue_program(size_t program) {
    return PROGRAMS[program];
}

/* Takes the next line off the text. */
static bool next_line(struct text_span *text, struct text_span *line) {
    if (text->length == 0)
        return false;
    const char *end = memchr(text->data, '\n', text->length);
    line->data = text->data;
    line->length = end != NULL ? (size_t)(end - text->data) : text->length;
    const size_t used = line->length + (end != NULL ? 1 : 0);
    *text = (struct text_span){text->data + used, text->length - used};
    return true;
}

static bool find_program(struct text_span name, size_t *program) {
    for (*program = 0; *program < SPAN_QUEUE_PROGRAMS; (*program)++) {
        if (text_is(name, PROGRAMS[*program]))
            return true;
    }
    return false;
}

static bool push(struct span_queue *q, struct text_span span, size_t program, mono_time now) {
    if (q->count >= q->count_max || q->bytes + span.length > SPAN_QUEUE_BYTES_MAX)
        return false;
    struct span_entry *entry = malloc(sizeof *entry + span.length);
    if (entry == NULL)
        return false;
    entry->came = now;
    entry->program = program;
    entry->length = span.length;
    memcpy(entry->text, span.data, span.length);
    STAILQ_INSERT_TAIL(&q->spans, entry, link);
    q->count++;
    q->bytes += span.length;
    return true;
}

/* Who may write to the socket is trusted: this only finds what is cut off or foreign. */
static bool is_object(struct text_span line) {
    return line.length >= 2 && line.data[0] == '{' && line.data[line.length - 1] == '}';
}

int64_t span_queue_take(struct span_queue *q, struct text_span datagram, mono_time now) {
    struct text_span line;
    size_t program = 0;
    int64_t dropped = 0;
    if (!next_line(&datagram, &line) || !find_program(line, &program))
        return -1;
    while (next_line(&datagram, &line)) {
        if (!is_object(line))
            return -1;
        dropped += !push(q, line, program, now);
    }
    return dropped;
}

size_t span_queue_move(struct span_queue *q, struct span_list *to, size_t count) {
    size_t moved = 0;
    for (; moved < count && q->count > 0; moved++) {
        struct span_entry *entry = STAILQ_FIRST(&q->spans);
        STAILQ_REMOVE_HEAD(&q->spans, link);
        q->count--;
        q->bytes -= entry->length;
        STAILQ_INSERT_TAIL(to, entry, link);
    }
    return moved;
}

void span_queue_free_list(struct span_list *list) {
    while (!STAILQ_EMPTY(list)) {
        struct span_entry *entry = STAILQ_FIRST(list);
        STAILQ_REMOVE_HEAD(list, link);
        free(entry);
    }
}
