/* announcement.c: see announcement.h. */
#include "notifier/announcement.h"

#include <stdio.h>
#include <string.h>

#include "notification/message.h"

static enum event_result fail(struct event_error *error, const char *why) {
    (void)snprintf(error->text, sizeof error->text, "%s", why);
    return EVENT_MALFORMED;
}

static enum event_result read_recipients(struct announcement *a, struct event_error *error) {
    const enum recipients_result result =
        recipients_add_array(&a->recipients, a->event.recipients, RECIPIENTS_MAX);
    if (result == RECIPIENTS_NO_MEMORY)
        return EVENT_NO_MEMORY;
    return result == RECIPIENTS_OK ? EVENT_OK : fail(error, recipients_problem(result));
}

enum event_result announcement_read(struct announcement *a, const struct record *record,
                                    struct event_error *error) {
    const struct text_span id = record_header(record, "event-id");
    memset(a, 0, sizeof *a);
    if (id.data == NULL || !id_parse(&a->event_id, id.data, id.length))
        return fail(error, "the header event-id is missing or no uuid");
    if (record->value.data == NULL)
        return fail(error, "the value is missing");
    enum event_result result =
        event_parse(&a->event, record->value.data, record->value.length, error);
    if (result == EVENT_OK)
        result = read_recipients(a, error);
    if (result != EVENT_OK)
        announcement_exit(a);
    return result;
}

void announcement_exit(struct announcement *a) {
    recipients_exit(&a->recipients);
    event_exit(&a->event);
}

char *announcement_body(const struct announcement *a, enum recipient_channel channel,
                        size_t *length) {
    struct message message;
    if (!message_init(&message, &a->event))
        return NULL;
    char *body = message_webhook_body(&message, &a->recipients, channel, length);
    message_exit(&message);
    return body;
}
