#include "guard/grpc_message.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static struct grpc_arena arena;
static struct violations violations;
static struct buffer json;

static void setup(void) {
    violations.count = 0;
}

static void teardown(void) {
    grpc_arena_clear(&arena);
    buffer_free(&json);
}

static Availabilityguard__V1__LockRoomRequest *decode_lock(const char *bytes, size_t length) {
    return (Availabilityguard__V1__LockRoomRequest *)(void *)grpc_message_decode(
        &availabilityguard__v1__lock_room_request__descriptor, (struct text_span){bytes, length},
        &arena, &violations);
}

#define DECODE(bytes) decode_lock((bytes), sizeof(bytes) - 1)

static struct text_span metadata_of(const Availabilityguard__V1__LockRoomRequest *m) {
    return grpc_message_map(m->n_metadata, (ProtobufCMessage **)(void *)m->metadata, &json);
}

#define ck_assert_text(text, expected)                                                             \
    do {                                                                                           \
        const struct text_span found = grpc_arena_text(text);                                      \
        ck_assert_bytes_eq(found.data, found.length, expected);                                    \
    } while (0)

START_TEST(fields) {
    const Availabilityguard__V1__LockRoomRequest *m =
        DECODE("\12\1t\22\1v\32\1y\42\2ro\52\1s\62\1e\72\2wh\102\1c\112\3key\120\254\2"
               "\132\6\12\1k\22\1v\142\1p");
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(violations.count, 0);
    ck_assert_text(m->tenant_id, "t");
    ck_assert_text(m->room_id, "ro");
    ck_assert_text(m->reason, "wh");
    ck_assert_text(m->idempotency_key, "key");
    ck_assert_text(m->property_id, "p");
    ck_assert_uint_eq(m->ttl_seconds, 300);
    const struct text_span metadata = metadata_of(m);
    ck_assert_bytes_eq(metadata.data, metadata.length, "{\"k\":\"v\"}");
}
END_TEST

START_TEST(nothing_is_absent) {
    /* Not there, and there but empty. */
    const Availabilityguard__V1__LockRoomRequest *m = DECODE("\12\0\120\0");
    ck_assert_ptr_nonnull(m);
    ck_assert_ptr_null(grpc_arena_text(m->tenant_id).data);
    ck_assert_ptr_null(grpc_arena_text(m->reason).data);
    ck_assert_ptr_null(metadata_of(m).data);
    ck_assert_uint_eq(violations.count, 0);
    ck_assert_ptr_nonnull(DECODE(""));
}
END_TEST

START_TEST(metadata) {
    const Availabilityguard__V1__LockRoomRequest *m =
        DECODE("\132\0\132\3\22\1v\132\3\12\1\"\132\7\12\1\n\22\2\303\251");
    const struct text_span found = metadata_of(m);
    ck_assert_bytes_eq(found.data, found.length,
                       "{\"\":\"\",\"\":\"v\",\"\\\"\":\"\",\"\\n\":\"\303\251\"}");
}
END_TEST

#define BYTES(text)                                                                                \
    { (text), sizeof(text) - 1 }

static const struct {
    struct text_span bytes;
    const char *field; /* NULL: no message at all */
} wrong[] = {
    {BYTES("\12"), NULL},
    {BYTES("\12\5ab"), NULL},
    {BYTES("\10\1"), NULL},
    {BYTES("\122\1x"), NULL},
    {BYTES("\132\2\10\1"), NULL},
    {BYTES("\200"), NULL},
    {BYTES("\12\1\0"), "tenantId"},
    {BYTES("\12\3a\0b"), "tenantId"},
    {BYTES("\72\2\300\200"), "reason"},
    {BYTES("\132\3\12\1\377"), "metadata"},
    {BYTES("\132\3\22\1\0"), "metadata"},
};

START_TEST(what_is_wrong) {
    const void *m = decode_lock(wrong[_i].bytes.data, wrong[_i].bytes.length);
    ck_assert_int_eq(m != NULL, wrong[_i].field != NULL);
    ck_assert(!arena.exhausted);
    if (wrong[_i].field == NULL) {
        ck_assert_uint_eq(violations.count, 0);
        return;
    }
    ck_assert_uint_eq(violations.count, 1);
    ck_assert_str_eq(violations.items[0].field, wrong[_i].field);
}
END_TEST

START_TEST(unknown_fields) {
    const Availabilityguard__V1__LockRoomRequest *m = DECODE("\372\7\2\0\377\12\1t\150\1");
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(violations.count, 0);
    ck_assert_text(m->tenant_id, "t");
}
END_TEST

START_TEST(memory_is_bounded) {
    enum { FIELDS = 1000000 };
    char *bytes = malloc((size_t)2 * FIELDS);
    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < FIELDS; i++)
        memcpy(bytes + 2 * i, "\132", 2); /* metadata without a key */
    ck_assert_ptr_null(decode_lock(bytes, (size_t)2 * FIELDS));
    ck_assert(arena.exhausted);
    ck_assert_uint_le(arena.taken, GRPC_ARENA_MAX);
    free(bytes);
    grpc_arena_clear(&arena);
    ck_assert_ptr_nonnull(DECODE("\12\1t"));
}
END_TEST

