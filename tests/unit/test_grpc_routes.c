/*
 * test_grpc_routes.c: calls of gRPC through the door: what becomes of them, and their answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "door.h"
#include "unit.h"

#define TENANT "11111111-1111-4111-8111-111111111111"
#define TYPE "33333333-3333-4333-8333-333333333333"
#define LOCK "018f0011-2233-7455-8677-8899aabbccfd"
#define SERVICE "/availabilityguard.v1.AvailabilityGuard/"

/* Frames with messages. */
#define LOCK_ROOM                                                                                  \
    "\0\0\0\0\144\12\44" TENANT "\32\44" TYPE "\52\12"                                             \
    "2090-01-01\62\12"                                                                             \
    "2090-01-02"
#define LOCK_ROOM_WITH_KEY                                                                         \
    "\0\0\0\0\147\12\44" TENANT "\32\44" TYPE "\52\12"                                             \
    "2090-01-01\62\12"                                                                             \
    "2090-01-02\112\1k"
#define RELEASE_ROOM "\0\0\0\0\114\12\44" TENANT "\22\44" LOCK
#define EMPTY "\0\0\0\0\0"

/* Memory runs out after so many allocations, for good or once. */
#define ALWAYS (-1)

static int allocations_left = ALWAYS;
static bool comes_back;
static bool ran_out;

static bool take_one(void) {
    if (allocations_left == ALWAYS)
        return true;
    if (allocations_left > 0) {
        allocations_left--;
        return true;
    }
    ran_out = true;
    if (comes_back)
        allocations_left = ALWAYS;
    return false;
}

/* The linker puts these in the place of the functions (--wrap). Their names are its choice. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size) {
    return take_one() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size) {
    return take_one() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *memory, size_t size) {
    return take_one() ? __real_realloc(memory, size) : NULL;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static struct door door;
static char *params[8];
static char uri_param[256];

static void setup(void) {
    door_init(&door);
    door_open(&door);
    /* What the test notes is not to fail. */
    ck_assert(buffer_reserve(&door.headers, 4096) && buffer_reserve(&door.body, 4096));
}

static void teardown(void) {
    allocations_left = ALWAYS;
    admin_tokens_exit(&door.context.grpc_tokens);
    door_exit(&door);
}

/* Makes a call with up to two more parameters, which take the place of others of their name. */
static void call_with(const char *path, struct text_span body, char *first, char *second) {
    static char method[] = "REQUEST_METHOD=POST";
    static char type[] = "CONTENT_TYPE=application/grpc";
    static char grpc_door[] = "GUARD_DOOR=grpc";
    (void)snprintf(uri_param, sizeof uri_param, "REQUEST_URI=%s", path);
    char *const all[] = {method, uri_param, type, grpc_door, first, second, NULL};
    memcpy((void *)params, (const void *)all, sizeof all);
    const bool handled = door_handle(&door, params, body);
    allocations_left = ALWAYS; /* check takes memory, too */
    ck_assert(handled);
}

#define CALL(path, bytes)                                                                          \
    call_with((path), (struct text_span){(bytes), sizeof(bytes) - 1}, NULL, NULL)
#define CALL_WITH(path, bytes, param)                                                              \
    call_with((path), (struct text_span){(bytes), sizeof(bytes) - 1}, (param), NULL)

static void ck_assert_header(const char *name, const char *value) {
    const struct text_span found = door_header(&door, name);
    ck_assert_msg(found.data != NULL, "no %s in:\n%s", name, door.headers.data);
    ck_assert_msg(found.length == strlen(value) && memcmp(found.data, value, found.length) == 0,
                  "%s is not %s in:\n%s", name, value, door.headers.data);
}

static void ck_assert_refused(const char *status, const char *message) {
    ck_assert_int_eq(door.answers, 1);
    ck_assert_ptr_null(door_command(&door));
    ck_assert_header("Grpc-Status", status);
    if (message != NULL)
        ck_assert_header("Grpc-Message", message);
    ck_assert_uint_eq(door.body.length, 0);
}

static const struct command *command_of(enum command_kind kind) {
    const struct command *command = door_command(&door);
    ck_assert_int_eq(door.answers, 0);
    ck_assert_ptr_nonnull(command);
    ck_assert_int_eq(command->kind, kind);
    return command;
}

static void receive(enum outcome_kind kind, int64_t count) {
    door_answer(&door, &(struct outcome){.kind = kind, .count = count});
    ck_assert_int_eq(door.answers, 1);
}

