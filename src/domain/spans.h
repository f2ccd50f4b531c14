/*
 * spans.h: the spans of a command on its way through the database (see trace/span.h). Each tells
 * one if the command's trace is sampled, and does nothing else.
 */
#ifndef DOMAIN_SPANS_H
#define DOMAIN_SPANS_H

#include <stddef.h>

#include "base/clock.h"
#include "domain/command.h"

/* It has waited until now to be sent for the first time; or it was not sent at all, and the error
 * says so. */
void spans_queued(const struct command *command, mono_time now, const char *error);

/* What became of a statement: a SQLSTATE, or a word of ours; NULL: nothing went wrong. */
void spans_statement(const struct command *command, size_t batch, mono_time sent_at, mono_time now,
                     const char *error);

#endif
