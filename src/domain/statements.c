/* statements.c: see statements.h. */
#include "domain/statements.h"

#include <string.h>

#include "domain/lock.h"

const char STATEMENTS_PREPARE[] =
    "PREPARE lock (uuid[], uuid[], uuid[], uuid[], uuid[], uuid[], uuid[], timestamptz[],"
    "              timestamptz[], int4[], text[], text[], jsonb[], text[]) AS"
    " SELECT * FROM guard.lock_batch_brief($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,"
    "                                      $13, $14);"
    "PREPARE lock_one (uuid, uuid, uuid, uuid, uuid, uuid, uuid, timestamptz, timestamptz,"
    "                  int4, text, text, jsonb, text[]) AS"
    " SELECT * FROM guard.lock_one_brief($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,"
    "                                    $13, $14);"
    "PREPARE release (uuid[], uuid[], uuid[], text[], text[], jsonb[], text[]) AS"
    " SELECT * FROM guard.release_batch($1, $2, $3, $4, $5, $6, 'api', $7);"
    "PREPARE bulk_release (uuid, uuid[], text, text, uuid, text) AS"
    " SELECT guard.bulk_release($1, $2, $3, $4, $5, 'bulk', $6);"
    "PREPARE get (uuid[], uuid[]) AS"
    " SELECT * FROM guard.get_batch($1, $2);"
    "PREPARE list (uuid, uuid, uuid, uuid, text, timestamptz, timestamptz, uuid, int4) AS"
    " SELECT * FROM guard.list_page($1, $2, $3, $4, $5, $6, $7, $8, $9);"
    "PREPARE manual_release (uuid[], uuid[], uuid[], uuid[], uuid[], text[], text[], text[],"
    "                        text[], text[], jsonb[], jsonb[], text[]) AS"
    " SELECT * FROM guard.manual_release_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,"
    "                                          $13);"
    "PREPARE audits (uuid, uuid, text, timestamptz, timestamptz, boolean, bigint, int4) AS"
    " SELECT * FROM guard.list_audits($1, $2, $3, $4, $5, $6, $7, $8);"
    "PREPARE ping AS"
    " SELECT guard.schema_version();"
    "PREPARE lock_once (text[], uuid[], uuid[], uuid[], uuid[], uuid[], uuid[], uuid[],"
    "                   timestamptz[], timestamptz[], int4[], text[], text[], jsonb[], text[]) AS"
    " SELECT * FROM guard.perform_locks($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
    "                                   $14, $15);"
    "PREPARE release_once (text[], uuid[], uuid[], uuid[], text[], text[], jsonb[], text[]) AS"
    " SELECT * FROM guard.perform_releases($1, $2, $3, $4, $5, $6, $7, $8);"
    "PREPARE bulk_release_once (text, int4, uuid, uuid[], text, text, uuid, text) AS"
    " SELECT guard.perform_bulk_release($1, $2, $3, $4, $5, $6, $7, $8)";

/* Types of result columns (object ids). */
enum { INT4 = 23, TEXT = 25 };

static void put_id_if(struct params *p, bool set, const struct id *id) {
    if (set)
        params_put_id(p, id);
    else
        params_put_null(p);
}

static void put_optional_id(struct params *p, const struct optional_id *id) {
    put_id_if(p, id->set, &id->id);
}

/* What one column of a batch holds of a command, and the columns of the batched statements. */
typedef void put_field(struct params *p, const struct command *c);

struct column {
    enum params_type type;
    put_field *put;
};

#define FIELD(name, put)                                                                           \
    static void name(struct params *p, const struct command *c) {                                  \
        put;                                                                                       \
    }

FIELD(put_lock_tenant, params_put_id(p, &c->as.lock.tenant_id))
FIELD(put_lock_id, params_put_id(p, &c->as.lock.id))
FIELD(put_lock_key, put_id_if(p, c->as.lock.has_key, &c->as.lock.id))
FIELD(put_lock_property, put_optional_id(p, &c->as.lock.property_id))
FIELD(put_lock_reservation, put_optional_id(p, &c->as.lock.reservation_id))
FIELD(put_lock_type, params_put_id(p, &c->as.lock.room_type_id))
FIELD(put_lock_room, put_optional_id(p, &c->as.lock.room_id))
FIELD(put_lock_start, params_put_timestamp(p, c->as.lock.stay_start))
FIELD(put_lock_end, params_put_timestamp(p, c->as.lock.stay_end))
FIELD(put_lock_ttl, params_put_int4(p, c->as.lock.ttl_seconds))
FIELD(put_lock_reason, params_put_text(p, c->as.lock.reason))
FIELD(put_lock_correlation, params_put_text(p, c->as.lock.correlation_id))
FIELD(put_lock_metadata, params_put_jsonb(p, c->as.lock.metadata))

