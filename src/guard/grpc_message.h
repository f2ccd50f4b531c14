/*
 * grpc_message.h: gRPC messages as protobuf-c decodes them, and what the service needs of them.
 *
 * Stricter than protobuf-c: texts are valid UTF-8 without NUL. Unknown fields are ignored.
 */
#ifndef GUARD_GRPC_MESSAGE_H
#define GUARD_GRPC_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

#include "availabilityguard/v1/availability_guard.pb-c.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/id.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "domain/lock.h"
#include "domain/violations.h"
#include "guard/grpc_arena.h"

typedef Availabilityguard__V1__InventoryLock grpc_inventory_lock;

/*
 * Decodes a message into the arena, where it lives. NULL when the bytes are no such message (or the
 * arena is exhausted or without memory: see there). Texts that can't be stored are violations, by
 * the field of the outermost message, as the domain spells it: tenantId for tenant_id.
 */
ProtobufCMessage *grpc_message_decode(const ProtobufCMessageDescriptor *descriptor,
                                      struct text_span bytes, struct grpc_arena *arena,
                                      struct violations *v);

/*
 * The JSON object of a map<string, string>, whose entries all have the same shape: a key and a
 * value. Appended to an empty buffer; no data when the map is empty or memory ran out
 * (out->failed). A key that comes twice comes twice in the JSON: the last one counts, for both.
 */
struct text_span grpc_message_map(size_t count, ProtobufCMessage *const *entries,
                                  struct buffer *out);

/* The ids of a repeated string, 1 to `most`, which the caller frees. NULL when it is not that, and
 * the field has a violation; NULL without one: out of memory. */
struct id *grpc_message_ids(size_t count, char *const *texts, size_t most, const char *field,
                            struct violations *v);

/* A lock as a message, with the memory of its texts: it must not be copied. */
struct grpc_lock {
    grpc_inventory_lock message;
    char ids[5][ID_TEXT_LENGTH + 1];
    char times[5][TIMESTAMP_TEXT_LENGTH + 1];
    char status[16];
};

void grpc_lock_init(struct grpc_lock *out, const struct lock *lock);

#endif
