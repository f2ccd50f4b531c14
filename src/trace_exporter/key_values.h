/*
 * key_values.h: settings of the form "key=value,key=value", as OpenTelemetry writes headers and
 * attributes of the resource: spaces around each are not part of it, values may be percent-encoded.
 */
#ifndef TRACE_EXPORTER_KEY_VALUES_H
#define TRACE_EXPORTER_KEY_VALUES_H

#include <stdbool.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/text.h"

/* Takes the next pair off the text; empty ones are skipped. False when nothing is left. A pair
 * without "=" has no key. */
bool key_values_next(struct text_span *text, struct text_span *key, struct text_span *value);

/* The value, decoded, in `out`, which is overwritten. False when it cannot be decoded, is not valid
 * UTF-8, has control characters in it, or memory ran out. */
MUST_CHECK bool key_values_decode(struct text_span value, struct buffer *out);

#endif
