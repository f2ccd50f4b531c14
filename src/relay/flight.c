/* flight.c: see flight.h. */
#include "relay/flight.h"

#include <stdlib.h>

struct flight_row {
    struct flight_row *next, *previous;
    int64_t id;
    int32_t events;
    int32_t open;
    int32_t taken;
    int32_t passed;
    uint64_t done[]; /* a bit for each event that was taken or passed over */
};

/* --- lists -------------------------------------------------------------------------------- */

static void append_event(struct flight_list *list, struct flight_event *event) {
    event->next = NULL;
    event->previous = list->last;
    if (list->last != NULL)
        list->last->next = event;
    else
        list->first = event;
    list->last = event;
    list->count++;
}

static void detach_event(struct flight_list *list, struct flight_event *event) {
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

/* Behind `previous`, or as the first one (NULL). */
static void insert_row(struct flight_rows *rows, struct flight_row *previous,
                       struct flight_row *row) {
    struct flight_row *next = previous != NULL ? previous->next : rows->first;
    row->previous = previous;
    row->next = next;
    if (previous != NULL)
        previous->next = row;
    else
        rows->first = row;
    if (next != NULL)
        next->previous = row;
    else
        rows->last = row;
}

static void detach_row(struct flight *f, struct flight_row *row) {
    if (f->near == row)
        f->near = row->previous;
    if (row->previous != NULL)
        row->previous->next = row->next;
    else
        f->rows.first = row->next;
    if (row->next != NULL)
        row->next->previous = row->previous;
    else
        f->rows.last = row->previous;
}

static void free_rows(struct flight_rows *rows) {
    while (rows->first != NULL) {
        struct flight_row *row = rows->first;
        rows->first = row->next;
        free(row);
    }
    rows->last = NULL;
}

/* --- rows --------------------------------------------------------------------------------- */

/* The row with this number, or else the last one before it, or NULL. Events come mostly in the
 * order of their rows, so it is near the one before. */
static struct flight_row *look_for(struct flight *f, int64_t id) {
    struct flight_row *at = f->near;
    while (at != NULL && at->id > id)
        at = at->previous;
    struct flight_row *next = at != NULL ? at->next : f->rows.first;
    for (; next != NULL && next->id <= id; next = next->next)
        at = next;
    f->near = at;
    return at;
}

static struct flight_row *find_or_make(struct flight *f, int64_t id, int32_t events) {
    struct flight_row *before = look_for(f, id);
    if (before != NULL && before->id == id)
        return before;
    const size_t words = ((size_t)events + 63) / 64;
    struct flight_row *row = calloc(1, sizeof *row + words * sizeof row->done[0]);
    if (row == NULL)
        return NULL;
    row->id = id;
    row->events = events;
    insert_row(&f->rows, before, row);
    f->near = row;
    return row;
}

static bool is_settled(const struct flight_row *row) {
    return row->taken + row->passed == row->events;
}

static bool is_stuck(const struct flight_row *row) {
    return is_settled(row) && row->passed > 0;
}

static void forget_row(struct flight *f, struct flight_row *row) {
    f->stuck -= is_stuck(row);
    detach_row(f, row);
    free(row);
}

static void forget_first_stuck(struct flight *f) {
    struct flight_row *row = f->rows.first;
    while (!is_stuck(row))
        row = row->next;
    forget_row(f, row);
}

/* Of a row that stays, the events that Kafka has are of no more interest. */
static void settle(struct flight *f, struct flight_row *row) {
    if (!is_stuck(row))
        return;
    f->taken -= row->taken;
    f->stuck++;
    if (f->stuck > FLIGHT_STUCK_MAX)
        forget_first_stuck(f);
}

static void mark_done(struct flight_row *row, int32_t ordinal) {
    row->done[(ordinal - 1) / 64] |= UINT64_C(1) << (ordinal - 1) % 64;
}

bool flight_is_done(struct flight *f, struct outbox_place place) {
    const struct flight_row *row = look_for(f, place.id);
    if (row == NULL || row->id != place.id || place.ordinal < 1 || place.ordinal > row->events)
        return false;
    return (row->done[(place.ordinal - 1) / 64] >> (place.ordinal - 1) % 64 & 1) != 0;
}

/* --- events ------------------------------------------------------------------------------- */

struct flight_event *flight_add(struct flight *f, const struct outbox_event *event) {
    struct flight_event *added = calloc(1, sizeof *added);
    if (added == NULL)
        return NULL;
    added->row = find_or_make(f, event->place.id, event->row_events);
    if (added->row == NULL) {
        free(added);
        return NULL;
    }
    added->row->open++;
    added->ordinal = event->place.ordinal;
    added->event_id = event->event_id;
    added->bytes = event->payload_bytes;
    append_event(&f->open, added);
    f->bytes += added->bytes;
    return added;
}

/* The event is gone, and its row does not know yet why. */
static struct flight_row *end_event(struct flight *f, struct flight_event *event) {
    struct flight_row *row = event->row;
    detach_event(&f->open, event);
    f->bytes -= event->bytes;
    f->failed -= event->failed;
    row->open--;
    free(event->span);
    free(event);
    return row;
}

void flight_remove(struct flight *f, struct flight_event *event) {
    struct flight_row *row = end_event(f, event);
    if (row->open == 0 && row->taken == 0 && row->passed == 0)
        forget_row(f, row);
}

void flight_take(struct flight *f, struct flight_event *event) {
    const int32_t ordinal = event->ordinal;
    struct flight_row *row = end_event(f, event);
    mark_done(row, ordinal);
    row->taken++;
    f->taken++;
    settle(f, row);
}

void flight_pass(struct flight *f, struct flight_event *event) {
    const int32_t ordinal = event->ordinal;
    struct flight_row *row = end_event(f, event);
    mark_done(row, ordinal);
    row->passed++;
    settle(f, row);
}

void flight_fail(struct flight *f, struct flight_event *event, bool refused) {
    if (!event->failed)
        f->failed++;
    event->failed = true;
    event->refused = refused;
}

/* --- deleting ----------------------------------------------------------------------------- */

/* The first row that holds up those behind it. */
static struct flight_row *first_that_counts(const struct flight *f) {
    struct flight_row *row = f->rows.first;
    while (row != NULL && is_stuck(row))
        row = row->next;
    return row;
}

bool flight_can_delete(const struct flight *f) {
    const struct flight_row *row = first_that_counts(f);
    return f->leaving.first != NULL || (row != NULL && is_settled(row));
}

static void let_leave(struct flight *f, int64_t count) {
    struct flight_row *row = first_that_counts(f);
    while (count > 0 && row != NULL && is_settled(row)) {
        struct flight_row *next = row->next;
        if (!is_stuck(row)) {
            detach_row(f, row);
            insert_row(&f->leaving, f->leaving.last, row);
            count--;
        }
        row = next;
    }
}

void flight_put_taken(struct flight *f, struct params *p, int64_t count) {
    if (f->leaving.first == NULL)
        let_leave(f, count);
    params_begin_array(p, PARAMS_INT8);
    for (const struct flight_row *row = f->leaving.first; row != NULL; row = row->next)
        params_put_int8(p, row->id);
    params_end_array(p);
}

void flight_drop_taken(struct flight *f) {
    for (const struct flight_row *row = f->leaving.first; row != NULL; row = row->next)
        f->taken -= row->taken;
    free_rows(&f->leaving);
}

int64_t flight_lowest(const struct flight *f) {
    return f->rows.first != NULL ? f->rows.first->id : INT64_MAX;
}

/* --- trouble ------------------------------------------------------------------------------ */

struct outbox_place flight_place(const struct flight_event *event) {
    return (struct outbox_place){event->row->id, event->ordinal};
}

struct flight_event *flight_last_refused(const struct flight *f, int64_t *span) {
    struct flight_event *last = NULL;
    struct flight_event *event = NULL;
    for (event = f->open.first; event != NULL; event = event->next) {
        if (event->refused &&
            (last == NULL || outbox_is_after(flight_place(event), flight_place(last))))
            last = event;
    }
    *span = 0;
    for (event = f->open.first; last != NULL && event != NULL; event = event->next)
        *span += !outbox_is_after(flight_place(event), flight_place(last));
    return last;
}

void flight_ground(struct flight *f, struct outbox_cursor *cursor) {
    for (struct flight_event *event = f->open.first, *next = NULL; event != NULL; event = next) {
        next = event->next;
        outbox_cursor_retreat(cursor, flight_place(event));
        flight_remove(f, event);
    }
}

void flight_clear(struct flight *f) {
    for (struct flight_event *event = f->open.first, *next = NULL; event != NULL; event = next) {
        next = event->next;
        free(event->span);
        free(event);
    }
    free_rows(&f->rows);
    free_rows(&f->leaving);
    *f = (struct flight){.near = NULL};
}
