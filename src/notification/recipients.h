/*
 * recipients.h: all who are told of a release: lists merged, each recipient once, in the order in
 * which they were first named (see recipient.h for what is the same, and for channels).
 *
 *     struct recipients all = {0};
 *     result = recipients_add_array(&all, notify, RECIPIENTS_GIVEN_MAX);
 *     if (result == RECIPIENTS_OK)
 *         result = recipients_add_list(&all, settings->…_recipients, RECIPIENTS_GIVEN_MAX);
 *     … recipients_merged(&all) …
 *     recipients_exit(&all);
 */
#ifndef NOTIFICATION_RECIPIENTS_H
#define NOTIFICATION_RECIPIENTS_H

#include <jansson.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/text.h"
#include "notification/recipient.h"

/* The most of one event. */
#define RECIPIENTS_MAX 200

/* The most of a request, and the most of the setting; so both together always fit. */
#define RECIPIENTS_GIVEN_MAX 100

/* Equals zeroed memory at first. */
struct recipients {
    size_t count;
    struct recipient **items;              /* owned, with their texts */
    size_t counts[RECIPIENT_CHANNELS + 1]; /* by enum recipient_channel */
};

enum recipients_result {
    RECIPIENTS_OK,
    RECIPIENTS_NOT_TEXTS, /* not an array of texts (valid UTF-8 without NUL) */
    RECIPIENTS_TOO_MANY,
    RECIPIENTS_TOO_LONG, /* one of more than RECIPIENT_BYTES_MAX bytes after trimming */
    RECIPIENTS_NO_MEMORY,
};

/* What is wrong, as in "must hold texts only"; a static text without personal data. */
const char *recipients_problem(enum recipients_result result);

/*
 * Adds a recipient, unless it is there already or there is nothing in it but white space. The text
 * is copied. What cannot be an address is taken too, as unroutable; only what could not travel in
 * an event is refused: not UTF-8, with a NUL, too long, or too many.
 */
MUST_CHECK enum recipients_result recipients_add(struct recipients *r, struct text_span text);

/* Adds those of a JSON array of at most `most` texts. Unless it is RECIPIENTS_OK some of them may
 * have been added. NULL is an array without elements. */
MUST_CHECK enum recipients_result recipients_add_array(struct recipients *r, const json_t *array,
                                                       size_t most);

/* Adds those of a list by commas, as in AVAILABILITY_GUARD_NOTIFICATION_RECIPIENTS; empty places
 * do not count. */
MUST_CHECK enum recipients_result recipients_add_list(struct recipients *r, const char *list,
                                                      size_t most);

/* NULL when the setting AVAILABILITY_GUARD_NOTIFICATION_RECIPIENTS may have this value, or a static
 * line that says what is wrong with it. */
MUST_CHECK const char *recipients_check_setting(const char *list);

void recipients_exit(struct recipients *r);

/*
 * New arrays of texts, which the caller frees with json_decref(); NULL: out of memory. Merged: each
 * as it was given, trimmed, unroutable ones too: this is what an event carries. Of a channel: the
 * addresses, as its webhook wants them.
 */
json_t *recipients_merged(const struct recipients *r);
json_t *recipients_of_channel(const struct recipients *r, enum recipient_channel channel);

/* recipients_merged() as JSON text with a NUL, which the caller frees; NULL: out of memory. */
char *recipients_merged_text(const struct recipients *r);

#endif
