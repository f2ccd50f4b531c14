/*
 * statements.h: which SQL performs which command: the functions of sql/migrations, each called with
 * a batch of commands as arrays, and how their rows answer the commands.
 */
#ifndef DOMAIN_STATEMENTS_H
#define DOMAIN_STATEMENTS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "db/params.h"
#include "domain/command.h"

/* The version of the schema (the newest migration) that these statements are written for. */
#define STATEMENTS_SCHEMA_VERSION 15

/* Lock ids of a bulk release in one statement: a long one must not hold up the locks behind it. */
#define STATEMENTS_BULK_CHUNK 500

/* SQL that prepares every statement on a new connection. */
extern const char STATEMENTS_PREPARE[];

/* The name of the prepared statement for so many commands of this kind. */
const char *statements_name(enum command_kind kind, size_t count);

/* Whether commands of this kind go out many at a time. */
bool statements_is_batched(enum command_kind kind);

/* Whether two commands of one batched kind are about the same lock, or have the same entry in the
 * ledger: they must not share a batch. */
bool statements_same_lock(const struct command *a, const struct command *b);

/* Puts the parameters for `count` commands of the same kind; 1 when the kind is not batched. */
void statements_bind(struct params *params, struct command *const *commands, size_t count);

/*
 * Reads the answers to these commands out of a result that holds no error. Returns false when the
 * result does not have the shape it must have; the outcomes are of no use then.
 */
MUST_CHECK bool statements_read(const PGresult *result, struct command *const *commands,
                                size_t count, struct outcome *outcomes);

#endif