static const struct column LOCK_BATCH[] = {
    {PARAMS_UUID, put_lock_tenant},      {PARAMS_UUID, put_lock_id},
    {PARAMS_UUID, put_lock_key},         {PARAMS_UUID, put_lock_property},
    {PARAMS_UUID, put_lock_reservation}, {PARAMS_UUID, put_lock_type},
    {PARAMS_UUID, put_lock_room},        {PARAMS_TIMESTAMPTZ, put_lock_start},
    {PARAMS_TIMESTAMPTZ, put_lock_end},  {PARAMS_INT4, put_lock_ttl},
    {PARAMS_TEXT, put_lock_reason},      {PARAMS_TEXT, put_lock_correlation},
    {PARAMS_JSONB, put_lock_metadata},
};

FIELD(put_release_tenant, params_put_id(p, &c->as.release.tenant_id))
FIELD(put_release_id, params_put_id(p, &c->as.release.lock_id))
FIELD(put_release_reservation, put_optional_id(p, &c->as.release.reservation_id))
FIELD(put_release_reason, params_put_text(p, c->as.release.reason))
FIELD(put_release_correlation, params_put_text(p, c->as.release.correlation_id))
FIELD(put_release_metadata, params_put_jsonb(p, c->as.release.metadata))

static const struct column RELEASE_BATCH[] = {
    {PARAMS_UUID, put_release_tenant},      {PARAMS_UUID, put_release_id},
    {PARAMS_UUID, put_release_reservation}, {PARAMS_TEXT, put_release_reason},
    {PARAMS_TEXT, put_release_correlation}, {PARAMS_JSONB, put_release_metadata},
};

FIELD(put_manual_tenant, params_put_id(p, &c->as.manual_release.tenant_id))
FIELD(put_manual_id, params_put_id(p, &c->as.manual_release.lock_id))
FIELD(put_manual_reservation, put_optional_id(p, &c->as.manual_release.reservation_id))
FIELD(put_manual_audit, params_put_id(p, &c->as.manual_release.audit_id))
FIELD(put_manual_event, params_put_id(p, &c->as.manual_release.event_id))
FIELD(put_manual_reason, params_put_text(p, c->as.manual_release.reason))
FIELD(put_manual_actor_id, params_put_text(p, c->as.manual_release.actor_id))
FIELD(put_manual_actor_name, params_put_text(p, c->as.manual_release.actor_name))
FIELD(put_manual_actor_email, params_put_text(p, c->as.manual_release.actor_email))
FIELD(put_manual_correlation, params_put_text(p, c->as.manual_release.correlation_id))
FIELD(put_manual_metadata, params_put_jsonb(p, c->as.manual_release.metadata))
FIELD(put_manual_recipients, params_put_jsonb(p, c->as.manual_release.recipients))

