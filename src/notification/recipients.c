/* recipients.c: see recipients.h. */
#include "notification/recipients.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const char *recipients_problem(enum recipients_result result) {
    switch (result) {
    case RECIPIENTS_OK:
        break;
    case RECIPIENTS_NOT_TEXTS:
        return "must be an array of texts";
    case RECIPIENTS_TOO_MANY:
        return "must not have more than 100 recipients";
    case RECIPIENTS_TOO_LONG:
        return "must not have recipients longer than 320 bytes";
    case RECIPIENTS_NO_MEMORY:
        return "can't be stored";
    }
    return "is right";
}

static bool has(const struct recipients *r, const struct recipient *candidate) {
    for (size_t i = 0; i < r->count; i++) {
        if (recipient_equal(r->items[i], candidate))
            return true;
    }
    return false;
}

/* A recipient with a copy of the text behind it. */
static struct recipient *new_recipient(struct text_span text) {
    struct recipient *made = malloc(sizeof *made + text.length);
    if (made == NULL)
        return NULL;
    char *copy = (char *)(made + 1);
    memcpy(copy, text.data, text.length);
    if (!recipient_read(made, (struct text_span){copy, text.length})) {
        free(made); /* not possible: there was something in it */
        return NULL;
    }
    return made;
}

/* Makes room for one more, twice as many each time. */
static bool reserve(struct recipients *r) {
    if ((r->count & (r->count - 1)) != 0)
        return true;
    const size_t capacity = r->count == 0 ? 1 : r->count * 2;
    struct recipient **items = realloc(r->items, capacity * sizeof(struct recipient *));
    if (items == NULL)
        return false;
    r->items = items;
    return true;
}

static enum recipients_result append(struct recipients *r, struct text_span text) {
    struct recipient *made = new_recipient(text);
    if (made == NULL || !reserve(r)) {
        free(made);
        return RECIPIENTS_NO_MEMORY;
    }
    r->items[r->count++] = made;
    r->counts[made->channel]++;
    return RECIPIENTS_OK;
}

enum recipients_result recipients_add(struct recipients *r, struct text_span text) {
    struct recipient candidate;
    if (!recipient_read(&candidate, text))
        return RECIPIENTS_OK;
    if (candidate.text.length > RECIPIENT_BYTES_MAX)
        return RECIPIENTS_TOO_LONG;
    if (!text_is_valid_utf8(candidate.text.data, candidate.text.length))
        return RECIPIENTS_NOT_TEXTS;
    if (has(r, &candidate))
        return RECIPIENTS_OK;
    if (r->count == RECIPIENTS_MAX)
        return RECIPIENTS_TOO_MANY;
    return append(r, candidate.text);
}

enum recipients_result recipients_add_array(struct recipients *r, const json_t *array,
                                            size_t most) {
    enum recipients_result result = RECIPIENTS_OK;
    if (array != NULL && !json_is_array(array))
        return RECIPIENTS_NOT_TEXTS;
    const size_t count = json_array_size(array);
    if (count > most)
        return RECIPIENTS_TOO_MANY;
    for (size_t i = 0; i < count && result == RECIPIENTS_OK; i++) {
        const json_t *element = json_array_get(array, i);
        if (!json_is_string(element))
            return RECIPIENTS_NOT_TEXTS;
        result = recipients_add(
            r, (struct text_span){json_string_value(element), json_string_length(element)});
    }
    return result;
}

enum recipients_result recipients_add_list(struct recipients *r, const char *list, size_t most) {
    enum recipients_result result = RECIPIENTS_OK;
    size_t count = 0;
    while (*list != '\0' && result == RECIPIENTS_OK) {
        struct recipient one;
        const struct text_span text = {list, strcspn(list, ",")};
        if (recipient_read(&one, text))
            count++;
        if (count > most)
            return RECIPIENTS_TOO_MANY;
        result = recipients_add(r, text);
        list += text.length;
        list += *list == ',' ? 1 : 0;
    }
    return result;
}

const char *recipients_check_setting(const char *list) {
    struct recipients r = {0};
    const enum recipients_result result = recipients_add_list(&r, list, RECIPIENTS_GIVEN_MAX);
    recipients_exit(&r);
    switch (result) {
    case RECIPIENTS_OK:
        return NULL;
    case RECIPIENTS_NO_MEMORY:
        return "AVAILABILITY_GUARD_NOTIFICATION_RECIPIENTS: out of memory";
    default:
        return "AVAILABILITY_GUARD_NOTIFICATION_RECIPIENTS is not allowed; allowed are at most 100 "
               "recipients by comma, of at most 320 bytes each";
    }
}

void recipients_exit(struct recipients *r) {
    for (size_t i = 0; i < r->count; i++)
        free(r->items[i]);
    free(r->items);
    memset(r, 0, sizeof *r);
}

/* Appends to an array, which may be NULL; NULL, with the array freed, when there is no memory. */
static json_t *append_text(json_t *array, struct text_span text) {
    if (json_array_append_new(array, json_stringn(text.data, text.length)) == 0)
        return array;
    json_decref(array);
    return NULL;
}

json_t *recipients_merged(const struct recipients *r) {
    json_t *array = json_array();
    for (size_t i = 0; i < r->count; i++)
        array = append_text(array, r->items[i]->text);
    return array;
}

json_t *recipients_of_channel(const struct recipients *r, enum recipient_channel channel) {
    json_t *array = json_array();
    for (size_t i = 0; i < r->count; i++) {
        if (r->items[i]->channel == channel)
            array = append_text(array, r->items[i]->address);
    }
    return array;
}

char *recipients_merged_text(const struct recipients *r) {
    json_t *array = recipients_merged(r);
    char *text = json_dumps(array, JSON_COMPACT);
    json_decref(array);
    return text;
}