START_TEST(a_lock) {
    CALL(SERVICE "LockRoom", LOCK_ROOM);
    const struct lock_request *lock = &command_of(COMMAND_LOCK)->as.lock;
    ck_assert_int_eq(lock->stay_end - lock->stay_start, US_PER_DAY);
    ck_assert_int_eq(lock->ttl_seconds, 7200);
    ck_assert(!lock->has_key && !lock->room_id.set);
    ck_assert_bytes_eq(lock->reason.data, lock->reason.length, "RESERVATION_CREATE");
    ck_assert_int_eq(door_command(&door)->limit_ms, 0);
    receive(OUTCOME_STAY_OVER, 0);
    ck_assert_refused("3", "stay_end: the stay is over already");
}
END_TEST

START_TEST(a_lock_with_headers) {
    static char correlation[] = "HTTP_X_CORRELATION_ID=c-1";
    static char timeout[] = "HTTP_GRPC_TIMEOUT=3S";
    call_with(SERVICE "LockRoom", (struct text_span){LOCK_ROOM, sizeof LOCK_ROOM - 1}, correlation,
              timeout);
    const struct command *command = command_of(COMMAND_LOCK);
    ck_assert_bytes_eq(command->as.lock.correlation_id.data, command->as.lock.correlation_id.length,
                       "c-1");
    ck_assert_int_eq(command->limit_ms, 3000);
}
END_TEST

START_TEST(a_release_of_what_is_not_there) {
    CALL(SERVICE "ReleaseRoom", RELEASE_ROOM);
    (void)command_of(COMMAND_RELEASE);
    receive(OUTCOME_NOT_FOUND, 0);
    ck_assert_int_eq(door.status, 200);
    ck_assert_header("Content-Type", "application/grpc");
    ck_assert_header("Grpc-Status", "0");
    ck_assert_bytes_eq(door.body.data, door.body.length, EMPTY);
}
END_TEST

START_TEST(a_bulk_release) {
    CALL(SERVICE "BulkRelease", "\0\0\0\0\114\12\44" TENANT "\22\44" LOCK);
    const struct bulk_release_request *bulk = &command_of(COMMAND_BULK_RELEASE)->as.bulk_release;
    ck_assert_uint_eq(bulk->lock_count, 1);
    receive(OUTCOME_RELEASED, 300);
    ck_assert_header("Grpc-Status", "0");
    ck_assert_bytes_eq(door.body.data, door.body.length, "\0\0\0\0\3\10\254\2");
}
END_TEST

static const char *const checks[] = {"/availabilityguard.v1.Health/Check",
                                     "/grpc.health.v1.Health/Check"};

static const struct {
    enum outcome_kind outcome;
    const char *status;
    const char *body;
} health[] = {
    {OUTCOME_ALIVE, "0", "\0\0\0\0\2\10\1"},
    {OUTCOME_UNAVAILABLE, "0", "\0\0\0\0\2\10\2"},
    {OUTCOME_WRONG_SCHEMA, "0", "\0\0\0\0\2\10\2"},
    {OUTCOME_OVERLOADED, "8", NULL},
};

START_TEST(health_checks) {
    for (int i = 0; i < COUNT(checks); i++) {
        CALL(checks[i], EMPTY);
        (void)command_of(COMMAND_PING);
        receive(health[_i].outcome, 0);
        ck_assert_header("Grpc-Status", health[_i].status);
        ck_assert_uint_eq(door.body.length, health[_i].body == NULL ? 0 : 7);
        if (health[_i].body != NULL)
            ck_assert_mem_eq(door.body.data, health[_i].body, 7);
    }
}
END_TEST

/* A check that is refused at once is an answer, too. */
START_TEST(health_without_a_database) {
    door.dispatcher.session.problem = SESSION_PROBLEM_UNREACHABLE;
    CALL(checks[0], EMPTY);
    ck_assert_header("Grpc-Status", "0");
    ck_assert_bytes_eq(door.body.data, door.body.length, "\0\0\0\0\2\10\2");
}
END_TEST

START_TEST(services) {
    CALL(checks[_i], "\0\0\0\0\47\12\45"
                     "availabilityguard.v1.AvailabilityGuar");
    ck_assert_refused("5", "there is no such service");
    CALL(checks[_i], "\0\0\0\0\50\12\46"
                     "availabilityguard.v1.AvailabilityGuard");
    (void)command_of(COMMAND_PING);
}
END_TEST

