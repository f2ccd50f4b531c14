/*
 * fuzz_grpc.c: the gRPC door behind FastCGI: frames, messages, validation, answers.
 *
 * The first byte of an input says which call is made, the second how the rest is sent: as the body
 * (FRAMED: in a frame), and with which header. There is no database: what is valid is refused as
 * without one, and what a valid request must be is checked then.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/door.h"

/* Of the second byte: "0" is a body as it is, "1" a message for which a frame is made. */
#define FRAMED 0x01
#define CORRELATION 0x02
#define TIMEOUT 0x04 /* the input up to its first NUL is the timeout, the rest the body */

/* Like assert(), but always there. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *const CALLS[] = {
    "REQUEST_URI=/availabilityguard.v1.AvailabilityGuard/LockRoom",
    "REQUEST_URI=/availabilityguard.v1.AvailabilityGuard/ReleaseRoom",
    "REQUEST_URI=/availabilityguard.v1.AvailabilityGuard/BulkRelease",
    "REQUEST_URI=/grpc.health.v1.Health/Check",
};
#define CALL_COUNT (sizeof CALLS / sizeof CALLS[0])

/* Text that is stored: valid UTF-8 of 1 to `most` characters. Absent is fine. */
static void check_text(struct text_span text, size_t most) {
    if (text.data == NULL)
        return;
    MUST(text.length > 0);
    MUST(text_is_valid_utf8(text.data, text.length));
    MUST(text_code_points(text.data, text.length) <= most);
}

static void check_metadata(struct text_span metadata) {
    if (metadata.data == NULL)
        return;
    json_t *object = json_loadb(metadata.data, metadata.length, 0, NULL);
    const char *key = NULL;
    json_t *value = NULL;
    MUST(json_is_object(object) && json_object_size(object) > 0);
    json_object_foreach(object, key, value) MUST(json_is_string(value));
    json_decref(object);
    MUST(metadata.length <= FIELD_METADATA_MAX);
    MUST(text_is_valid_utf8(metadata.data, metadata.length));
}

static void check_lock(const struct exchange *x) {
    const struct lock_request *lock = &x->command.as.lock;
    MUST(lock->stay_start >= TIMESTAMP_MIN && lock->stay_end <= TIMESTAMP_MAX);
    MUST(lock->stay_start < lock->stay_end);
    MUST(lock->ttl_seconds >= 1 && lock->ttl_seconds <= x->context->limits.max_ttl_seconds);
    MUST(lock->reason.data != NULL);
    check_text(lock->reason, REQUEST_REASON_MAX);
    check_text(lock->correlation_id, REQUEST_TEXT_MAX);
    check_metadata(lock->metadata);
}

/* A request that got as far as the database. */
static void check_command(const struct exchange *x) {
    const struct command *c = &x->command;
    MUST(c->limit_ms >= 0);
    switch (c->kind) {
    case COMMAND_LOCK:
        check_lock(x);
        break;
    case COMMAND_RELEASE:
        check_text(c->as.release.reason, REQUEST_REASON_MAX);
        check_text(c->as.release.correlation_id, REQUEST_TEXT_MAX);
        check_metadata(c->as.release.metadata);
        break;
    case COMMAND_BULK_RELEASE:
        MUST(c->as.bulk_release.lock_ids != NULL);
        MUST(c->as.bulk_release.lock_count >= 1 &&
             c->as.bulk_release.lock_count <= REQUEST_BULK_MAX);
        check_text(c->as.bulk_release.reason, REQUEST_REASON_MAX);
        check_text(c->as.bulk_release.correlation_id, REQUEST_TEXT_MAX);
        break;
    default:
        MUST(c->kind == COMMAND_PING);
    }
}

static void check_answer(struct door *door) {
    static const long statuses[] = {0, 3, 4, 5, 8, 12, 14};
    const struct text_span text = door_header(door, "Grpc-Status");
    const struct text_span message = door_header(door, "Grpc-Message");
    MUST(text.data != NULL && door->status == 200);
    const long status = strtol(text.data, NULL, 10);
    size_t i = 0;
    while (i < sizeof statuses / sizeof statuses[0] && statuses[i] != status)
        i++;
    MUST(i < sizeof statuses / sizeof statuses[0]);
    /* Without a database only the health is answered, with NOT_SERVING. */
    MUST((status == 0) == (door->body.length == 7));
    for (size_t at = 0; at < message.length; at++)
        MUST(message.data[at] >= ' ' && message.data[at] <= '~');
    if (status == 14)
        check_command(&door->exchange);
}

/* Takes the timeout off the input. */
static char *read_timeout(struct text_span *rest) {
    struct buffer param = {0};
    const size_t length = strnlen(rest->data, rest->length);
    buffer_append_text(&param, "HTTP_GRPC_TIMEOUT=");
    buffer_append(&param, rest->data, length);
    buffer_append_char(&param, '\0');
    MUST(!param.failed);
    rest->data += length;
    rest->length -= length;
    return param.data;
}

static void append_frame(struct buffer *body, struct text_span message) {
    const uint8_t header[] = {0, (uint8_t)(message.length >> 24), (uint8_t)(message.length >> 16),
                              (uint8_t)(message.length >> 8), (uint8_t)message.length};
    buffer_append(body, header, sizeof header);
    buffer_append(body, message.data, message.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct door door;
    static char correlation[] = "HTTP_X_CORRELATION_ID=c-1";
    char *params[] = {"GUARD_DOOR=grpc",
                      "REQUEST_METHOD=POST",
                      "CONTENT_TYPE=application/grpc",
                      NULL,
                      NULL,
                      NULL,
                      NULL};
    struct buffer body = {0};
    size_t count = 3;
    char *timeout = NULL;
    if (size < 2)
        return 0;
    struct text_span rest = {(const char *)data + 2, size - 2};
    params[count++] = CALLS[data[0] % CALL_COUNT];
    if ((data[1] & CORRELATION) != 0)
        params[count++] = correlation;
    if ((data[1] & TIMEOUT) != 0)
        params[count++] = timeout = read_timeout(&rest);
    if ((data[1] & FRAMED) != 0)
        append_frame(&body, rest);
    else
        buffer_append(&body, rest.data, rest.length);
    MUST(!body.failed);
    door_init(&door);
    door.look = check_answer;
    MUST(door_handle(&door, params, (struct text_span){body.data, body.length}));
    MUST(door.answers == 1);
    door_exit(&door);
    buffer_free(&body);
    free(timeout);
    return 0;
}
