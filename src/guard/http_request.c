/* http_request.c: see http_request.h. */
#include "guard/http_request.h"

#include <string.h>

static struct text_span span(const char *text) {
    return (struct text_span){text, strlen(text)};
}

static enum http_method method_of(const char *name) {
    if (strcmp(name, "GET") == 0 || strcmp(name, "HEAD") == 0)
        return HTTP_GET;
    if (strcmp(name, "POST") == 0)
        return HTTP_POST;
    if (strcmp(name, "DELETE") == 0)
        return HTTP_DELETE;
    return HTTP_OTHER_METHOD;
}

const char *http_method_name(enum http_method method) {
    static const char *const NAMES[] = {
        [HTTP_GET] = "GET", [HTTP_POST] = "POST", [HTTP_DELETE] = "DELETE"};
    return method < HTTP_METHODS ? NAMES[method] : NULL;
}

static void read_uri(struct http_request *request, const char *uri) {
    const size_t path_length = strcspn(uri, "?");
    request->path = (struct text_span){uri, path_length};
    if (uri[path_length] == '?')
        request->query = span(uri + path_length + 1);
}

static bool read_content_length(struct http_request *request, const char *text) {
    int64_t length = 0;
    if (*text == '\0')
        return true;
    if (!text_parse_int(&length, text, strlen(text)) || length < 0)
        return false;
    request->content_length = (size_t)length;
    return true;
}

/* The key is a string of RFC 8941 in the standard's draft, and a bare word from most clients. */
static struct text_span unquoted(const char *text) {
    struct text_span key = span(text);
    if (key.length >= 2 && key.data[0] == '"' && key.data[key.length - 1] == '"')
        key = (struct text_span){key.data + 1, key.length - 2};
    return key;
}

/* An absent header comes as an empty parameter. */
static struct text_span header(const char *text) {
    return *text == '\0' ? (struct text_span){NULL, 0} : span(text);
}

/* The value when the parameter has this name, else NULL. */
static const char *value_of(const char *param, const char *name, size_t name_length) {
    return strncmp(param, name, name_length) == 0 && param[name_length] == '='
               ? param + name_length + 1
               : NULL;
}

#define VALUE_OF(param, name) value_of((param), (name), sizeof(name) - 1)

bool http_request_read(struct http_request *request, char *const *params) {
    bool has_method = false;
    bool has_length = true;
    memset(request, 0, sizeof *request);
    request->request_id = "";
    for (; *params != NULL; params++) {
        const char *value = NULL;
        if ((value = VALUE_OF(*params, "REQUEST_METHOD")) != NULL) {
            request->method = method_of(value);
            has_method = true;
        } else if ((value = VALUE_OF(*params, "REQUEST_URI")) != NULL) {
            read_uri(request, value);
        } else if ((value = VALUE_OF(*params, "REQUEST_ID")) != NULL) {
            request->request_id = value;
        } else if ((value = VALUE_OF(*params, "CONTENT_TYPE")) != NULL) {
            request->content_type = header(value);
        } else if ((value = VALUE_OF(*params, "CONTENT_LENGTH")) != NULL) {
            has_length = read_content_length(request, value);
        } else if ((value = VALUE_OF(*params, "HTTP_X_TENANT_ID")) != NULL) {
            request->tenant_id = header(value);
        } else if ((value = VALUE_OF(*params, "HTTP_X_CORRELATION_ID")) != NULL) {
            request->correlation_id = header(value);
        } else if ((value = VALUE_OF(*params, "HTTP_X_GUARD_ADMIN_TOKEN")) != NULL) {
            request->admin_token = header(value);
        } else if ((value = VALUE_OF(*params, "HTTP_AUTHORIZATION")) != NULL) {
            request->authorization = header(value);
        } else if ((value = VALUE_OF(*params, "HTTP_GRPC_TIMEOUT")) != NULL) {
            request->grpc_timeout = header(value);
        } else if ((value = VALUE_OF(*params, "GUARD_DOOR")) != NULL) {
            request->is_grpc = strcmp(value, "grpc") == 0;
        } else if ((value = VALUE_OF(*params, "HTTP_IDEMPOTENCY_KEY")) != NULL) {
            request->idempotency_key =
                *value == '\0' ? (struct text_span){NULL, 0} : unquoted(value);
        } else if ((value = VALUE_OF(*params, "HTTP_TRACEPARENT")) != NULL) {
            request->traceparent = header(value);
        }
    }
    return has_method && has_length && request->path.data != NULL;
}

/* The length of the media type, without parameters. */
static size_t media_type_length(struct text_span type) {
    return strcspn(type.data, "; \t");
}

bool http_request_is_json(const struct http_request *request) {
    const struct text_span type = request->content_type;
    if (type.data == NULL)
        return true;
    const size_t end = media_type_length(type);
    static const char JSON[] = "application/json";
    static const char SUFFIX[] = "+json";
    const size_t suffix = sizeof SUFFIX - 1;
    return text_equals_nocase(type.data, end, JSON, sizeof JSON - 1) ||
           (end > suffix && text_equals_nocase(type.data + end - suffix, suffix, SUFFIX, suffix));
}

bool http_request_is_grpc_message(const struct http_request *request) {
    const struct text_span type = request->content_type;
    static const char GRPC[] = "application/grpc";
    static const char PROTO[] = "application/grpc+proto";
    if (type.data == NULL)
        return false;
    const size_t end = media_type_length(type);
    return text_equals_nocase(type.data, end, GRPC, sizeof GRPC - 1) ||
           text_equals_nocase(type.data, end, PROTO, sizeof PROTO - 1);
}

struct text_span http_request_query(const struct http_request *request, const char *name,
                                    bool plus_is_plus, struct buffer *decoded, bool *bad) {
    struct text_span rest = request->query;
    struct text_span pair_name;
    struct text_span value;
    struct text_span found = {NULL, 0};
    while (text_next_pair(&rest, &pair_name, &value)) {
        if (pair_name.length != strlen(name) || memcmp(pair_name.data, name, pair_name.length) != 0)
            continue;
        char *out = decoded->data + decoded->length;
        size_t length = 0;
        if (found.data != NULL || decoded->capacity - decoded->length < value.length ||
            !text_percent_decode(value.data == NULL ? "" : value.data, value.length, !plus_is_plus,
                                 out, &length) ||
            !text_is_valid_utf8(out, length)) {
            *bad = true;
            return found;
        }
        decoded->length += length;
        found = (struct text_span){out, length};
    }
    return found;
}