static const struct {
    enum outcome_kind outcome;
    bool maybe_done;
    const char *status;
    const char *message;
} failures[] = {
    {OUTCOME_OVERLOADED, false, "8", "too much to do; nothing was done"},
    {OUTCOME_UNAVAILABLE, false, "14",
     "the database can't be used; nothing was done: database: is not reachable, or did not do it "
     "in time"},
    {OUTCOME_WRONG_SCHEMA, false, "14",
     "the database can't be used; nothing was done: schema: is missing or has another version"},
    {OUTCOME_TOO_LATE, false, "4", "the time of the call is over; nothing was done"},
    {OUTCOME_TOO_LATE, true, "4", "the time of the call is over; the request may have been done"},
    {OUTCOME_REFUSED, false, "3", "the request has a value that the database can't store"},
    {OUTCOME_FAILED, false, "13", "the request failed; see the log"},
};

START_TEST(a_failure) {
    static const char *const methods[] = {"LockRoom", "ReleaseRoom", "BulkRelease"};
    static const struct text_span bodies[] = {{LOCK_ROOM, sizeof LOCK_ROOM - 1},
                                              {RELEASE_ROOM, sizeof RELEASE_ROOM - 1},
                                              {RELEASE_ROOM, sizeof RELEASE_ROOM - 1}};
    for (int i = 0; i < COUNT(methods); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s%s", SERVICE, methods[i]);
        call_with(path, bodies[i], NULL, NULL);
        ck_assert_ptr_nonnull(door_command(&door));
        door_answer(&door, &(struct outcome){.kind = failures[_i].outcome,
                                             .maybe_done = failures[_i].maybe_done});
        ck_assert_refused(failures[_i].status, failures[_i].message);
    }
}
END_TEST

/* The lock of the test before has none. */
START_TEST(a_key_is_named_where_there_is_one) {
    CALL(SERVICE "LockRoom", LOCK_ROOM_WITH_KEY);
    ck_assert(command_of(COMMAND_LOCK)->as.lock.has_key);
    door_answer(&door, &(struct outcome){.kind = OUTCOME_TOO_LATE, .maybe_done = true});
    ck_assert_refused("4", "the time of the call is over; the request may have been done: repeat "
                           "it with the same idempotency_key");
}
END_TEST

static const struct {
    char *param;
    const char *status;
    const char *message;
} refused[] = {
    {"HTTP_GRPC_TIMEOUT=0S", "4", "the time of the call is over; nothing was done"},
    {"HTTP_GRPC_TIMEOUT=1", "3",
     "grpc-timeout must be 1 to 8 digits and a unit: H, M, S, m, u or n"},
    {"CONTENT_TYPE=application/json", "3", "the content-type must be application/grpc"},
    {"CONTENT_TYPE=", "3", "the content-type must be application/grpc"},
    {"REQUEST_METHOD=GET", "12", "calls are made by POST"},
    {"REQUEST_URI=/v1/locks", "12", "there is no such method"},
    {"REQUEST_URI=" SERVICE "Lock", "12", "there is no such method"},
};

START_TEST(a_refusal) {
    CALL_WITH(SERVICE "LockRoom", LOCK_ROOM, refused[_i].param);
    ck_assert_refused(refused[_i].status, refused[_i].message);
}
END_TEST

START_TEST(the_door_decides) {
    static char other[] = "GUARD_DOOR=http";
    CALL_WITH(SERVICE "LockRoom", LOCK_ROOM, other);
    ck_assert_int_eq(door.status, 404);
    ck_assert_ptr_null(door_header(&door, "Grpc-Status").data);
}
END_TEST

START_TEST(frames) {
    CALL(SERVICE "LockRoom", "");
    ck_assert_refused("12", "the call takes exactly one message");
    CALL(SERVICE "LockRoom", EMPTY EMPTY);
    ck_assert_refused("12", "the call takes exactly one message");
    CALL(SERVICE "LockRoom", "\1\0\0\0\0");
    ck_assert_refused("12", "messages must not be compressed");
    CALL(SERVICE "LockRoom", "\0\0\0\0\1");
    ck_assert_refused("3", "the body is no frame with a message, or is cut off");
}
END_TEST

START_TEST(messages) {
    CALL(SERVICE "LockRoom", "\0\0\0\0\1\12");
    ck_assert_refused("3", "the bytes are no message of the type that the call takes");
    CALL(SERVICE "ReleaseRoom", "\0\0\0\0\4\42\2\0\0");
    ck_assert_refused("3", "reason: must be valid UTF-8 without NUL; "
                           "tenant_id: is required; lock_id: is required");
    CALL(SERVICE "LockRoom", EMPTY);
    ck_assert_refused("3", "tenant_id: is required; room_type_id: is required; "
                           "stay_start: is required; stay_end: is required");
}
END_TEST

