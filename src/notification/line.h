/*
 * line.h: what somebody wrote, as a piece of one line. Where the lines of a text mean something, as
 * in "Reason: …", nobody may add lines of their own.
 */
#ifndef NOTIFICATION_LINE_H
#define NOTIFICATION_LINE_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/text.h"

/*
 * Appends the text, which is valid UTF-8, without white space at its ends, with every run of white
 * space and control characters in it as one space, and without characters that change the direction
 * of writing. Of more than `characters_max` characters (at least 3) the first ones are kept, and
 * the last three of these are "...". A text of which nothing is left becomes "-".
 */
void line_append(struct buffer *out, struct text_span text, size_t characters_max);

#endif
