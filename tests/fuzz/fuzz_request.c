/*
 * fuzz_request.c: the whole HTTP door behind FastCGI: parsing, routes, validation, answers.
 *
 * The first byte of an input says which route it takes (see ROUTES) and whether the
 * headers that stand in for fields are there (HEADERS). The rest is the body or, for routes without
 * one, the query.
 *
 * There is no database: what is valid is refused with 503, and what a valid request must be is
 * checked then.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/door.h"

/* Of the first byte: "0" is the first route, "@" the same with headers. */
#define ROUTE 0x0F
#define HEADERS 0x40

#define LOCK_ID "018f0011-2233-7455-8677-8899aabbccfd"

/* Like assert(), but always there. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *method;
    const char *path;
    bool has_body; /* else the input is the query */
    enum command_kind kind;
} ROUTES[] = {
    {"POST", "/v1/locks", true, COMMAND_LOCK},
    {"DELETE", "/v1/locks/" LOCK_ID, true, COMMAND_RELEASE},
    {"POST", "/v1/locks/bulk-release", true, COMMAND_BULK_RELEASE},
    {"GET", "/v1/locks", false, COMMAND_LIST},
    {"GET", "/v1/locks/" LOCK_ID, false, COMMAND_GET},
    {"DELETE", "/v1/locks/" LOCK_ID, false, COMMAND_RELEASE},
    {"GET", "/v1/locks/", false, COMMAND_GET}, /* the input is the id, too */
    {"POST", "/v1/locks/" LOCK_ID "/manual-release", true, COMMAND_MANUAL_RELEASE},
    {"GET", "/v1/locks/" LOCK_ID "/audit", false, COMMAND_AUDITS},
    {"GET", "/v1/locks/audit", false, COMMAND_AUDITS},
};
#define ROUTE_COUNT (sizeof ROUTES / sizeof ROUTES[0])

/* Text that is stored: valid UTF-8 of 1 to `most` characters. Absent is fine. */
static void check_text(struct text_span text, size_t most) {
    if (text.data == NULL)
        return;
    MUST(text.length > 0);
    MUST(text_is_valid_utf8(text.data, text.length));
    MUST(text_code_points(text.data, text.length) <= most);
}

/* Integers of any size, as reals. NULL when there is nothing. */
static json_t *parse(struct text_span text) {
    return json_loadb(text.data, text.length, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL,
                      NULL);
}

/* What is stored as metadata means what the parser read, whichever way its text was found. */
static void check_metadata(const struct exchange *x, struct text_span metadata) {
    json_t *body = parse(x->request.body);
    const json_t *member = json_object_get(body, "metadata");
    MUST((member == NULL) == (metadata.data == NULL));
    if (member == NULL) {
        json_decref(body);
        return;
    }
    json_t *again = parse(metadata);
    MUST(json_is_object(again));
    MUST(json_equal(again, member));
    json_decref(again);
    json_decref(body);
    MUST(metadata.data[0] == '{' && metadata.data[metadata.length - 1] == '}');
    MUST(metadata.length <= FIELD_METADATA_MAX);
    MUST(text_is_valid_utf8(metadata.data, metadata.length));
}

static void check_lock(const struct exchange *x) {
    const struct lock_request *lock = &x->command.as.lock;
    const struct request_limits *limits = &x->context->limits;
    MUST(lock->stay_start >= TIMESTAMP_MIN && lock->stay_end <= TIMESTAMP_MAX);
    MUST(lock->stay_start < lock->stay_end);
    MUST(lock->stay_end - lock->stay_start <= limits->max_stay_us);
    MUST(lock->ttl_seconds >= 1 && lock->ttl_seconds <= limits->max_ttl_seconds);
    MUST(lock->reason.data != NULL);
    check_text(lock->reason, REQUEST_REASON_MAX);
    check_text(lock->correlation_id, REQUEST_TEXT_MAX);
    check_metadata(x, lock->metadata);
}

