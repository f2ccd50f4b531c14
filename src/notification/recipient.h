/*
 * recipient.h: one who is to be told, and over which channel.
 *
 * The text is trimmed (white space of Unicode, as it comes along when somebody pastes an address),
 * and then the first of these that fits decides:
 *
 *   the text is                                     channel      the address is
 *   not 1 to 320 bytes of UTF-8, or holds a         unroutable   the text
 *     control character or a line separator
 *   "slack:" (in either case) and something         slack        what is behind it, trimmed
 *   "#" and something, "@" and something            slack        the text
 *   "+" and 7 to 15 digits; spaces, dots, dashes    sms          "+" and the digits (E.164)
 *     and brackets between them do not count
 *   an "@" with something before and behind it      email        the text
 *   anything else                                   unroutable   the text
 *
 * Control characters (U+0000 to U+001F, U+007F to U+009F, U+2028, U+2029) could end a header line
 * in the program behind a webhook and begin one that the sender of the request has made up.
 */
#ifndef NOTIFICATION_RECIPIENT_H
#define NOTIFICATION_RECIPIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/text.h"

/* Of the trimmed text. An address of RFC 5321: 64 bytes, "@", 255 bytes. */
#define RECIPIENT_BYTES_MAX 320

enum recipient_channel {
    RECIPIENT_EMAIL,
    RECIPIENT_SMS,
    RECIPIENT_SLACK,
    RECIPIENT_UNROUTABLE, /* never sent to */
};

/* The channels that something can be sent over: those before RECIPIENT_UNROUTABLE. */
#define RECIPIENT_CHANNELS 3

/* "email", "sms", "slack", "unroutable". */
const char *recipient_channel_name(enum recipient_channel channel);

struct recipient {
    enum recipient_channel channel;
    struct text_span text;    /* as given, trimmed: classified again it gives the same */
    struct text_span address; /* what the channel's webhook is handed */
    char digits[17];          /* memory for the address of an SMS; use `address` */
};

/*
 * Classifies a text of any bytes. The spans of *out point into the text or, for an SMS, into *out
 * itself: do not copy the struct. False when nothing is left after trimming; *out is zeroed then.
 */
MUST_CHECK bool recipient_read(struct recipient *out, struct text_span text);

/*
 * Whether both are the same destination: the same channel and the same address, byte by byte, but
 * email addresses in either case of ASCII letters. RFC 5321 (section 2.4) makes the local part
 * case-sensitive and advises against using that; nobody has two mailboxes that differ in case,
 * while a mail service may refuse a call that names a mailbox twice.
 */
bool recipient_equal(const struct recipient *a, const struct recipient *b);

#endif
