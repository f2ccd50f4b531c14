/* recipients_input.h: who is to be told, as a request and the settings say it. */
#ifndef GUARD_RECIPIENTS_INPUT_H
#define GUARD_RECIPIENTS_INPUT_H

#include <stdbool.h>

#include "base/attributes.h"
#include "domain/field.h"
#include "guard/exchange.h"
#include "notification/recipients.h"

/*
 * Adds to *out the texts of the body's member `field`, an array of at most RECIPIENTS_GIVEN_MAX
 * (and at least 1 when it is required), then those of AVAILABILITY_GUARD_NOTIFICATION_RECIPIENTS.
 * What is wrong with the member is added to the violations. False when out of memory. The caller
 * ends with recipients_exit() in all cases.
 */
MUST_CHECK bool recipients_input(const struct exchange *x, const char *field,
                                 enum presence presence, struct violations *v,
                                 struct recipients *out);

#endif