static void check_release(const struct exchange *x) {
    const struct release_request *release = &x->command.as.release;
    MUST(release->reason.data != NULL);
    check_text(release->reason, REQUEST_REASON_MAX);
    check_text(release->correlation_id, REQUEST_TEXT_MAX);
    check_metadata(x, release->metadata);
}

static void check_bulk_release(const struct exchange *x) {
    const struct bulk_release_request *bulk = &x->command.as.bulk_release;
    MUST(bulk->lock_ids != NULL);
    MUST(bulk->lock_count >= 1 && bulk->lock_count <= REQUEST_BULK_MAX);
    json_t *body = parse(x->request.body);
    MUST(bulk->lock_count == json_array_size(json_object_get(body, "lockIds")));
    json_decref(body);
    MUST(bulk->reason.data != NULL);
    check_text(bulk->reason, REQUEST_REASON_MAX);
    check_text(bulk->correlation_id, REQUEST_TEXT_MAX);
}

static void check_list(const struct exchange *x) {
    const struct list_request *list = &x->command.as.list;
    MUST(list->limit >= 2 && list->limit <= REQUEST_LIST_MAX + 1);
    MUST(!list->has_from || !list->has_to || list->from < list->to);
    MUST(list->status.data == NULL || list->status.length >= strlen("ACTIVE"));
}

static void check_manual_release(const struct exchange *x) {
    const struct manual_release_request *release = &x->command.as.manual_release;
    MUST(release->reason.data != NULL && release->actor_id.data != NULL &&
         release->actor_name.data != NULL);
    check_text(release->reason, MANUAL_RELEASE_REASON_MAX);
    MUST(text_code_points(release->reason.data, release->reason.length) >=
         MANUAL_RELEASE_REASON_MIN);
    check_text(release->actor_id, MANUAL_RELEASE_ACTOR_MAX);
    check_text(release->actor_name, MANUAL_RELEASE_ACTOR_MAX);
    check_text(release->actor_email, MANUAL_RELEASE_EMAIL_MAX);
    check_text(release->correlation_id, REQUEST_TEXT_MAX);
    check_metadata(x, release->metadata);
}

static void check_audits(const struct exchange *x) {
    const struct audits_request *audits = &x->command.as.audits;
    MUST(audits->limit >= 2 && audits->limit <= REQUEST_LIST_MAX + 1);
    MUST(!audits->has_from || !audits->has_to || audits->from < audits->to);
    MUST(audits->beyond >= 0);
    check_text(audits->actor_id, REQUEST_TEXT_MAX);
}

/* What goes on is a traceparent, whatever came. */
static void check_trace(const struct trace_context *context) {
    struct trace_context again;
    if (!trace_context_is_set(context))
        return;
    MUST(trace_context_parse(&again, trace_context_text(context)));
    MUST(strcmp(again.text, context->text) == 0);
}

/* A request that got as far as the database. */
static void check_command(const struct exchange *x) {
    const struct text_span body = x->request.body;
    MUST(body.length == 0 || memchr(body.data, '\0', body.length) == NULL);
    check_trace(&x->command.trace.context);
    switch (x->command.kind) {
    case COMMAND_LOCK:
        check_lock(x);
        break;
    case COMMAND_RELEASE:
        check_release(x);
        break;
    case COMMAND_BULK_RELEASE:
        check_bulk_release(x);
        break;
    case COMMAND_LIST:
        check_list(x);
        break;
    case COMMAND_MANUAL_RELEASE:
        check_manual_release(x);
        break;
    case COMMAND_AUDITS:
        check_audits(x);
        break;
    default:
        MUST(x->command.kind == COMMAND_GET);
    }
}

static void check_violations(const json_t *errors) {
    const size_t count = json_array_size(errors);
    for (size_t i = 0; i < count; i++) {
        const char *field = json_string_value(json_object_get(json_array_get(errors, i), "field"));
        MUST(field != NULL);
        for (size_t j = 0; j < i; j++)
            MUST(strcmp(field, json_string_value(
                                   json_object_get(json_array_get(errors, j), "field"))) != 0);
    }
}

