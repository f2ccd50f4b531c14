/*
 * sms.h: text that fits into two segments of a short message.
 *
 * A text of characters of the GSM 7 bit default alphabet and its extension table (3GPP TS 23.038,
 * section 6.2.1) takes 1 or 2 septets for each; any other text takes UTF-16 units (UCS-2 in the
 * standard). A message of several segments has room for 153 septets or 67 units in each, and
 * neither an escape pair nor a surrogate pair is split over two (3GPP TS 23.040, section 9.2.3.24).
 */
#ifndef NOTIFICATION_SMS_H
#define NOTIFICATION_SMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/text.h"

#define SMS_SEGMENTS_MAX 2

/* Whether the text, valid UTF-8, has characters of GSM only. */
bool sms_is_gsm(struct text_span text);

/* How many segments it takes, of those that are parts of a longer message. */
size_t sms_segments(struct text_span text);

/* Appends the text, valid UTF-8, as it is when it fits into SMS_SEGMENTS_MAX; else as much of it as
 * fits with "..." behind it. */
void sms_append(struct buffer *out, struct text_span text);

#endif