static const struct column MANUAL_RELEASE_BATCH[] = {
    {PARAMS_UUID, put_manual_tenant},      {PARAMS_UUID, put_manual_id},
    {PARAMS_UUID, put_manual_reservation}, {PARAMS_UUID, put_manual_audit},
    {PARAMS_UUID, put_manual_event},       {PARAMS_TEXT, put_manual_reason},
    {PARAMS_TEXT, put_manual_actor_id},    {PARAMS_TEXT, put_manual_actor_name},
    {PARAMS_TEXT, put_manual_actor_email}, {PARAMS_TEXT, put_manual_correlation},
    {PARAMS_JSONB, put_manual_metadata},   {PARAMS_JSONB, put_manual_recipients},
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* One array for each column, with an element for each command; null when none of them has a value,
 * which costs nothing and reads the same by subscript. */
static void bind_columns(struct params *p, const struct column *columns, size_t column_count,
                         struct command *const *commands, size_t count) {
    for (size_t column = 0; column < column_count; column++) {
        params_begin_array(p, columns[column].type);
        for (size_t i = 0; i < count; i++)
            columns[column].put(p, commands[i]);
        params_end_array_or_null(p);
    }
}

/* For a statement that takes one command only: no arrays. */
static void bind_row(struct params *p, const struct column *columns, size_t column_count,
                     const struct command *command) {
    for (size_t column = 0; column < column_count; column++)
        columns[column].put(p, command);
}

FIELD(put_trace, params_put_text(p, trace_context_text(&c->trace.context)))

static const struct column TRACES[] = {{PARAMS_TEXT, put_trace}};

/* Behind the columns of the kind. */
static void bind_traces(struct params *p, struct command *const *c, size_t n) {
    bind_columns(p, TRACES, COUNT_OF(TRACES), c, n);
}

static void bind_lock(struct params *p, struct command *const *c, size_t n) {
    if (n == 1)
        bind_row(p, LOCK_BATCH, COUNT_OF(LOCK_BATCH), c[0]);
    else
        bind_columns(p, LOCK_BATCH, COUNT_OF(LOCK_BATCH), c, n);
    bind_traces(p, c, n);
}

static void bind_release(struct params *p, struct command *const *c, size_t n) {
    bind_columns(p, RELEASE_BATCH, COUNT_OF(RELEASE_BATCH), c, n);
    bind_traces(p, c, n);
}

FIELD(put_get_tenant, params_put_id(p, &c->as.get.tenant_id))
FIELD(put_get_id, params_put_id(p, &c->as.get.lock_id))

static const struct column GET_BATCH[] = {{PARAMS_UUID, put_get_tenant}, {PARAMS_UUID, put_get_id}};

static size_t bulk_chunk(const struct command *command) {
    const size_t left = command->as.bulk_release.lock_count - command->bulk_next;
    return left < STATEMENTS_BULK_CHUNK ? left : STATEMENTS_BULK_CHUNK;
}

static void bind_get(struct params *p, struct command *const *c, size_t n) {
    bind_columns(p, GET_BATCH, COUNT_OF(GET_BATCH), c, n);
}

static void bind_bulk_release(struct params *p, struct command *const *c, size_t n) {
    (void)n;
    const struct bulk_release_request *r = &c[0]->as.bulk_release;
    const size_t chunk = bulk_chunk(c[0]);
    params_put_id(p, &r->tenant_id);
    params_begin_array(p, PARAMS_UUID);
    for (size_t i = 0; i < chunk; i++)
        params_put_id(p, &r->lock_ids[c[0]->bulk_next + i]);
    params_end_array(p);
    params_put_text(p, r->reason);
    params_put_text(p, r->correlation_id);
    params_put_id(p, &r->release_id);
    put_trace(p, c[0]);
}

/* Before the columns of the kind that is not in the ledger. */
FIELD(put_ledger_id, params_put_text(p, c->ledger_id))

static const struct column LEDGER[] = {{PARAMS_TEXT, put_ledger_id}};

static void bind_lock_once(struct params *p, struct command *const *c, size_t n) {
    bind_columns(p, LEDGER, COUNT_OF(LEDGER), c, n);
    bind_columns(p, LOCK_BATCH, COUNT_OF(LOCK_BATCH), c, n);
    bind_traces(p, c, n);
}

static void bind_release_once(struct params *p, struct command *const *c, size_t n) {
    bind_columns(p, LEDGER, COUNT_OF(LEDGER), c, n);
    bind_release(p, c, n);
}

static void bind_bulk_release_once(struct params *p, struct command *const *c, size_t n) {
    bind_row(p, LEDGER, COUNT_OF(LEDGER), c[0]);
    params_put_int4(p, (int32_t)c[0]->bulk_next);
    bind_bulk_release(p, c, n);
}

static void put_optional_timestamp(struct params *p, bool set, timestamp_us value) {
    if (set)
        params_put_timestamp(p, value);
    else
        params_put_null(p);
}

static void bind_list(struct params *p, struct command *const *c, size_t n) {
    (void)n;
    const struct list_request *r = &c[0]->as.list;
    params_put_id(p, &r->tenant_id);
    put_optional_id(p, &r->room_id);
    put_optional_id(p, &r->room_type_id);
    put_optional_id(p, &r->reservation_id);
    params_put_text(p, r->status);
    put_optional_timestamp(p, r->has_from, r->from);
    put_optional_timestamp(p, r->has_to, r->to);
    put_optional_id(p, &r->after);
    params_put_int4(p, r->limit);
}

static void bind_manual_release(struct params *p, struct command *const *c, size_t n) {
    bind_columns(p, MANUAL_RELEASE_BATCH, COUNT_OF(MANUAL_RELEASE_BATCH), c, n);
    bind_traces(p, c, n);
}

static void bind_audits(struct params *p, struct command *const *c, size_t n) {
    (void)n;
    const struct audits_request *r = &c[0]->as.audits;
    params_put_id(p, &r->tenant_id);
    put_optional_id(p, &r->lock_id);
    params_put_text(p, r->actor_id);
    put_optional_timestamp(p, r->has_from, r->from);
    put_optional_timestamp(p, r->has_to, r->to);
    params_put_bool(p, r->order == AUDIT_NEWEST_FIRST);
    if (r->beyond > 0)
        params_put_int8(p, r->beyond);
    else
        params_put_null(p);
    params_put_int4(p, r->limit);
}

static void bind_ping(struct params *p, struct command *const *c, size_t n) {
    (void)p;
    (void)c;
    (void)n;
}

/* The command that the row answers: its first column is the position, from 1. */
static struct outcome *answered_by(struct row row, size_t count, struct outcome *outcomes) {
    int32_t ordinal = 0;
    if (!row_int4(row, 0, &ordinal) || ordinal < 1 || (size_t)ordinal > count)
        return NULL;
    return &outcomes[ordinal - 1];
}

struct outcome_word {
    const char *word;
    enum outcome_kind kind;
};

/* Rows of (ordinal, outcome, …): exactly one for each command. */
static bool read_batch(const PGresult *result, size_t count, struct outcome *outcomes,
                       const struct outcome_word *words, size_t word_count) {
    if ((size_t)PQntuples(result) != count)
        return false;
    for (size_t i = 0; i < count; i++)
        outcomes[i] = (struct outcome){.kind = OUTCOME_FAILED};
    for (int n = 0; n < (int)count; n++) {
        const struct row row = {result, n};
        struct outcome *outcome = answered_by(row, count, outcomes);
        const struct text_span text = row_text(row, 1);
        if (outcome == NULL || outcome->row.result != NULL || text.data == NULL)
            return false;
        size_t w = 0;
        while (w < word_count && !text_is(text, words[w].word))
            w++;
        if (w == word_count)
            return false;
        *outcome = (struct outcome){.kind = words[w].kind, .row = row, .column = 2};
    }
    return true;
}

/* Rows of guard.lock_answer. */
static bool has_answers(const PGresult *result) {
    static const unsigned TYPES[] = {INT4, TEXT, LOCK_COLUMN_TYPES};
    return row_has_types(result, TYPES, LOCK_COLUMNS + 2);
}

static bool read_lock(const PGresult *result, struct command *const *c, size_t n,
                      struct outcome *outcomes) {
    static const struct outcome_word WORDS[] = {{"LOCKED", OUTCOME_LOCKED},
                                                {"CONFLICT", OUTCOME_CONFLICT},
                                                {"STAY_OVER", OUTCOME_STAY_OVER}};
    (void)c;
    return has_answers(result) && read_batch(result, n, outcomes, WORDS, COUNT_OF(WORDS));
}

static bool read_release(const PGresult *result, struct command *const *c, size_t n,
                         struct outcome *outcomes) {
    static const struct outcome_word WORDS[] = {{"RELEASED", OUTCOME_RELEASED},
                                                {"NOT_FOUND", OUTCOME_NOT_FOUND}};
    (void)c;
    return has_answers(result) && read_batch(result, n, outcomes, WORDS, COUNT_OF(WORDS));
}

static bool read_integer(const PGresult *result, int32_t *value) {
    static const unsigned TYPES[] = {INT4};
    return row_has_types(result, TYPES, 1) && PQntuples(result) == 1 &&
           row_int4((struct row){result, 0}, 0, value);
}

static bool read_bulk_release(const PGresult *result, struct command *const *c, size_t n,
                              struct outcome *outcomes) {
    int32_t released = 0;
    (void)n;
    if (!read_integer(result, &released))
        return false;
    c[0]->bulk_next += bulk_chunk(c[0]);
    c[0]->bulk_released += released;
    outcomes[0] = (struct outcome){.kind = OUTCOME_RELEASED, .count = c[0]->bulk_released};
    return true;
}

static bool read_get(const PGresult *result, struct command *const *c, size_t n,
                     struct outcome *outcomes) {
    static const struct outcome_word WORDS[] = {{"FOUND", OUTCOME_FOUND},
                                                {"NOT_FOUND", OUTCOME_NOT_FOUND}};
    (void)c;
    return has_answers(result) && read_batch(result, n, outcomes, WORDS, COUNT_OF(WORDS));
}

/* Rows of guard.lock_view; one without a tenant at the end is where the look at the table ended. */
static bool read_list(const PGresult *result, struct command *const *c, size_t n,
                      struct outcome *outcomes) {
    static const unsigned TYPES[] = {LOCK_COLUMN_TYPES};
    (void)c;
    (void)n;
    const int rows = PQntuples(result);
    const bool cut = rows > 0 && PQgetisnull(result, rows - 1, LOCK_COLUMN_TENANT) == 1;
    outcomes[0] = (struct outcome){
        .kind = OUTCOME_LISTED, .row = {result, 0}, .count = cut ? rows - 1 : rows, .cut_off = cut};
    return row_has_types(result, TYPES, LOCK_COLUMNS);
}

static bool read_manual_release(const PGresult *result, struct command *const *c, size_t n,
                                struct outcome *outcomes) {
    static const unsigned TYPES[] = {INT4, TEXT, TEXT};
    static const struct outcome_word WORDS[] = {{"RELEASED", OUTCOME_RELEASED},
                                                {"NOT_FOUND", OUTCOME_NOT_FOUND},
                                                {"NOT_ACTIVE", OUTCOME_NOT_ACTIVE}};
    (void)c;
    return row_has_types(result, TYPES, 3) &&
           read_batch(result, n, outcomes, WORDS, COUNT_OF(WORDS));
}

static bool read_audits(const PGresult *result, struct command *const *c, size_t n,
                        struct outcome *outcomes) {
    static const unsigned TYPES[] = {AUDIT_COLUMN_TYPES};
    (void)c;
    (void)n;
    outcomes[0] =
        (struct outcome){.kind = OUTCOME_AUDITED, .row = {result, 0}, .count = PQntuples(result)};
    return row_has_types(result, TYPES, AUDIT_COLUMNS);
}

static bool read_ping(const PGresult *result, struct command *const *c, size_t n,
                      struct outcome *outcomes) {
    int32_t version = 0;
    (void)c;
    (void)n;
    outcomes[0] = (struct outcome){.kind = OUTCOME_ALIVE};
    if (!read_integer(result, &version))
        return false;
    if (version != STATEMENTS_SCHEMA_VERSION)
        outcomes[0].kind = OUTCOME_WRONG_SCHEMA;
    return true;
}

static bool read_once(const PGresult *result, struct command *const *c, size_t n,
                      struct outcome *outcomes) {
    static const unsigned TYPES[] = {INT4, TEXT};
    static const struct outcome_word WORDS[] = {
        {"LOCKED", OUTCOME_LOCKED},       {"CONFLICT", OUTCOME_CONFLICT},
        {"STAY_OVER", OUTCOME_STAY_OVER}, {"RELEASED", OUTCOME_RELEASED},
        {"NOT_FOUND", OUTCOME_NOT_FOUND}, {"DUPLICATE", OUTCOME_DUPLICATE}};
    (void)c;
    return row_has_types(result, TYPES, 2) &&
           read_batch(result, n, outcomes, WORDS, COUNT_OF(WORDS));
}

/* A part that has been performed before is answered with null. */
static bool read_bulk_release_once(const PGresult *result, struct command *const *c, size_t n,
                                   struct outcome *outcomes) {
    static const unsigned TYPES[] = {INT4};
    const bool known =
        row_has_types(result, TYPES, 1) && PQntuples(result) == 1 && PQgetisnull(result, 0, 0) == 1;
    if (known)
        c[0]->bulk_next += bulk_chunk(c[0]);
    else if (!read_bulk_release(result, c, n, outcomes))
        return false;
    c[0]->bulk_performed = c[0]->bulk_performed || !known;
    outcomes[0] =
        (struct outcome){.kind = c[0]->bulk_performed ? OUTCOME_RELEASED : OUTCOME_DUPLICATE,
                         .count = c[0]->bulk_released};
    return true;
}

static const struct {
    const char *name;
    const char *name_of_one; /* a statement of its own for a batch of one, if there is one */
    bool batched;
    void (*bind)(struct params *p, struct command *const *c, size_t n);
    bool (*read)(const PGresult *r, struct command *const *c, size_t n, struct outcome *outcomes);
} STATEMENTS[COMMAND_KINDS] = {
    [COMMAND_LOCK] = {"lock", "lock_one", true, bind_lock, read_lock},
    [COMMAND_RELEASE] = {"release", NULL, true, bind_release, read_release},
    [COMMAND_BULK_RELEASE] = {"bulk_release", NULL, false, bind_bulk_release, read_bulk_release},
    [COMMAND_GET] = {"get", NULL, true, bind_get, read_get},
    [COMMAND_LIST] = {"list", NULL, false, bind_list, read_list},
    [COMMAND_MANUAL_RELEASE] = {"manual_release", NULL, true, bind_manual_release,
                                read_manual_release},
    [COMMAND_AUDITS] = {"audits", NULL, false, bind_audits, read_audits},
    [COMMAND_PING] = {"ping", NULL, false, bind_ping, read_ping},
    [COMMAND_LOCK_ONCE] = {"lock_once", NULL, true, bind_lock_once, read_once},
    [COMMAND_RELEASE_ONCE] = {"release_once", NULL, true, bind_release_once, read_once},
    [COMMAND_BULK_RELEASE_ONCE] = {"bulk_release_once", NULL, false, bind_bulk_release_once,
                                   read_bulk_release_once},
};

const char *statements_name(enum command_kind kind, size_t count) {
    if (count == 1 && STATEMENTS[kind].name_of_one != NULL)
        return STATEMENTS[kind].name_of_one;
    return STATEMENTS[kind].name;
}

bool statements_is_batched(enum command_kind kind) {
    return STATEMENTS[kind].batched;
}

/* Which lock a command is about: false when it is a new one, or that does not matter. */
static bool find_lock(const struct command *c, const struct id **tenant, const struct id **lock) {
    switch (c->kind) {
    case COMMAND_LOCK:
    case COMMAND_LOCK_ONCE:
        *tenant = &c->as.lock.tenant_id;
        *lock = &c->as.lock.id;
        return c->as.lock.has_key;
    case COMMAND_RELEASE:
    case COMMAND_RELEASE_ONCE:
        *tenant = &c->as.release.tenant_id;
        *lock = &c->as.release.lock_id;
        return true;
    case COMMAND_MANUAL_RELEASE:
        *tenant = &c->as.manual_release.tenant_id;
        *lock = &c->as.manual_release.lock_id;
        return true;
    default: /* one at a time, or a read: as often as you like */
        return false;
    }
}

static bool same_entry(const struct command *a, const struct command *b) {
    return a->ledger_id.data != NULL && a->ledger_id.length == b->ledger_id.length &&
           memcmp(a->ledger_id.data, b->ledger_id.data, a->ledger_id.length) == 0;
}

bool statements_same_lock(const struct command *a, const struct command *b) {
    const struct id *tenant_a = NULL;
    const struct id *tenant_b = NULL;
    const struct id *lock_a = NULL;
    const struct id *lock_b = NULL;
    if (!find_lock(a, &tenant_a, &lock_a) || !find_lock(b, &tenant_b, &lock_b))
        return false;
    return (id_equal(lock_a, lock_b) || same_entry(a, b)) && id_equal(tenant_a, tenant_b);
}

void statements_bind(struct params *params, struct command *const *commands, size_t count) {
    STATEMENTS[commands[0]->kind].bind(params, commands, count);
}

bool statements_read(const PGresult *result, struct command *const *commands, size_t count,
                     struct outcome *outcomes) {
    return STATEMENTS[commands[0]->kind].read(result, commands, count, outcomes);
}
