/*
 * violations.h: what is wrong with a request, field by field. All violations are collected, so that
 * a caller learns of them at once; a field has at most one.
 */
#ifndef DOMAIN_VIOLATIONS_H
#define DOMAIN_VIOLATIONS_H

#include <stdbool.h>
#include <stddef.h>

#define VIOLATIONS_MAX 24

struct violation {
    const char *field;   /* as the caller spells it; static */
    const char *message; /* static */
};

struct violations {
    size_t count;
    struct violation items[VIOLATIONS_MAX];
};

/* Does nothing when the field has a violation already. */
void violations_add(struct violations *v, const char *field, const char *message);
bool violations_has(const struct violations *v, const char *field);

#endif
