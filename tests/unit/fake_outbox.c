/* fake_outbox.c: see fake_outbox.h. */
#include "fake_outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

struct fake_outbox outbox;

/* The linker's names. NOLINTBEGIN(*-reserved-identifier,cert-dcl*) */
void __wrap_session_init(struct session *s, struct poller *p, const struct session_options *options,
                         const struct session_owner *its_owner);
void __wrap_session_exit(struct session *s);
mono_time __wrap_session_deadline(const struct session *s);
void __wrap_session_tick(struct session *s, mono_time now);
void __wrap_session_send(struct session *s, const char *statement, const struct params *params,
                         mono_time now, mono_time until);
/* NOLINTEND(*-reserved-identifier,cert-dcl*) */

static void put_be(char *at, uint64_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; i--, value >>= 8)
        at[i] = (char)value;
}

static uint64_t get_be(const char *at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | (unsigned char)at[i];
    return value;
}

static PGresult *result_of(const unsigned *types, int columns) {
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc attributes[32];
    char name[] = "x";
    memset(attributes, 0, sizeof attributes);
    for (int i = 0; i < columns; i++) {
        attributes[i].name = name;
        attributes[i].format = 1;
        attributes[i].typid = types[i];
    }
    ck_assert_int_eq(PQsetResultAttrs(result, columns, attributes), 1);
    return result;
}

static void set_number(PGresult *result, int row, int column, uint64_t value, int bytes) {
    char field[8];
    put_be(field, value, bytes);
    ck_assert_int_eq(PQsetvalue(result, row, column, field, bytes), 1);
}

/* libpq copies the text, though it wants a pointer that is not const. */
static void set_text(PGresult *result, int row, int column, const char *text) {
    ck_assert_int_eq(PQsetvalue(result, row, column, (char *)text, (int)strlen(text)), 1);
}

static uint64_t number_of(int row) {
    return (uint64_t)outbox.numbers_before + (uint64_t)row + 1;
}

/* The greatest that has been given. */
static uint64_t top_number(void) {
    return number_of(outbox.count - 1);
}

static void set_event(PGresult *result, int at, int row, int ordinal) {
    const int number = row * outbox.row_events + ordinal - 1;
    char id[16] = {0};
    char payload[64];
    (void)snprintf(payload, sizeof payload, "{\"n\":%d}", number);
    put_be(id, (uint64_t)number, 16);
    set_number(result, at, 1, number_of(row), 8);
    set_number(result, at, 2, (uint64_t)ordinal, 4);
    set_number(result, at, 3, (uint64_t)outbox.row_events, 4);
    set_text(result, at, 4, outbox.others[row] ? outbox.other : "notification");
    set_text(result, at, 5, "an.event");
    set_number(result, at, 6, 0, 8);
    for (int column = 7; column < 10; column++)
        ck_assert_int_eq(PQsetvalue(result, at, column, id, sizeof id), 1);
    set_number(result, at, 10, (uint64_t)outbox.payload_bytes, 4);
    set_text(result, at, 11, payload);
}

static bool is_asked_for(int row, int ordinal) {
    const struct outbox_place place = {outbox.numbers_before + row + 1, ordinal};
    return outbox.there[row] && outbox.others[row] != outbox.read.announcements &&
           place.id <= outbox.read.to && outbox_is_after(place, outbox.read.at) &&
           (row >= outbox.read.past || outbox_is_after(place, outbox.read.past_to));
}

static PGresult *answer_read(void) {
    static const unsigned TYPES[] = {16,   20,   23, 23, 25,   25,   1184, 2950, 2950,
                                     2950, 23,   25, 25, 2950, 2950, 2950, 2950, 1184,
                                     1184, 1184, 25, 25, 20,   1184, 25,   25};
    PGresult *result = result_of(TYPES, 26);
    int given = 0;
    bool more = false;
    for (int row = 0; row < outbox.read.window; row++) {
        for (int ordinal = 1; ordinal <= outbox.row_events; ordinal++) {
            if (!is_asked_for(row, ordinal))
                continue;
            more = given == outbox.read.events;
            if (!more)
                set_event(result, given++, row, ordinal);
        }
    }
    for (int at = 0; at < given; at++)
        set_number(result, at, 0, more, 1);
    if (given > outbox.read_rows_max)
        outbox.read_rows_max = given;
    return result;
}

static PGresult *answer_window(void) {
    static const unsigned TYPES[] = {25, 20};
    PGresult *result = result_of(TYPES, 2);
    char count[16];
    (void)snprintf(count, sizeof count, "%d", outbox.count);
    set_text(result, 0, 0, count);
    set_number(result, 0, 1, top_number(), 8);
    outbox.windows++;
    return result;
}

static PGresult *answer_bool(void) {
    static const unsigned TYPES[] = {16};
    PGresult *result = result_of(TYPES, 1);
    set_number(result, 0, 0, 1, 1);
    return result;
}