static void check_answer(struct door *door) {
    char length[32];
    const struct text_span header = door_header(door, "Content-Length");
    const int printed = snprintf(length, sizeof length, "%zu", door->body.length);
    MUST(header.length == (size_t)printed && memcmp(header.data, length, header.length) == 0);
    MUST(text_is_valid_utf8(door->body.data, door->body.length));
    json_t *body = json_loadb(door->body.data, door->body.length, JSON_REJECT_DUPLICATES, NULL);
    MUST(json_is_object(body));
    MUST(json_integer_value(json_object_get(body, "status")) == door->status);
    /* A path that goes on with the input may be another one, without this method. */
    MUST(door->status == 400 || door->status == 404 || door->status == 405 || door->status == 503);
    check_violations(json_object_get(body, "errors"));
    json_decref(body);
    if (door->status == 503)
        check_command(&door->exchange);
}

/* The most parameters of a request. */
#define PARAMS 8

/* "REQUEST_URI=path?query". A parameter ends at its first NUL, as one of FastCGI does. */
static char *make_uri(const char *path, struct text_span query) {
    struct buffer uri = {0};
    buffer_append_text(&uri, "REQUEST_URI=");
    buffer_append_text(&uri, path);
    if (path[strlen(path) - 1] != '/')
        buffer_append_char(&uri, '?');
    buffer_append(&uri, query.data, query.length);
    buffer_append_char(&uri, '\0');
    MUST(!uri.failed);
    return uri.data;
}

static char *make_param(const char *name, const char *value) {
    struct buffer param = {0};
    buffer_printf(&param, "%s=%s", name, value);
    buffer_append_char(&param, '\0');
    MUST(!param.failed);
    return param.data;
}

/* The input once more, up to its first line end: so headers come. */
static char *make_traceparent(struct text_span rest) {
    struct buffer param = {0};
    size_t length = 0;
    while (length < rest.length && rest.data[length] != '\n' && rest.data[length] != '\0')
        length++;
    buffer_append_text(&param, "HTTP_TRACEPARENT=");
    buffer_append(&param, rest.data, length);
    buffer_append_char(&param, '\0');
    MUST(!param.failed);
    return param.data;
}

static size_t make_params(char **params, uint8_t choice, struct text_span rest, bool has_body) {
    const struct text_span query = has_body ? (struct text_span){"", 0} : rest;
    const size_t route = (choice & ROUTE) % ROUTE_COUNT;
    size_t count = 0;
    params[count++] = make_param("REQUEST_METHOD", ROUTES[route].method);
    params[count++] = make_uri(ROUTES[route].path, query);
    params[count++] = make_param("HTTP_X_GUARD_ADMIN_TOKEN", "token");
    if ((choice & HEADERS) != 0) {
        params[count++] = make_param("HTTP_X_TENANT_ID", "11111111-1111-4111-8111-111111111111");
        params[count++] = make_param("HTTP_X_CORRELATION_ID", "c-1");
        params[count++] = make_param("HTTP_IDEMPOTENCY_KEY", "\"k-1\"");
        params[count++] = make_traceparent(rest);
    }
    params[count] = NULL;
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct door door;
    char *params[PARAMS];
    if (size == 0)
        return 0;
    const size_t route = (data[0] & ROUTE) % ROUTE_COUNT;
    const struct text_span rest = {(const char *)data + 1, size - 1};
    const struct text_span none = {"", 0};
    const size_t count = make_params(params, data[0], rest, ROUTES[route].has_body);
    door_init(&door);
    door.look = check_answer;
    door.context.manual_release_enabled = true;
    door.context.notifications_enabled = true;
    MUST(admin_tokens_init(&door.context.admin_tokens, "token"));
    MUST(door_handle(&door, params, ROUTES[route].has_body ? rest : none));
    MUST(door.answers == 1);
    admin_tokens_exit(&door.context.admin_tokens);
    door_exit(&door);
    for (size_t i = 0; i < count; i++)
        free(params[i]);
    return 0;
}
