/*
 * fuzz_flat_object.c: what the reader of plain objects accepts, the full parser reads the same.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/flat_object.h"

/* Like assert(), but always there. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same_string(const struct flat_member *flat, const json_t *full) {
    return json_string_length(full) == flat->string.length &&
           memcmp(json_string_value(full), flat->string.data, flat->string.length) == 0;
}

static bool same(const struct flat_member *flat, const json_t *full) {
    switch (json_typeof(full)) {
    case JSON_STRING:
        return flat->kind == FLAT_STRING && same_string(flat, full);
    case JSON_INTEGER:
        return flat->kind == FLAT_INTEGER && json_integer_value(full) == flat->integer;
    case JSON_NULL:
        return flat->kind == FLAT_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return flat->kind == FLAT_OTHER;
    default:
        return false;
    }
}

static void check(const struct flat_object *flat, const json_t *full) {
    MUST(json_is_object(full) && json_object_size(full) == flat->count);
    for (size_t i = 0; i < flat->count; i++) {
        const struct text_span name = flat->members[i].name;
        const json_t *member = json_object_getn(full, name.data, name.length);
        MUST(member != NULL && same(&flat->members[i], member));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct flat_object flat;
    const struct text_span text = {(const char *)data, size};
    const bool is_flat = flat_object_read(&flat, text);
    MUST(is_flat || flat.count == 0);
    if (is_flat) {
        json_t *full = json_loadb(text.data, text.length, JSON_REJECT_DUPLICATES, NULL);
        MUST(memchr(data, '\0', size) == NULL);
        check(&flat, full);
        json_decref(full);
    }
    return 0;
}
