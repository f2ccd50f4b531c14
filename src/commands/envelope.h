/*
 * envelope.h: what a message of the command topic asks for.
 *
 *   {"metadata": {"commandId", "commandName", "tenantId", "targetService", "correlationId", …},
 *    "payload": {…}}
 *
 * tenantId and correlationId of the metadata stand in for those that the payload does not have;
 * commandId is the name of the command in the ledger, and the idempotency key where the payload has
 * none. The payload is read as the body of the same request by HTTP, and checked as that. Other
 * members are for others.
 */
#ifndef COMMANDS_ENVELOPE_H
#define COMMANDS_ENVELOPE_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/text.h"
#include "domain/command.h"
#include "domain/request.h"

/* Longer commands are not read: as long as requests by HTTP are by default. */
#define ENVELOPE_BYTES_MAX ((size_t)1024 * 1024)

#define ENVELOPE_PROBLEM_MAX 256

enum envelope_verdict {
    ENVELOPE_COMMAND, /* to be performed */
    ENVELOPE_SKIPPED, /* for another service, or of a name that this one does not know */
    ENVELOPE_INVALID, /* `problem` says why */
    ENVELOPE_NO_MEMORY,
};

/* What all envelopes are read with. */
struct envelope_rules {
    const char *service; /* the name of this service as a target */
    struct request_limits limits;
};

/* Which command it is, as far as that could be read. */
enum envelope_name {
    ENVELOPE_LOCK,
    ENVELOPE_RELEASE,
    ENVELOPE_BULK_RELEASE,
    ENVELOPE_OTHER,
    ENVELOPE_NAMES,
};

struct envelope {
    enum envelope_name name;
    char problem[ENVELOPE_PROBLEM_MAX]; /* never with a value of the message in it */
};

/*
 * Reads a message. Of a command, *command gets its kind, request and ledger_id; its texts live in
 * `kept`, which was empty, and the ids of a bulk release are from malloc: both are the caller's to
 * free then. Else the command is all zeros, and nothing is to be freed.
 */
MUST_CHECK enum envelope_verdict envelope_read(struct envelope *envelope, struct text_span value,
                                               const struct envelope_rules *rules,
                                               struct command *command, struct buffer *kept);

/* As in commandName; "other" for ENVELOPE_OTHER. */
const char *envelope_name_text(enum envelope_name name);

#endif
