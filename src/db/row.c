/* row.c: see row.h. */
#include "db/row.h"

#include <string.h>

#include "db/epoch.h"

bool row_has_types(const PGresult *result, const unsigned *types, int count) {
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQnfields(result) != count)
        return false;
    for (int i = 0; i < count; i++) {
        if (PQftype(result, i) != types[i] || PQfformat(result, i) != 1)
            return false;
    }
    return true;
}

/* The value's bytes, or NULL when it is null or has another length. */
static const unsigned char *fixed(struct row row, int column, int length) {
    if (PQgetisnull(row.result, row.number, column) ||
        PQgetlength(row.result, row.number, column) != length)
        return NULL;
    return (const unsigned char *)PQgetvalue(row.result, row.number, column);
}

static uint32_t load_u32(const unsigned char *at) {
    return ((uint32_t)at[0] << 24) | ((uint32_t)at[1] << 16) | ((uint32_t)at[2] << 8) | at[3];
}

bool row_id(struct row row, int column, struct id *out) {
    const unsigned char *bytes = fixed(row, column, (int)sizeof out->bytes);
    memset(out, 0, sizeof *out);
    if (bytes == NULL)
        return false;
    memcpy(out->bytes, bytes, sizeof out->bytes);
    return true;
}

bool row_int4(struct row row, int column, int32_t *out) {
    const unsigned char *bytes = fixed(row, column, 4);
    *out = bytes == NULL ? 0 : (int32_t)load_u32(bytes);
    return bytes != NULL;
}

bool row_int8(struct row row, int column, int64_t *out) {
    const unsigned char *bytes = fixed(row, column, 8);
    *out = bytes == NULL ? 0 : (int64_t)(((uint64_t)load_u32(bytes) << 32) | load_u32(bytes + 4));
    return bytes != NULL;
}

bool row_timestamp(struct row row, int column, timestamp_us *out) {
    int64_t since_2000 = 0;
    if (!row_int8(row, column, &since_2000)) {
        *out = 0;
        return false;
    }
    *out = since_2000 + POSTGRES_EPOCH_US;
    return true;
}

struct text_span row_text(struct row row, int column) {
    if (PQgetisnull(row.result, row.number, column))
        return (struct text_span){NULL, 0};
    return (struct text_span){PQgetvalue(row.result, row.number, column),
                              (size_t)PQgetlength(row.result, row.number, column)};
}

struct text_span row_jsonb(struct row row, int column) {
    struct text_span text = row_text(row, column);
    if (text.data == NULL || text.length < 1)
        return (struct text_span){NULL, 0};
    /* The first byte is the version of the format. */
    return (struct text_span){text.data + 1, text.length - 1};
}
