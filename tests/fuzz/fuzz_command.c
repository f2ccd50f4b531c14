/*
 * fuzz_command.c: whatever comes from the command topic, what is read of it is right: a request
 * whose texts are bounded and need the message no more, or a reason in one line.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/envelope.h"

/* Like assert(), but always there. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define DAY_US ((int64_t)86400 * 1000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct envelope_rules rules = {
    .service = "availability-guard-service",
    .limits = {.default_ttl_seconds = 7200, .max_ttl_seconds = 86400, .max_stay_us = 3660 * DAY_US},
};

static void check_text(struct text_span text, size_t most) {
    MUST(text.data == NULL || (text.length > 0 && text_is_valid_utf8(text.data, text.length)));
    MUST(text_code_points(text.data, text.length) <= most);
}

static void check_lock(const struct lock_request *r) {
    MUST(r->has_key && r->stay_start < r->stay_end);
    MUST(r->stay_end - r->stay_start <= rules.limits.max_stay_us);
    MUST(r->ttl_seconds > 0 && r->ttl_seconds <= rules.limits.max_ttl_seconds);
    MUST(r->reason.data != NULL);
    check_text(r->reason, REQUEST_REASON_MAX);
    check_text(r->correlation_id, REQUEST_TEXT_MAX);
    MUST(r->metadata.length <= FIELD_METADATA_MAX);
    MUST(r->metadata.data == NULL || r->metadata.data[0] == '{');
}

static void check_bulk_release(const struct bulk_release_request *r) {
    MUST(r->lock_count >= 1 && r->lock_count <= REQUEST_BULK_MAX);
    check_text(r->reason, REQUEST_REASON_MAX);
    check_text(r->correlation_id, REQUEST_TEXT_MAX);
}

static void check_ledger_id(struct text_span id) {
    MUST(id.data != NULL && id.data[id.length] == '\0');
    check_text(id, REQUEST_TEXT_MAX);
}

static void check_command(enum envelope_name name, const struct command *command) {
    check_ledger_id(command->ledger_id);
    switch (command->kind) {
    case COMMAND_LOCK_ONCE:
        MUST(name == ENVELOPE_LOCK);
        check_lock(&command->as.lock);
        break;
    case COMMAND_RELEASE_ONCE:
        MUST(name == ENVELOPE_RELEASE);
        check_text(command->as.release.reason, REQUEST_REASON_MAX);
        check_text(command->as.release.correlation_id, REQUEST_TEXT_MAX);
        break;
    default:
        MUST(command->kind == COMMAND_BULK_RELEASE_ONCE && name == ENVELOPE_BULK_RELEASE);
        check_bulk_release(&command->as.bulk_release);
    }
}

static void check_problem(const struct envelope *envelope) {
    const size_t length = strlen(envelope->problem);
    MUST(length > 0 && length < ENVELOPE_PROBLEM_MAX);
    for (size_t i = 0; i < length; i++)
        MUST(envelope->problem[i] >= ' ' && envelope->problem[i] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct envelope envelope;
    struct command command;
    struct buffer kept;
    /* A copy that ends with the message, and is gone when the command is looked at. */
    char *copy = malloc(size > 0 ? size : 1);
    MUST(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    buffer_init(&kept);
    const enum envelope_verdict verdict =
        envelope_read(&envelope, (struct text_span){copy, size}, &rules, &command, &kept);
    free(copy);
    MUST(verdict != ENVELOPE_NO_MEMORY);
    if (verdict == ENVELOPE_COMMAND)
        check_command(envelope.name, &command);
    else
        MUST(kept.data == NULL && command.ledger_id.data == NULL);
    if (verdict == ENVELOPE_INVALID)
        check_problem(&envelope);
    if (command_is_bulk_release(&command))
        free(command.as.bulk_release.lock_ids);
    buffer_free(&kept);
    return 0;
}
