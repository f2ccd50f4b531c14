/*
 * sqlstate.h: what an error of the database means for the command that met it. One table for all
 * who have to decide: whether to try again at once, what to tell the caller, and whether the reason
 * lies in the server, so that somebody who can wait should.
 *
 * Source: PostgreSQL, appendix A, "PostgreSQL Error Codes".
 */
#ifndef DOMAIN_SQLSTATE_H
#define DOMAIN_SQLSTATE_H

#include <stdbool.h>

#include "domain/command.h"

/* What to tell about a command that the database refused by itself: REFUSED, UNAVAILABLE, FAILED.
 */
enum outcome_kind sqlstate_outcome(const char *sqlstate);

/* Whether the same statement may succeed at once. */
bool sqlstate_passes(const char *sqlstate);

/* Whether the reason lies in the server and not in the command. "" (nothing came from the server:
 * no memory, or an answer of a form not known) is such a reason. */
bool sqlstate_is_trouble(const char *sqlstate);

#endif
