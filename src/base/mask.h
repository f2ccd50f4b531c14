/*
 * mask.h: hides what must not be read in a log: secrets always, personal data where it is asked
 * for. What is left lets whoever knows the text recognise it, and nobody else tell what it was.
 */
#ifndef BASE_MASK_H
#define BASE_MASK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* Room for a masked name or address. */
#define MASK_MAX 128

/* "Alex Night" becomes "A*** N***". Returns `out`. */
const char *mask_name(char out[MASK_MAX], struct text_span name);

/* An address of a person: "gm@hotel.example" becomes "g***@hotel.example", "+49 151 1234521"
 * becomes
 * "+49******21", "#front-desk" becomes "#f***"; anything else is masked as a name. */
const char *mask_contact(char out[MASK_MAX], struct text_span contact);

/*
 * Copies a message that was made elsewhere, by a library or a server. Hidden are the user and the
 * password of URLs, and what follows "password=", "Bearer " and the like; with `personal` also what
 * looks like an email address or like a phone number with "+". `out` gets a NUL; what does not fit
 * into `size` bytes is left out.
 */
void mask_message(char *out, size_t size, const char *message, bool personal);

#endif
