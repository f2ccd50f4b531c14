/* request_body.c: see request_body.h. */
#include "json/request_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct text_span ABSENT = {NULL, 0};

/* What jansson says, without the piece of the body that it quotes ("... near 'x'", or behind
 * "invalid Unicode"). */
static void describe_error(struct request_body *body, const json_error_t *error) {
    static const char UNICODE[] = "invalid Unicode";
    if (json_error_code(error) == json_error_null_character) {
        snprintf(body->error, sizeof body->error, "NUL at line %d, column %d", error->line,
                 error->column);
        return;
    }
    const char *near = strstr(error->text, " near ");
    int length = near == NULL ? (int)strlen(error->text) : (int)(near - error->text);
    if (strncmp(error->text, UNICODE, sizeof UNICODE - 1) == 0)
        length = (int)sizeof UNICODE - 1;
    snprintf(body->error, sizeof body->error, "%.*s at line %d, column %d", length, error->text,
             error->line, error->column < 0 ? 0 : error->column);
}

/* What jansson says when it has no memory is mostly something else. */
static bool memory_refused;

static void *allocate(size_t size) {
    void *memory = malloc(size);
    memory_refused = memory_refused || memory == NULL;
    return memory;
}

/* jansson overlooks a NUL that follows a number, true, false or null. */
static bool has_nul(struct request_body *body, struct text_span text) {
    const char *nul = memchr(text.data, '\0', text.length);
    if (nul == NULL)
        return false;
    int line = 1;
    int column = 1;
    for (const char *at = text.data; at < nul; at++) {
        line += *at == '\n' ? 1 : 0;
        column = *at == '\n' ? 1 : column + 1;
    }
    snprintf(body->error, sizeof body->error, "NUL byte at line %d, column %d", line, column);
    return true;
}

static json_t *load(struct request_body *body, json_error_t *error) {
    const size_t flags = JSON_REJECT_DUPLICATES;
    json_set_alloc_funcs(allocate, free);
    memory_refused = false;
    json_t *value = json_loadb(body->text.data, body->text.length, flags, error);
    if (value != NULL || json_error_code(error) != json_error_numeric_overflow)
        return value;
    body->wide = true;
    return json_loadb(body->text.data, body->text.length, flags | JSON_DECODE_INT_AS_REAL, error);
}

/* Not the places for members, which are many bytes and say nothing without their count. */
static void clear(struct request_body *body) {
    body->flat.count = 0;
    body->object = NULL;
    body->text = ABSENT;
    body->metadata = NULL;
    body->wide = false;
    body->no_memory = false;
    body->error[0] = '\0';
}

bool request_body_parse(struct request_body *body, struct text_span text) {
    clear(body);
    body->text = text;
    if (text.length == 0 || flat_object_read(&body->flat, text))
        return true;
    if (has_nul(body, text))
        return false;
    json_error_t error = {.line = 0}; /* jansson does not always fill it in */
    body->object = load(body, &error);
    if (body->object == NULL) {
        body->no_memory = memory_refused;
        describe_error(body, &error);
        return false;
    }
    if (!json_is_object(body->object)) {
        snprintf(body->error, sizeof body->error, "the body is not a JSON object");
        return false;
    }
    return true;
}

void request_body_exit(struct request_body *body) {
    json_decref(body->object);
    free(body->metadata);
    clear(body);
}

static struct text_span span_of(const json_t *string) {
    return (struct text_span){json_string_value(string), json_string_length(string)};
}

/* Every double beyond 2^53 is a whole number. */
static bool is_integral(double value) {
    return value >= 0x1p53 || value <= -0x1p53 || value == (double)(int64_t)value;
}

static int64_t nearest_integer(double value) {
    if (value >= 0x1p63)
        return INT64_MAX;
    if (value <= -0x1p63)
        return INT64_MIN;
    return (int64_t)value;
}

/* A member of the tree as a plain one. */
static struct flat_member flat_member_of(const struct request_body *body, const json_t *member) {
    struct flat_member flat = {.kind = FLAT_OTHER};
    if (json_is_string(member)) {
        flat.kind = FLAT_STRING;
        flat.string = span_of(member);
    } else if (json_is_integer(member)) {
        flat.kind = FLAT_INTEGER;
        flat.integer = json_integer_value(member);
    } else if (body->wide && json_is_real(member) && is_integral(json_real_value(member))) {
        flat.kind = FLAT_INTEGER;
        flat.integer = nearest_integer(json_real_value(member));
    } else if (json_is_null(member)) {
        flat.kind = FLAT_NULL;
    }
    return flat;
}

/* False when there is no such member. */
static bool find_flat(const struct request_body *body, const char *name, struct flat_member *out) {
    const struct flat_member *plain = flat_object_get(&body->flat, name);
    const json_t *member = json_object_get(body->object, name);
    if (plain != NULL)
        *out = *plain;
    else if (member != NULL)
        *out = flat_member_of(body, member);
    return plain != NULL || member != NULL;
}

