/* flat_object.c: see flat_object.h. */
#include "json/flat_object.h"

#include <string.h>

/* Any number of so many digits fits into 64 bits. */
#define DIGITS_MAX 18

struct reader {
    const char *at;
    const char *end;
};

static void skip_space(struct reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

/* Takes the character when it is the next one. */
static bool take(struct reader *r, char c) {
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool take_word(struct reader *r, const char *word) {
    const size_t length = strlen(word);
    if ((size_t)(r->end - r->at) < length || memcmp(r->at, word, length) != 0)
        return false;
    r->at += length;
    return true;
}

static bool is_plain(char c) {
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static bool take_string(struct reader *r, struct text_span *out) {
    if (!take(r, '"'))
        return false;
    out->data = r->at;
    while (r->at < r->end && is_plain(*r->at))
        r->at++;
    out->length = (size_t)(r->at - out->data);
    return take(r, '"');
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool take_integer(struct reader *r, int64_t *out) {
    const bool negative = take(r, '-');
    const char *first = r->at;
    int64_t value = 0;
    for (; r->at < r->end && is_digit(*r->at) && r->at - first < DIGITS_MAX; r->at++)
        value = value * 10 + (*r->at - '0');
    /* What else may belong to a number is no end of a member: the object refuses it. */
    *out = negative ? -value : value;
    return r->at > first && (*first != '0' || r->at == first + 1);
}

static bool take_value(struct reader *r, struct flat_member *member) {
    switch (r->at == r->end ? '\0' : *r->at) {
    case '"':
        member->kind = FLAT_STRING;
        return take_string(r, &member->string);
    case 't':
        member->kind = FLAT_OTHER;
        return take_word(r, "true");
    case 'f':
        member->kind = FLAT_OTHER;
        return take_word(r, "false");
    case 'n':
        member->kind = FLAT_NULL;
        return take_word(r, "null");
    default:
        member->kind = FLAT_INTEGER;
        return take_integer(r, &member->integer);
    }
}

static bool has_name(const struct flat_member *member, const char *name, size_t length) {
    return member->name.length == length && memcmp(member->name.data, name, length) == 0;
}

static bool is_new(const struct flat_object *object, struct text_span name) {
    for (size_t i = 0; i < object->count; i++) {
        if (has_name(&object->members[i], name.data, name.length))
            return false;
    }
    return true;
}

/* With the space around it. */
static bool take_member(struct reader *r, struct flat_object *object) {
    if (object->count == FLAT_OBJECT_MEMBERS_MAX)
        return false;
    struct flat_member *member = &object->members[object->count];
    skip_space(r);
    if (!take_string(r, &member->name) || !is_new(object, member->name))
        return false;
    skip_space(r);
    if (!take(r, ':'))
        return false;
    skip_space(r);
    if (!take_value(r, member))
        return false;
    skip_space(r);
    object->count++;
    return true;
}

static bool take_members(struct reader *r, struct flat_object *object) {
    skip_space(r);
    if (take(r, '}'))
        return true;
    do {
        if (!take_member(r, object))
            return false;
    } while (take(r, ','));
    return take(r, '}');
}

bool flat_object_read(struct flat_object *object, struct text_span text) {
    struct reader r = {text.data, text.data + text.length};
    object->count = 0;
    skip_space(&r);
    bool whole = take(&r, '{') && take_members(&r, object);
    skip_space(&r);
    whole = whole && r.at == r.end;
    if (!whole)
        object->count = 0;
    return whole;
}

const struct flat_member *flat_object_get(const struct flat_object *object, const char *name) {
    const size_t length = strlen(name);
    for (size_t i = 0; i < object->count; i++) {
        if (has_name(&object->members[i], name, length))
            return &object->members[i];
    }
    return NULL;
}
