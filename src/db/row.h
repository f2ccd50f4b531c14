/*
 * row.h: reading values out of a binary result row. What is returned as a span points into the
 * result and lives as long as it does. A value whose length is not that of its type reads as null:
 * row_has_types() tells beforehand whether a result has the shape one expects.
 */
#ifndef DB_ROW_H
#define DB_ROW_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/id.h"
#include "base/text.h"
#include "base/timestamp.h"

struct row {
    const PGresult *result;
    int number;
};

/* Whether the result is binary and its columns have exactly these types (object ids). */
MUST_CHECK bool row_has_types(const PGresult *result, const unsigned *types, int count);

/* Each returns false, and a zeroed value, for null. */
bool row_id(struct row row, int column, struct id *out);
bool row_int4(struct row row, int column, int32_t *out);
bool row_int8(struct row row, int column, int64_t *out);
bool row_timestamp(struct row row, int column, timestamp_us *out);

/* A span without data for null. */
struct text_span row_text(struct row row, int column);
struct text_span row_jsonb(struct row row, int column);

#endif
