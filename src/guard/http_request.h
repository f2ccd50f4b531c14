/*
 * http_request.h: one HTTP request as it came through FastCGI: method, path, query, the few headers
 * that mean something here, and the body.
 */
#ifndef GUARD_HTTP_REQUEST_H
#define GUARD_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/text.h"

enum http_method {
    HTTP_GET, /* HEAD too: nginx leaves the body out */
    HTTP_POST,
    HTTP_DELETE,
    HTTP_OTHER_METHOD,
};

#define HTTP_METHODS 3 /* those that have a name */

/* "GET" and so on; NULL: it has none here. */
const char *http_method_name(enum http_method method);

/* Texts point into the FastCGI parameters, which live until the request is finished. */
struct http_request {
    enum http_method method;
    struct text_span path;            /* as sent, without the query */
    struct text_span query;           /* as sent, without the question mark */
    const char *request_id;           /* never NULL */
    struct text_span content_type;    /* this and the following: no data when absent */
    struct text_span tenant_id;       /* X-Tenant-Id */
    struct text_span correlation_id;  /* X-Correlation-Id */
    struct text_span admin_token;     /* X-Guard-Admin-Token */
    struct text_span idempotency_key; /* Idempotency-Key, without its quotes */
    struct text_span authorization;   /* Authorization: asked for by the gRPC door only */
    struct text_span grpc_timeout;    /* Grpc-Timeout */
    struct text_span traceparent;     /* Traceparent */
    bool is_grpc;                     /* it came by the port for gRPC */
    size_t content_length;
    struct text_span body;
};

/* Reads the parameters ("NAME=value", ended by NULL). Returns false when they are not those of an
 * HTTP request. The body is set by the caller. */
MUST_CHECK bool http_request_read(struct http_request *request, char *const *params);

/* Whether the body may be JSON, by its Content-Type (none is taken as JSON). */
bool http_request_is_json(const struct http_request *request);
/* Whether the body is frames with protobuf messages, by its Content-Type. */
bool http_request_is_grpc_message(const struct http_request *request);

/*
 * The decoded value of a query parameter, kept in `decoded` (whose memory must not move until the
 * value has been used: reserve it beforehand). A "+" is a space, as forms and most client libraries
 * write it, unless plus_is_plus: in a time it is the sign of an offset that somebody did not
 * encode. No data when the parameter is absent. Sets *bad when the value can't be decoded, is not
 * UTF-8, or is given twice.
 */
struct text_span http_request_query(const struct http_request *request, const char *name,
                                    bool plus_is_plus, struct buffer *decoded, bool *bad);

#endif
