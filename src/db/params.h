/*
 * params.h: the parameters of one statement, in PostgreSQL's binary format.
 *
 * A parameter is a single value, or an array whose elements are put between params_begin_array()
 * and params_end_array(). All bytes lie in one buffer, which is used again for the next statement:
 * clear, put, send. Out of memory is remembered and told by params_finish().
 *
 * Binary formats: the send and receive functions of each type in PostgreSQL's source
 * (array_recv, uuid_recv, timestamptz_recv, int4recv, textrecv, jsonb_recv).
 */
#ifndef DB_PARAMS_H
#define DB_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/id.h"
#include "base/text.h"
#include "base/timestamp.h"

#define PARAMS_MAX 16

/* Types of array elements: their object ids, which are the same in every PostgreSQL. */
enum params_type {
    PARAMS_INT8 = 20,
    PARAMS_INT4 = 23,
    PARAMS_TEXT = 25,
    PARAMS_TIMESTAMPTZ = 1184,
    PARAMS_UUID = 2950,
    PARAMS_JSONB = 3802,
    PARAMS_XID8 = 5069, /* its elements as int8: the number of a transaction */
};

struct params {
    struct buffer bytes;
    int count;
    size_t offsets[PARAMS_MAX];
    const char *values[PARAMS_MAX]; /* set by params_finish(); NULL is SQL's null */
    int lengths[PARAMS_MAX];
    int formats[PARAMS_MAX];
    size_t array_start; /* of the array being put, else 0 */
    int32_t array_count;
    bool in_array;
    bool array_has_null;
    bool array_has_value;
};

void params_init(struct params *p);
void params_exit(struct params *p);

/* Forgets all values but keeps the memory, up to a bound. */
void params_clear(struct params *p);

void params_begin_array(struct params *p, enum params_type type);
void params_end_array(struct params *p);
/* The same; an array without a value, but for nulls, becomes null itself. */
void params_end_array_or_null(struct params *p);

/* Each puts the next parameter or, inside an array, the next element. */
void params_put_null(struct params *p);
void params_put_id(struct params *p, const struct id *id);
void params_put_bool(struct params *p, bool value);
void params_put_int4(struct params *p, int32_t value);
void params_put_int8(struct params *p, int64_t value);
void params_put_timestamp(struct params *p, timestamp_us value);
/* A span without data is null. The text must be valid UTF-8 without NUL. */
void params_put_text(struct params *p, struct text_span text);
/* A span without data is null. The text must be valid JSON. */
void params_put_jsonb(struct params *p, struct text_span json);

/* Makes values, lengths and formats ready for libpq. False when memory ran out. */
MUST_CHECK bool params_finish(struct params *p);

#endif
