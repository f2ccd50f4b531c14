/* envelope.c: see envelope.h. */
#include "commands/envelope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/lock_body.h"
#include "json/request_body.h"

static const char *const names[ENVELOPE_NAMES] = {
    [ENVELOPE_LOCK] = "inventory.lock.room",
    [ENVELOPE_RELEASE] = "inventory.release.room",
    [ENVELOPE_BULK_RELEASE] = "inventory.release.bulk",
    [ENVELOPE_OTHER] = "other",
};

/* The members of the metadata that matter here. */
struct metadata {
    struct text_span command_id;
    struct text_span command_name;
    struct text_span tenant_id;
    struct text_span target_service;
    struct text_span correlation_id;
};

/* A reading under way. */
struct reading {
    struct envelope *envelope;
    const struct envelope_rules *rules;
    struct request_body whole;
    struct request_body metadata_body;
    struct request_body payload;
    struct metadata metadata;
    struct violations violations;
};

const char *envelope_name_text(enum envelope_name name) {
    return names[name];
}

static bool equals(struct text_span text, const char *word) {
    return text.length == strlen(word) && memcmp(text.data, word, text.length) == 0;
}

static enum envelope_verdict refuse(struct envelope *e, const char *problem) {
    (void)snprintf(e->problem, sizeof e->problem, "%s", problem);
    return ENVELOPE_INVALID;
}

/* "stayEnd must be after stayStart; …": as many as there is room for. */
static enum envelope_verdict refuse_fields(struct envelope *e, const struct violations *v) {
    size_t length = 0;
    for (size_t i = 0; i < v->count && length < sizeof e->problem; i++) {
        const int added = snprintf(e->problem + length, sizeof e->problem - length, "%s%s %s",
                                   i == 0 ? "" : "; ", v->items[i].field, v->items[i].message);
        length += added < 0 ? sizeof e->problem : (size_t)added;
    }
    return ENVELOPE_INVALID;
}

/* Null and "" are none: whoever makes envelopes has a member for everything. */
static struct text_span read_text(struct reading *r, const char *name) {
    struct text_span text = request_body_nullable_text(&r->metadata_body, name, &r->violations);
    if (text.length == 0)
        text.data = NULL;
    return text;
}

static void read_metadata(struct reading *r) {
    r->metadata = (struct metadata){
        .command_id = read_text(r, "commandId"),
        .command_name = read_text(r, "commandName"),
        .tenant_id = read_text(r, "tenantId"),
        .target_service = read_text(r, "targetService"),
        .correlation_id = read_text(r, "correlationId"),
    };
}

static enum envelope_name find_name(struct text_span text) {
    int name = ENVELOPE_LOCK;
    while (name < ENVELOPE_OTHER && !equals(text, names[name]))
        name++;
    return (enum envelope_name)name;
}

static struct text_span either(struct text_span own, struct text_span otherwise) {
    return own.data != NULL ? own : otherwise;
}

/* A command of one tenant in an envelope of another: somebody mixes them up. */
static void check_tenant(struct reading *r, struct text_span own) {
    const struct text_span other = r->metadata.tenant_id;
    struct id a;
    struct id b;
    if (own.data == NULL || other.data == NULL)
        return;
    if (!id_parse(&a, own.data, own.length) || !id_parse(&b, other.data, other.length) ||
        !id_equal(&a, &b))
        violations_add(&r->violations, "tenantId", "differs from that of the metadata");
}

static bool read_lock(struct reading *r, struct command *command) {
    struct lock_input input = lock_body_lock(&r->payload, &r->violations);
    command->kind = COMMAND_LOCK_ONCE;
    check_tenant(r, input.tenant_id);
    input.tenant_id = either(input.tenant_id, r->metadata.tenant_id);
    input.correlation_id = either(input.correlation_id, r->metadata.correlation_id);
    input.idempotency_key = either(input.idempotency_key, r->metadata.command_id);
    return request_lock(&input, &r->rules->limits, &r->violations, &command->as.lock);
}

static bool read_release(struct reading *r, struct command *command) {
    struct release_input input = lock_body_release(&r->payload, &r->violations);
    command->kind = COMMAND_RELEASE_ONCE;
    check_tenant(r, input.tenant_id);
    input.lock_id = request_body_text(&r->payload, "lockId", &r->violations);
    input.tenant_id = either(input.tenant_id, r->metadata.tenant_id);
    input.correlation_id = either(input.correlation_id, r->metadata.correlation_id);
    return request_release(&input, &r->violations, &command->as.release);
}