struct text_span request_body_text(const struct request_body *body, const char *name,
                                   struct violations *v) {
    struct flat_member member;
    if (!find_flat(body, name, &member))
        return ABSENT;
    if (member.kind == FLAT_STRING)
        return member.string;
    violations_add(v, name, "must be a string");
    return ABSENT;
}

struct text_span request_body_nullable_text(const struct request_body *body, const char *name,
                                            struct violations *v) {
    struct flat_member member;
    if (find_flat(body, name, &member) && member.kind == FLAT_NULL)
        return (struct text_span){"", 0};
    return request_body_text(body, name, v);
}

/* Behind the string that begins at `at` (with its quote). The text is known to be valid JSON. */
static const char *skip_string(const char *at) {
    for (at++; *at != '"'; at++) {
        if (*at == '\\')
            at++;
    }
    return at + 1;
}

/* Behind the object or array that begins at `at`. */
static const char *skip_nested(const char *at) {
    int depth = 0;
    do {
        if (*at == '"') {
            at = skip_string(at);
            continue;
        }
        if (*at == '{' || *at == '[')
            depth++;
        else if (*at == '}' || *at == ']')
            depth--;
        at++;
    } while (depth > 0);
    return at;
}

static const char *skip_space(const char *at) {
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')
        at++;
    return at;
}

/* Behind any value. */
static const char *skip_value(const char *at) {
    if (*at == '"')
        return skip_string(at);
    if (*at == '{' || *at == '[')
        return skip_nested(at);
    return at + strcspn(at, ",]} \t\r\n");
}

/*
 * The text of a member of the object, or no data when its name is written with escapes, or that of
 * the object was.
 * The parser has accepted the text, so every value ends where it must; that the text ends with the
 * object's brace keeps the scan inside it.
 */
static struct text_span find_member(struct text_span text, const char *name) {
    if (text.data == NULL)
        return ABSENT;
    const size_t name_length = strlen(name);
    const char *at = skip_space(skip_space(text.data) + 1);
    while (*at == '"') {
        const char *key = at + 1;
        at = skip_string(at);
        const size_t key_length = (size_t)(at - 1 - key);
        at = skip_space(skip_space(at) + 1); /* the colon */
        const char *value = at;
        at = skip_value(at);
        if (key_length == name_length && memcmp(key, name, name_length) == 0)
            return (struct text_span){value, (size_t)(at - value)};
        at = skip_space(at);
        if (*at == ',')
            at = skip_space(at + 1);
    }
    return ABSENT;
}

bool request_body_member(const struct request_body *body, const char *name,
                         struct request_body *member) {
    json_t *object = json_object_get(body->object, name);
    if (!json_is_object(object))
        return false;
    clear(member);
    member->object = json_incref(object);
    member->text = find_member(body->text, name);
    member->wide = body->wide;
    return true;
}

struct text_span request_body_object(struct request_body *body, const char *name,
                                     struct violations *v) {
    const json_t *member = json_object_get(body->object, name);
    if (member == NULL && flat_object_get(&body->flat, name) == NULL)
        return ABSENT;
    if (!json_is_object(member)) {
        violations_add(v, name, "must be an object");
        return ABSENT;
    }
    const struct text_span found = find_member(body->text, name);
    if (found.data != NULL)
        return found;
    free(body->metadata);
    body->metadata = json_dumps(member, JSON_COMPACT);
    if (body->metadata == NULL) {
        body->no_memory = true;
        violations_add(v, name, "can't be stored");
        return ABSENT;
    }
    return (struct text_span){body->metadata, strlen(body->metadata)};
}

int64_t request_body_integer(const struct request_body *body, const char *name,
                             struct violations *v) {
    struct flat_member member;
    if (!find_flat(body, name, &member))
        return 0;
    if (member.kind == FLAT_INTEGER)
        return member.integer;
    violations_add(v, name, "must be an integer");
    return 0;
}

struct id *request_body_ids(struct request_body *body, const char *name, size_t most, size_t *count,
                            struct violations *v) {
    const json_t *member = json_object_get(body->object, name);
    *count = json_array_size(member);
    if (member == NULL && flat_object_get(&body->flat, name) == NULL) {
        violations_add(v, name, "is required");
        return NULL;
    }
    if (!json_is_array(member) || *count < 1 || *count > most) {
        violations_add(v, name, "must be an array of 1 to 10000 uuids");
        return NULL;
    }
    struct id *ids = calloc(*count, sizeof *ids);
    if (ids == NULL) {
        body->no_memory = true;
        violations_add(v, name, "can't be stored");
        return NULL;
    }
    for (size_t i = 0; i < *count; i++) {
        const json_t *element = json_array_get(member, i);
        const struct text_span text = json_is_string(element) ? span_of(element) : ABSENT;
        if (text.data == NULL || !id_parse(&ids[i], text.data, text.length)) {
            violations_add(v, name, "must hold uuids only");
            free(ids);
            return NULL;
        }
    }
    return ids;
}