static PGresult *answer_delete(void) {
    static const unsigned TYPES[] = {23};
    PGresult *result = result_of(TYPES, 1);
    set_number(result, 0, 0, 1, 4);
    return result;
}

static PGresult *answer_writers(void) {
    static const unsigned TYPES[] = {20, 25, 16};
    PGresult *result = result_of(TYPES, 3);
    set_number(result, 0, 0, top_number(), 8);
    set_text(result, 0, 1, outbox.writers);
    set_number(result, 0, 2, outbox.still_open, 1);
    outbox.writers_asked++;
    return result;
}

static PGresult *answer_depth(void) {
    static const unsigned TYPES[] = {23, 20};
    PGresult *result = result_of(TYPES, 2);
    set_number(result, 0, 0, 7, 4);
    set_number(result, 0, 1, 1000, 8);
    return result;
}

/* A statement that fails deletes nothing. */
static void delete_rows(const struct params *params) {
    if (outbox.refuses > 0 && !outbox.refused)
        return;
    const size_t count = get_be(params->values[0] + 12, 4);
    for (size_t i = 0; i < count; i++) {
        const int row =
            (int)get_be(params->values[0] + 20 + 12 * i + 4, 8) - 1 - outbox.numbers_before;
        ck_assert_int_lt(row, outbox.count);
        ck_assert(outbox.there[row]);
        outbox.there[row] = false;
        outbox.deleted[outbox.deleted_count++] = row;
    }
}

static int snapshot_of(const struct params *params, int parameter) {
    char text[16] = "0";
    if (params->values[parameter] != NULL)
        memcpy(text, params->values[parameter], (size_t)params->lengths[parameter]);
    return (int)strtol(text, NULL, 10);
}

static struct outbox_place place_of(const struct params *params, int parameter) {
    return (struct outbox_place){(int64_t)get_be(params->values[parameter], 8),
                                 (int32_t)get_be(params->values[parameter + 1], 4)};
}

static void note_read(const struct params *params) {
    outbox.read.count++;
    outbox.read.announcements = params->values[0][0] != 0;
    outbox.read.to = (int)get_be(params->values[1], 8);
    outbox.read.window = snapshot_of(params, 2);
    outbox.read.at = place_of(params, 3);
    outbox.read.past = snapshot_of(params, 5);
    outbox.read.past_to = place_of(params, 6);
    outbox.read.events = (int)get_be(params->values[8], 4);
    if (outbox.read.to - (int)outbox.read.at.id > outbox.read.span_max)
        outbox.read.span_max = outbox.read.to - (int)outbox.read.at.id;
}

void __wrap_session_init(struct session *s, struct poller *p, const struct session_options *options,
                         const struct session_owner *its_owner) {
    (void)p;
    ck_assert_ptr_nonnull(strstr(options->prepare, "PREPARE lead "));
    outbox.owner = *its_owner;
    outbox.session = s;
    s->state = SESSION_IDLE;
}

void __wrap_session_exit(struct session *s) {
    s->state = SESSION_DOWN;
}

mono_time __wrap_session_deadline(const struct session *s) {
    (void)s;
    return MONO_NEVER;
}

void __wrap_session_tick(struct session *s, mono_time now) {
    (void)s;
    (void)now;
}

void __wrap_session_send(struct session *s, const char *statement, const struct params *params,
                         mono_time now, mono_time until) {
    (void)now;
    ck_assert(mono_is_never(until));
    ck_assert_int_eq(s->state, SESSION_IDLE);
    s->state = SESSION_BUSY;
    (void)snprintf(outbox.asked, sizeof outbox.asked, "%s", statement);
    if (strcmp(statement, OUTBOX_READ) == 0)
        note_read(params);
    else if (strcmp(statement, OUTBOX_DELETE) == 0)
        delete_rows(params);
}

void fake_outbox_answer(void) {
    PGresult *result = NULL;
    outbox.refused = outbox.refuses > 0 && !outbox.refused;
    if (outbox.refused)
        result = PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
    else if (strcmp(outbox.asked, OUTBOX_LEAD) == 0)
        result = answer_bool();
    else if (strcmp(outbox.asked, OUTBOX_WINDOW) == 0)
        result = answer_window();
    else if (strcmp(outbox.asked, OUTBOX_READ) == 0)
        result = answer_read();
    else if (strcmp(outbox.asked, OUTBOX_DELETE) == 0)
        result = answer_delete();
    else if (strcmp(outbox.asked, OUTBOX_WRITERS) == 0)
        result = answer_writers();
    else
        result = answer_depth();
    outbox.refuses -= outbox.refused;
    outbox.asked[0] = '\0';
    outbox.session->state = SESSION_IDLE;
    outbox.owner.answered(outbox.owner.context, result);
}

void fake_outbox_reset(void) {
    outbox = (struct fake_outbox){
        .row_events = 1, .payload_bytes = 10, .other = "inventory", .writers = "{}"};
}