static bool read_bulk_release(struct reading *r, struct command *command) {
    struct bulk_release_request *request = &command->as.bulk_release;
    struct bulk_release_input input = lock_body_bulk_release(&r->payload, &r->violations, request);
    command->kind = COMMAND_BULK_RELEASE_ONCE;
    check_tenant(r, input.tenant_id);
    input.tenant_id = either(input.tenant_id, r->metadata.tenant_id);
    input.correlation_id = either(input.correlation_id, r->metadata.correlation_id);
    return request_bulk_release(&input, &r->violations, request);
}

static bool read_request(struct reading *r, struct command *command) {
    const struct text_span id = r->metadata.command_id;
    if (id.data == NULL)
        violations_add(&r->violations, "commandId", "is required");
    (void)field_text(&r->violations, "commandId", id, REQUEST_TEXT_MAX, &command->ledger_id);
    switch (r->envelope->name) {
    case ENVELOPE_LOCK:
        return read_lock(r, command);
    case ENVELOPE_RELEASE:
        return read_release(r, command);
    default:
        return read_bulk_release(r, command);
    }
}

static void free_ids(struct command *command) {
    if (command_is_bulk_release(command))
        free(command->as.bulk_release.lock_ids);
}

static enum envelope_verdict read_command(struct reading *r, struct command *command,
                                          struct buffer *kept) {
    if (!request_body_member(&r->whole, "payload", &r->payload))
        return refuse(r->envelope, "the payload is missing or not an object");
    enum envelope_verdict verdict = ENVELOPE_COMMAND;
    if (!read_request(r, command))
        verdict = r->violations.count > 0 && !r->payload.no_memory
                      ? refuse_fields(r->envelope, &r->violations)
                      : ENVELOPE_NO_MEMORY; /* or no random bytes */
    else if (!command_keep_texts(command, kept))
        verdict = ENVELOPE_NO_MEMORY;
    if (verdict != ENVELOPE_COMMAND)
        free_ids(command);
    request_body_exit(&r->payload);
    return verdict;
}

static enum envelope_verdict read_envelope(struct reading *r, struct command *command,
                                           struct buffer *kept) {
    if (!request_body_member(&r->whole, "metadata", &r->metadata_body))
        return refuse(r->envelope, "the metadata are missing or not an object");
    read_metadata(r);
    const struct text_span target = r->metadata.target_service;
    r->envelope->name = find_name(r->metadata.command_name);
    enum envelope_verdict verdict = ENVELOPE_SKIPPED;
    if (target.data != NULL && !equals(target, r->rules->service))
        verdict = ENVELOPE_SKIPPED;
    else if (r->metadata.command_name.data == NULL)
        verdict = refuse(r->envelope, "commandName is missing or not a string");
    else if (r->envelope->name != ENVELOPE_OTHER)
        verdict = read_command(r, command, kept);
    request_body_exit(&r->metadata_body);
    return verdict;
}

enum envelope_verdict envelope_read(struct envelope *envelope, struct text_span value,
                                    const struct envelope_rules *rules, struct command *command,
                                    struct buffer *kept) {
    struct reading r;
    envelope->name = ENVELOPE_OTHER;
    envelope->problem[0] = '\0';
    memset(command, 0, sizeof *command);
    if (value.length == 0)
        return refuse(envelope, "there is no value");
    if (value.length > ENVELOPE_BYTES_MAX)
        return refuse(envelope, "the value is longer than 1048576 bytes");
    r.envelope = envelope;
    r.rules = rules;
    r.violations.count = 0;
    enum envelope_verdict verdict = ENVELOPE_INVALID;
    if (request_body_parse(&r.whole, value))
        verdict = read_envelope(&r, command, kept);
    else if (r.whole.no_memory)
        verdict = ENVELOPE_NO_MEMORY;
    else
        (void)snprintf(envelope->problem, sizeof envelope->problem, "the value cannot be read: %s",
                       r.whole.error);
    request_body_exit(&r.whole);
    if (verdict != ENVELOPE_COMMAND)
        memset(command, 0, sizeof *command);
    return verdict;
}
