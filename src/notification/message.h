/*
 * message.h: what people read about a manual release, and what the webhooks are sent.
 *
 * The same event always gives the same message, byte by byte: a call that is repeated is the same
 * call. Nothing that an operator wrote can act as something else than text: each value is kept on
 * one line, is escaped where the channel has markup, and cannot mention anybody in Slack.
 */
#ifndef NOTIFICATION_MESSAGE_H
#define NOTIFICATION_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "notification/event.h"
#include "notification/recipients.h"

#define MESSAGE_TEMPLATE "availability_guard_manual_release"

/* Texts end with a NUL and are owned; not to be changed. */
struct message {
    char *subject; /* one line of at most 120 characters */
    char *plain_text;
    char *html_body;  /* a whole document, UTF-8 */
    char *slack_text; /* mrkdwn */
    char *sms_text;   /* at most two segments: see sms.h */
    /* {lockId, tenantId, reservationId, roomTypeId, roomId, stayStart, stayEnd, reason,
     *  actor: {id, name, email}, sentAt}; ids in lower case, times in UTC, null where not set */
    json_t *metadata;
};

/* Writes all texts. The event is not needed any more afterwards. False when out of memory: nothing
 * is left to free then, and message_exit() does no harm. */
MUST_CHECK bool message_init(struct message *message, const struct event *event);
void message_exit(struct message *message);

/* {subject, plainText, htmlBody, slackText, smsText, metadata}, for people who try it out. A new
 * reference; NULL: out of memory. */
json_t *message_summary(const struct message *message);

/*
 * The body of a channel's webhook, for the channel's recipients out of all; the channel is not
 * RECIPIENT_UNROUTABLE. JSON text of *length bytes and a NUL, which the caller frees; NULL: out of
 * memory.
 *
 *   email {template, subject, textBody, htmlBody, recipients, metadata}
 *   sms   {template, message, recipients, metadata}
 *   slack {template, text, message, recipients, metadata}, text and message being the same
 */
char *message_webhook_body(const struct message *message, const struct recipients *all,
                           enum recipient_channel channel, size_t *length);

#endif
