/* markup.h: text in places where some characters are markup. */
#ifndef NOTIFICATION_MARKUP_H
#define NOTIFICATION_MARKUP_H

#include "base/buffer.h"
#include "base/text.h"

/* Appends the text with & < > " ' as character references: fit for HTML, between tags and inside
 * quoted attributes. */
void markup_append_html(struct buffer *out, struct text_span text);

/*
 * Appends the text for Slack: & < > as "&amp;" "&lt;" "&gt;", so that "<!channel>", "<@U1>" and
 * links are text (Slack, "Formatting text for app surfaces"). An "@" that is not in the middle of
 * an address gets a zero width space (U+200B) behind it: services that take the same calls as
 * Slack, and Slack itself on demand (link_names), make a mention of a bare "@channel".
 */
void markup_append_slack(struct buffer *out, struct text_span text);

/* Appends the text as it is. */
void markup_append_none(struct buffer *out, struct text_span text);

#endif
