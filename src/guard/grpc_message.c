/* grpc_message.c: see grpc_message.h. */
#include "guard/grpc_message.h"

#include <stdlib.h>
#include <string.h>

/* Where a field of this message lies. */
static const void *member(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    return (const char *)message + field->offset;
}

static size_t count_of(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    return *(const size_t *)(const void *)((const char *)message + field->quantifier_offset);
}

static void check_text(const char *text, const char *name, struct violations *v) {
    const struct text_span span = grpc_arena_text(text);
    if (span.data != NULL && !text_is_valid_utf8(span.data, span.length))
        violations_add(v, name, "must be valid UTF-8 without NUL");
}

/* The texts of one field, by this name. */
static void check_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                        const char *name, struct violations *v) {
    const void *place = member(message, field);
    if (field->type != PROTOBUF_C_TYPE_STRING)
        return;
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        check_text(*(char *const *)place, name, v);
        return;
    }
    char *const *texts = *(char *const *const *)place;
    for (size_t i = count_of(message, field); i-- > 0;)
        check_text(texts[i], name, v);
}

/* The messages of one field, which are entries of a map. */
static void check_entries(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                          const char *name, struct violations *v) {
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return;
    ProtobufCMessage *const *entries = *(ProtobufCMessage *const *const *)member(message, field);
    for (size_t i = count_of(message, field); i-- > 0;) {
        for (unsigned n = 0; n < entries[i]->descriptor->n_fields; n++)
            check_field(entries[i], &entries[i]->descriptor->fields[n], name, v);
    }
}

/* As the domain spells it, so that it finds no second fault with the same field. */
static const char *domain_name(const char *name) {
    static const char *const NAMES[][2] = {
        {"tenant_id", "tenantId"},
        {"property_id", "propertyId"},
        {"reservation_id", "reservationId"},
        {"room_type_id", "roomTypeId"},
        {"room_id", "roomId"},
        {"lock_id", "lockId"},
        {"lock_ids", "lockIds"},
        {"stay_start", "stayStart"},
        {"stay_end", "stayEnd"},
        {"correlation_id", "correlationId"},
        {"idempotency_key", "idempotencyKey"},
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strcmp(name, NAMES[i][0]) == 0)
            return NAMES[i][1];
    }
    return name;
}

static void check_texts(const ProtobufCMessage *message, struct violations *v) {
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const char *name = domain_name(field->name);
        check_field(message, field, name, v);
        check_entries(message, field, name, v);
    }
}

ProtobufCMessage *grpc_message_decode(const ProtobufCMessageDescriptor *descriptor,
                                      struct text_span bytes, struct grpc_arena *arena,
                                      struct violations *v) {
    ProtobufCAllocator allocator = grpc_arena_allocator(arena);
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, bytes.length,
                                                          (const uint8_t *)bytes.data);
    if (message != NULL)
        check_texts(message, v);
    return message;
}

static void append_text(struct buffer *out, const ProtobufCMessage *entry, unsigned field) {
    const struct text_span text =
        grpc_arena_text(*(char *const *)member(entry, &entry->descriptor->fields[field]));
    buffer_append_json_string(out, text.data == NULL ? "" : text.data, text.length);
}

struct text_span grpc_message_map(size_t count, ProtobufCMessage *const *entries,
                                  struct buffer *out) {
    if (count == 0)
        return (struct text_span){NULL, 0};
    for (size_t i = 0; i < count; i++) {
        buffer_append_char(out, i == 0 ? '{' : ',');
        append_text(out, entries[i], 0);
        buffer_append_char(out, ':');
        append_text(out, entries[i], 1);
    }
    buffer_append_char(out, '}');
    return out->failed ? (struct text_span){NULL, 0} : (struct text_span){out->data, out->length};
}

struct id *grpc_message_ids(size_t count, char *const *texts, size_t most, const char *field,
                            struct violations *v) {
    if (count < 1 || count > most) {
        violations_add(v, field, count < 1 ? "is required" : "must be 1 to 10000 uuids");
        return NULL;
    }
    struct id *ids = calloc(count, sizeof *ids);
    if (ids == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const struct text_span text = grpc_arena_text(texts[i]);
        if (text.data == NULL || !id_parse(&ids[i], text.data, text.length)) {
            violations_add(v, field, "must hold uuids only");
            free(ids);
            return NULL;
        }
    }
    return ids;
}

static char *format_id(char *out, const struct id *id) {
    id_format(id, out);
    return out;
}

static char *format_optional_id(char *out, const struct optional_id *id) {
    *out = '\0';
    return id->set ? format_id(out, &id->id) : out;
}

static char *format_time(char *out, timestamp_us time) {
    timestamp_format(time, out);
    return out;
}

void grpc_lock_init(struct grpc_lock *out, const struct lock *lock) {
    const size_t length =
        lock->status.length < sizeof out->status ? lock->status.length : sizeof out->status - 1;
    memcpy(out->status, lock->status.data, length);
    out->status[length] = '\0';
    availabilityguard__v1__inventory_lock__init(&out->message);
    out->message.id = format_id(out->ids[0], &lock->id);
    out->message.tenant_id = format_id(out->ids[1], &lock->tenant_id);
    out->message.reservation_id = format_optional_id(out->ids[2], &lock->reservation_id);
    out->message.room_type_id = format_id(out->ids[3], &lock->room_type_id);
    out->message.room_id = format_optional_id(out->ids[4], &lock->room_id);
    out->message.stay_start = format_time(out->times[0], lock->stay_start);
    out->message.stay_end = format_time(out->times[1], lock->stay_end);
    out->message.expires_at = format_time(out->times[2], lock->expires_at);
    out->message.status = out->status;
    out->message.created_at = format_time(out->times[3], lock->created_at);
    out->message.updated_at = format_time(out->times[4], lock->updated_at);
}
