/* params.c: see params.h. */
#include "db/params.h"

#include <assert.h>
#include <string.h>

#include "db/epoch.h"

/* What is kept of the buffer between two statements: more than a usual batch needs. */
#define KEEP_BYTES ((size_t)256 * 1024)

static void store_u32(char *at, uint32_t value) {
    at[0] = (char)(value >> 24);
    at[1] = (char)(value >> 16);
    at[2] = (char)(value >> 8);
    at[3] = (char)value;
}

static void append_u32(struct buffer *b, uint32_t value) {
    char bytes[4];
    store_u32(bytes, value);
    buffer_append(b, bytes, sizeof bytes);
}

void params_init(struct params *p) {
    memset(p, 0, sizeof *p);
    buffer_init(&p->bytes);
}

void params_exit(struct params *p) {
    buffer_free(&p->bytes);
}

void params_clear(struct params *p) {
    buffer_clear(&p->bytes);
    buffer_shrink(&p->bytes, KEEP_BYTES);
    p->count = 0;
    p->in_array = false;
}

/* Notes where the next parameter begins; its length is known at its end. */
static int begin_param(struct params *p) {
    assert(p->count < PARAMS_MAX);
    const int index = p->count++;
    p->offsets[index] = p->bytes.length;
    p->lengths[index] = 0;
    return index;
}

void params_begin_array(struct params *p, enum params_type type) {
    assert(!p->in_array);
    begin_param(p);
    p->in_array = true;
    p->array_start = p->bytes.length;
    p->array_count = 0;
    p->array_has_null = false;
    p->array_has_value = false;
    /* dimensions, has null, element type, length, lower bound */
    append_u32(&p->bytes, 1);
    append_u32(&p->bytes, 0); /* has null: set at the end */
    append_u32(&p->bytes, (uint32_t)type);
    append_u32(&p->bytes, 0); /* length: set at the end */
    append_u32(&p->bytes, 1); /* lower bound */
}

void params_end_array(struct params *p) {
    assert(p->in_array);
    p->in_array = false;
    if (p->bytes.failed)
        return;
    char *header = p->bytes.data + p->array_start;
    store_u32(header + 4, p->array_has_null ? 1 : 0);
    store_u32(header + 12, (uint32_t)p->array_count);
    p->lengths[p->count - 1] = (int)(p->bytes.length - p->array_start);
}

void params_end_array_or_null(struct params *p) {
    params_end_array(p);
    if (p->array_has_value || p->bytes.failed)
        return;
    p->bytes.length = p->array_start;
    p->lengths[p->count - 1] = -1;
}

static void put(struct params *p, const void *prefix, size_t prefix_length, const void *bytes,
                size_t length) {
    const size_t whole = prefix_length + length;
    if (p->in_array) {
        p->array_count++;
        p->array_has_value = true;
        append_u32(&p->bytes, (uint32_t)whole);
    } else {
        const int index = begin_param(p);
        p->lengths[index] = (int)whole;
    }
    buffer_append(&p->bytes, prefix, prefix_length);
    buffer_append(&p->bytes, bytes, length);
    /* An empty value must not become a null pointer, which would be null for libpq. */
    if (!p->in_array && whole == 0)
        buffer_append_char(&p->bytes, '\0');
}

void params_put_null(struct params *p) {
    if (p->in_array) {
        p->array_count++;
        p->array_has_null = true;
        append_u32(&p->bytes, UINT32_MAX);
    } else {
        const int index = begin_param(p);
        p->lengths[index] = -1;
    }
}

void params_put_id(struct params *p, const struct id *id) {
    put(p, NULL, 0, id->bytes, sizeof id->bytes);
}

void params_put_bool(struct params *p, bool value) {
    const char byte = value ? 1 : 0;
    put(p, NULL, 0, &byte, sizeof byte);
}

void params_put_int4(struct params *p, int32_t value) {
    char bytes[4];
    store_u32(bytes, (uint32_t)value);
    put(p, NULL, 0, bytes, sizeof bytes);
}

void params_put_int8(struct params *p, int64_t value) {
    char bytes[8];
    store_u32(bytes, (uint32_t)((uint64_t)value >> 32));
    store_u32(bytes + 4, (uint32_t)(uint64_t)value);
    put(p, NULL, 0, bytes, sizeof bytes);
}

void params_put_timestamp(struct params *p, timestamp_us value) {
    params_put_int8(p, value - POSTGRES_EPOCH_US);
}

void params_put_text(struct params *p, struct text_span text) {
    if (text.data == NULL)
        params_put_null(p);
    else
        put(p, NULL, 0, text.data, text.length);
}

void params_put_jsonb(struct params *p, struct text_span json) {
    static const char version = 1;
    if (json.data == NULL)
        params_put_null(p);
    else
        put(p, &version, sizeof version, json.data, json.length);
}

bool params_finish(struct params *p) {
    assert(!p->in_array);
    if (p->bytes.failed)
        return false;
    for (int i = 0; i < p->count; i++) {
        p->formats[i] = 1;
        p->values[i] = p->lengths[i] < 0 ? NULL : p->bytes.data + p->offsets[i];
    }
    return true;
}
