/* violations.c: see violations.h. */
#include "domain/violations.h"

#include <string.h>

bool violations_has(const struct violations *v, const char *field) {
    for (size_t i = 0; i < v->count; i++) {
        if (strcmp(v->items[i].field, field) == 0)
            return true;
    }
    return false;
}

void violations_add(struct violations *v, const char *field, const char *message) {
    if (v->count == VIOLATIONS_MAX || violations_has(v, field))
        return;
    v->items[v->count++] = (struct violation){field, message};
}
