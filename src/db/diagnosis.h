/*
 * diagnosis.h: looks once whether the database can be worked with, for people who set it up, and
 * says what to do where it can't. The session (session.h) is for programs, and never gives up.
 */
#ifndef DB_DIAGNOSIS_H
#define DB_DIAGNOSIS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/attributes.h"
#include "base/settings.h"

/* Tries each host, and prints one line: that all is well, or what the last one said and what to do
 * about it. Returns whether all is well. Blocks, for DB_CONNECT_TIMEOUT_MS for each host. */
MUST_CHECK bool diagnosis_run(const struct settings *settings, int schema_version, FILE *out);

#endif