/* A text that is none does not hide what else is wrong, and is named once. */
START_TEST(all_that_is_wrong) {
    CALL(SERVICE "LockRoom", "\0\0\0\0\10\12\1\377\132\3\12\1\377");
    ck_assert_refused("3", "tenant_id: must be valid UTF-8 without NUL; "
                           "metadata: must be valid UTF-8 without NUL; "
                           "room_type_id: is required; "
                           "stay_start: is required; stay_end: is required");
    CALL(SERVICE "BulkRelease", "\0\0\0\0\6\22\1\377\32\1\377");
    ck_assert_refused("3", "lock_ids: must be valid UTF-8 without NUL; "
                           "reason: must be valid UTF-8 without NUL; tenant_id: is required");
}
END_TEST

#define LOCK_ROOM_WITH_METADATA                                                                    \
    "\0\0\0\0\156\12\44" TENANT "\32\44" TYPE "\52\12"                                             \
    "2090-01-01\62\12"                                                                             \
    "2090-01-02\132\10\12\1k\22\3abc"

/* Wherever memory runs out, it is the service that failed, and says how callers may go on. */
START_TEST(memory_runs_out) {
    static const struct {
        const char *path;
        struct text_span body;
    } calls[] = {
        {SERVICE "LockRoom", {LOCK_ROOM_WITH_METADATA, sizeof LOCK_ROOM_WITH_METADATA - 1}},
        {SERVICE "BulkRelease", {RELEASE_ROOM, sizeof RELEASE_ROOM - 1}},
    };
    for (int i = 0; i < COUNT(calls); i++) {
        ran_out = true;
        for (int memory = 0; ran_out; memory++) {
            ran_out = false;
            comes_back = _i == 1;
            allocations_left = memory;
            call_with(calls[i].path, calls[i].body, NULL, NULL);
            if (ran_out) {
                ck_assert_refused("13", NULL);
                ck_assert_header("X-Guard-Fail-Open", "true");
                door.answers = 0;
            } else {
                ck_assert_ptr_nonnull(door_command(&door));
                receive(OUTCOME_OVERLOADED, 0);
                door.answers = 0;
            }
        }
    }
}
END_TEST

static const struct {
    char *param;
    bool allowed;
} authorizations[] = {
    {NULL, false},
    {"HTTP_AUTHORIZATION=", false},
    {"HTTP_AUTHORIZATION=token", false},
    {"HTTP_AUTHORIZATION=Bearer ", false},
    {"HTTP_AUTHORIZATION=Bearer toke", false},
    {"HTTP_AUTHORIZATION=Bearer  token", false},
    {"HTTP_AUTHORIZATION=Basic token", false},
    {"HTTP_X_GUARD_ADMIN_TOKEN=token", false},
    {"HTTP_AUTHORIZATION=Bearer token", true},
    {"HTTP_AUTHORIZATION=bEARER token", true},
};

START_TEST(tokens) {
    ck_assert(admin_tokens_init(&door.context.grpc_tokens, "token"));
    CALL_WITH(SERVICE "LockRoom", LOCK_ROOM, authorizations[_i].param);
    if (authorizations[_i].allowed)
        (void)command_of(COMMAND_LOCK);
    else
        ck_assert_refused("16", "the metadata authorization must hold a valid bearer token");
}
END_TEST

START_TEST(health_needs_no_token) {
    ck_assert(admin_tokens_init(&door.context.grpc_tokens, "token"));
    CALL(checks[_i], EMPTY);
    (void)command_of(COMMAND_PING);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("grpc_routes");
    TCase *tcase = tcase_create("grpc_routes");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_lock);
    tcase_add_test(tcase, a_lock_with_headers);
    tcase_add_test(tcase, a_release_of_what_is_not_there);
    tcase_add_test(tcase, a_bulk_release);
    tcase_add_loop_test(tcase, health_checks, 0, COUNT(health));
    tcase_add_test(tcase, health_without_a_database);
    tcase_add_loop_test(tcase, services, 0, COUNT(checks));
    tcase_add_loop_test(tcase, a_failure, 0, COUNT(failures));
    tcase_add_loop_test(tcase, a_refusal, 0, COUNT(refused));
    tcase_add_test(tcase, the_door_decides);
    tcase_add_test(tcase, frames);
    tcase_add_test(tcase, messages);
    tcase_add_test(tcase, all_that_is_wrong);
    tcase_add_test(tcase, a_key_is_named_where_there_is_one);
    tcase_add_loop_test(tcase, memory_runs_out, 0, 2);
    tcase_add_loop_test(tcase, tokens, 0, COUNT(authorizations));
    tcase_add_loop_test(tcase, health_needs_no_token, 0, COUNT(checks));
    suite_add_tcase(suite, tcase);
    return suite;
}
