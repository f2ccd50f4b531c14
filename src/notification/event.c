/* event.c: see event.h. */
#include "notification/event.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "notification/recipients.h"

/* Only the first thing that is wrong is told. Returns false, for the caller to return. */
static bool wrong(struct event_error *error, const char *member, const char *what) {
    snprintf(error->text, sizeof error->text, "%s %s", member, what);
    return false;
}

/* Without what the parser says itself: it quotes the text. */
static const char *what_of(enum json_error_code code) {
    switch (code) {
    case json_error_invalid_utf8:
        return "is not valid UTF-8";
    case json_error_premature_end_of_input:
        return "is JSON that ends too early";
    case json_error_end_of_input_expected:
        return "is JSON with something behind it";
    case json_error_duplicate_key:
        return "has a name twice in one object";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "has a NUL in a text";
    case json_error_numeric_overflow:
        return "has a number that is out of range";
    case json_error_stack_overflow:
        return "is nested too deeply";
    default:
        return "is not JSON";
    }
}

static void describe(struct event_error *error, const json_error_t *cause) {
    snprintf(error->text, sizeof error->text, "the event %s, at line %d, column %d",
             what_of(json_error_code(cause)), cause->line, cause->column);
}

static enum event_result load(json_t **tree, const char *bytes, size_t length,
                              struct event_error *error) {
    json_error_t cause;
    if (length > EVENT_BYTES_MAX) {
        (void)wrong(error, "the event", "is longer than 1048576 bytes");
        return EVENT_MALFORMED;
    }
    /* The parser overlooks a NUL behind a number, true, false or null. */
    if (length > 0 && memchr(bytes, '\0', length) != NULL) {
        (void)wrong(error, "the event", "has a NUL byte");
        return EVENT_MALFORMED;
    }
    /* As reals, integers of any length are taken in members that are not ours. */
    errno = 0;
    *tree = json_loadb(bytes, length, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &cause);
    /* Where memory is lacking the parser finds fault with the text, or leaves something of it out
     * and is content. What tells is what malloc() has set. */
    if (errno == ENOMEM) {
        json_decref(*tree);
        *tree = NULL;
        (void)wrong(error, "the event", "can't be read: out of memory");
        return EVENT_NO_MEMORY;
    }
    if (*tree != NULL)
        return EVENT_OK;
    describe(error, &cause);
    return EVENT_MALFORMED;
}

static struct text_span text_of(const json_t *string) {
    return (struct text_span){json_string_value(string), json_string_length(string)};
}

/* `member` is the name with its path, for people. */
static bool read_text(const json_t *object, const char *name, const char *member,
                      struct text_span *out, struct event_error *error) {
    *out = text_of(json_object_get(object, name));
    if (out->data == NULL)
        return wrong(error, member, "is missing or not a text");
    if (out->length == 0)
        return wrong(error, member, "is empty");
    if (text_code_points(out->data, out->length) > EVENT_TEXT_MAX)
        return wrong(error, member, "is longer than 1000 characters");
    return true;
}

static bool is_absent(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return value == NULL || json_is_null(value);
}

static bool read_type(const json_t *tree, struct event_error *error) {
    struct text_span type;
    if (!read_text(tree, "type", "type", &type, error))
        return false;
    if (type.length != strlen(EVENT_TYPE_MANUAL_RELEASE) ||
        memcmp(type.data, EVENT_TYPE_MANUAL_RELEASE, type.length) != 0)
        return wrong(error, "type", "is not one that is known");
    return true;
}

static bool read_id(const json_t *tree, const char *name, struct id *out,
                    struct event_error *error) {
    const struct text_span text = text_of(json_object_get(tree, name));
    if (text.data != NULL && id_parse(out, text.data, text.length))
        return true;
    return wrong(error, name, "is not a uuid");
}

static bool read_optional_id(const json_t *tree, const char *name, struct optional_id *out,
                             struct event_error *error) {
    out->set = !is_absent(tree, name);
    return !out->set || read_id(tree, name, &out->id, error);
}

static bool read_time(const json_t *tree, const char *name, timestamp_us *out,
                      struct event_error *error) {
    static const char DATE[] = "2027-01-31"; /* is not a point in time here */
    const struct text_span text = text_of(json_object_get(tree, name));
    if (text.data != NULL && text.length > strlen(DATE) &&
        timestamp_parse(out, text.data, text.length))
        return true;
    return wrong(error, name, "is not a time of RFC 3339 from 1970 to 9999");
}

static bool read_actor(const json_t *tree, struct event *event, struct event_error *error) {
    const json_t *actor = json_object_get(tree, "actor");
    if (!json_is_object(actor))
        return wrong(error, "actor", "is missing or not an object");
    return read_text(actor, "id", "actor.id", &event->actor_id, error) &&
           read_text(actor, "name", "actor.name", &event->actor_name, error) &&
           (is_absent(actor, "email") ||
            read_text(actor, "email", "actor.email", &event->actor_email, error));
}

static bool read_recipients(const json_t *tree, struct event *event, struct event_error *error) {
    const json_t *array = json_object_get(tree, "recipients");
    if (!json_is_array(array))
        return wrong(error, "recipients", "is missing or not an array");
    if (json_array_size(array) > RECIPIENTS_MAX)
        return wrong(error, "recipients", "has more than 200 elements");
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *element = json_array_get(array, i);
        if (!json_is_string(element))
            return wrong(error, "recipients", "has an element that is not a text");
        if (json_string_length(element) > RECIPIENT_BYTES_MAX)
            return wrong(error, "recipients", "has an element of more than 320 bytes");
    }
    event->recipients = array;
    return true;
}

static bool read_ids(const json_t *tree, struct event *event, struct event_error *error) {
    return read_id(tree, "lockId", &event->lock_id, error) &&
           read_id(tree, "tenantId", &event->tenant_id, error) &&
           read_optional_id(tree, "reservationId", &event->reservation_id, error) &&
           read_id(tree, "roomTypeId", &event->room_type_id, error) &&
           read_optional_id(tree, "roomId", &event->room_id, error);
}

static bool read_times(const json_t *tree, struct event *event, struct event_error *error) {
    if (!read_time(tree, "sentAt", &event->sent_at, error) ||
        !read_time(tree, "stayStart", &event->stay_start, error) ||
        !read_time(tree, "stayEnd", &event->stay_end, error))
        return false;
    if (event->stay_end <= event->stay_start)
        return wrong(error, "stayEnd", "is not after stayStart");
    return true;
}

static bool read_members(const json_t *tree, struct event *event, struct event_error *error) {
    if (!json_is_object(tree))
        return wrong(error, "the event", "is not an object");
    return read_type(tree, error) && read_ids(tree, event, error) &&
           read_times(tree, event, error) &&
           read_text(tree, "reason", "reason", &event->reason, error) &&
           read_actor(tree, event, error) && read_recipients(tree, event, error);
}

enum event_result event_parse(struct event *event, const char *bytes, size_t length,
                              struct event_error *error) {
    memset(event, 0, sizeof *event);
    const enum event_result result = load(&event->tree, bytes, length, error);
    if (result != EVENT_OK)
        return result;
    if (read_members(event->tree, event, error))
        return EVENT_OK;
    event_exit(event);
    return EVENT_MALFORMED;
}

void event_exit(struct event *event) {
    json_decref(event->tree);
    memset(event, 0, sizeof *event);
}
