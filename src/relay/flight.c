/* flight.c: see flight.h. */
#include "relay/flight.h"

#include <stdlib.h>

static void append(struct flight_list *list, struct flight_event *event) {
    event->next = NULL;
    event->previous = list->last;
    if (list->last != NULL)
        list->last->next = event;
    else
        list->first = event;
    list->last = event;
    list->count++;
}

static void detach(struct flight_list *list, struct flight_event *event) {
    if (event->previous != NULL)
        event->previous->next = event->next;
    else
        list->first = event->next;
    if (event->next != NULL)
        event->next->previous = event->previous;
    else
        list->last = event->previous;
    list->count--;
}

/* Takes the first one out. */
static struct flight_event *pop(struct flight_list *list) {
    struct flight_event *first = list->first;
    list->first = first->next;
    if (list->first != NULL)
        list->first->previous = NULL;
    else
        list->last = NULL;
    list->count--;
    return first;
}

/* An event that is no longer open is no longer counted as such. */
static void uncount(struct flight *f, const struct flight_event *event) {
    f->bytes -= event->bytes;
    if (event->failed)
        f->failed--;
}

struct flight_event *flight_add(struct flight *f, const struct outbox_event *event) {
    struct flight_event *added = calloc(1, sizeof *added);
    if (added == NULL)
        return NULL;
    added->place = event->place;
    added->event_id = event->event_id;
    added->bytes = event->payload_bytes;
    added->foreign = event->foreign;
    append(&f->open, added);
    f->bytes += added->bytes;
    return added;
}

void flight_remove(struct flight *f, struct flight_event *event) {
    detach(&f->open, event);
    uncount(f, event);
    free(event);
}

void flight_take(struct flight *f, struct flight_event *event) {
    detach(&f->open, event);
    uncount(f, event);
    append(&f->taken, event);
}

void flight_fail(struct flight *f, struct flight_event *event, bool refused) {
    if (!event->failed)
        f->failed++;
    event->failed = true;
    event->refused = refused;
}

int64_t flight_put_taken(const struct flight *f, struct params *p, int64_t count) {
    const struct flight_event *event = NULL;
    int64_t put = 0;
    params_begin_array(p, PARAMS_XID8);
    for (event = f->taken.first; event != NULL && put < count; event = event->next, put++)
        params_put_int8(p, (int64_t)event->place.xid);
    params_end_array(p);
    params_begin_array(p, PARAMS_INT8);
    event = f->taken.first;
    for (int64_t i = 0; i < put; i++, event = event->next)
        params_put_int8(p, event->place.id);
    params_end_array(p);
    return put;
}

void flight_drop_taken(struct flight *f, int64_t count) {
    for (int64_t i = 0; i < count && f->taken.first != NULL; i++)
        free(pop(&f->taken));
}

int64_t flight_span_refused(const struct flight *f) {
    int64_t number = 0;
    int64_t last = 0;
    for (const struct flight_event *event = f->open.first; event != NULL; event = event->next) {
        number++;
        if (event->refused)
            last = number;
    }
    return last;
}

/* The place just before: reading goes on with this event. */
static struct outbox_place before(struct outbox_place place) {
    return (struct outbox_place){place.xid, place.id - 1};
}

void flight_ground(struct flight *f, struct outbox_cursor *cursor) {
    while (f->open.first != NULL) {
        struct flight_event *event = pop(&f->open);
        struct outbox_place *own = outbox_cursor_of(cursor, event->foreign);
        if (outbox_is_after(*own, before(event->place)))
            *own = before(event->place);
        uncount(f, event);
        free(event);
    }
}

void flight_clear(struct flight *f) {
    struct outbox_cursor unused = {{0, 0}, {0, 0}};
    flight_ground(f, &unused);
    flight_drop_taken(f, f->taken.count);
}