START_TEST(blocks_of_any_size) {
    const ProtobufCAllocator a = grpc_arena_allocator(&arena);
    static const size_t sizes[] = {0, 1, 7, 8, 9, 8183, 8184, 8185, 100000, 1};
    char *blocks[COUNT(sizes)];
    for (int i = 0; i < COUNT(sizes); i++) {
        blocks[i] = a.alloc(a.allocator_data, sizes[i]);
        ck_assert_ptr_nonnull(blocks[i]);
        ck_assert_uint_eq((size_t)blocks[i] % sizeof(void *), 0);
        memset(blocks[i], i, sizes[i]);
    }
    for (int i = 0; i < COUNT(sizes); i++) {
        for (size_t at = 0; at < sizes[i]; at++)
            ck_assert_int_eq(blocks[i][at], i);
        a.free(a.allocator_data, blocks[i]);
    }
    ck_assert_ptr_null(a.alloc(a.allocator_data, SIZE_MAX));
    ck_assert_ptr_null(a.alloc(a.allocator_data, GRPC_ARENA_MAX));
    ck_assert(arena.exhausted);
}
END_TEST

#define ID "018f0011-2233-7455-8677-8899aabbccfd"

static struct id *read_ids(const char *bytes, size_t length, size_t most) {
    const Availabilityguard__V1__BulkReleaseRequest *m =
        (const Availabilityguard__V1__BulkReleaseRequest *)(void *)grpc_message_decode(
            &availabilityguard__v1__bulk_release_request__descriptor,
            (struct text_span){bytes, length}, &arena, &violations);
    ck_assert_ptr_nonnull(m);
    return grpc_message_ids(m->n_lock_ids, m->lock_ids, most, "lockIds", &violations);
}

START_TEST(ids) {
    static const char two[] = "\22\44" ID "\22\44" ID;
    struct id wanted;
    ck_assert(id_parse(&wanted, ID, strlen(ID)));
    struct id *found = read_ids(two, sizeof two - 1, 2);
    ck_assert_ptr_nonnull(found);
    ck_assert(id_equal(&found[0], &wanted) && id_equal(&found[1], &wanted));
    free(found);
    ck_assert_uint_eq(violations.count, 0);
    ck_assert_ptr_null(read_ids(two, sizeof two - 1, 1));
    ck_assert_uint_eq(violations.count, 1);
}
END_TEST

static const struct text_span no_ids[] = {BYTES(""), BYTES("\22\0"), BYTES("\22\3abc"),
                                          BYTES("\22\44" ID "\22\0")};

START_TEST(what_is_no_id) {
    ck_assert_ptr_null(read_ids(no_ids[_i].data, no_ids[_i].length, 10));
    ck_assert_uint_eq(violations.count, 1);
    ck_assert_str_eq(violations.items[0].field, "lockIds");
}
END_TEST

START_TEST(a_lock) {
    struct grpc_lock out;
    struct lock lock = {.stay_start = 0,
                        .stay_end = US_PER_DAY,
                        .expires_at = 1,
                        .status = {"ACTIVE", 6},
                        .updated_at = US_PER_DAY * 2};
    lock.reservation_id.set = true;
    ck_assert(id_parse(&lock.id, ID, strlen(ID)));
    grpc_lock_init(&out, &lock);
    ck_assert_str_eq(out.message.id, ID);
    ck_assert_str_eq(out.message.tenant_id, "00000000-0000-0000-0000-000000000000");
    ck_assert_str_eq(out.message.reservation_id, "00000000-0000-0000-0000-000000000000");
    ck_assert_str_eq(out.message.room_id, "");
    ck_assert_str_eq(out.message.stay_start, "1970-01-01T00:00:00.000Z");
    ck_assert_str_eq(out.message.stay_end, "1970-01-02T00:00:00.000Z");
    ck_assert_str_eq(out.message.updated_at, "1970-01-03T00:00:00.000Z");
    ck_assert_str_eq(out.message.status, "ACTIVE");
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("grpc_message");
    TCase *tcase = tcase_create("grpc_message");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, fields);
    tcase_add_test(tcase, nothing_is_absent);
    tcase_add_test(tcase, metadata);
    tcase_add_loop_test(tcase, what_is_wrong, 0, COUNT(wrong));
    tcase_add_test(tcase, unknown_fields);
    tcase_add_test(tcase, memory_is_bounded);
    tcase_add_test(tcase, blocks_of_any_size);
    tcase_add_test(tcase, ids);
    tcase_add_loop_test(tcase, what_is_no_id, 0, COUNT(no_ids));
    tcase_add_test(tcase, a_lock);
    suite_add_tcase(suite, tcase);
    return suite;
}
