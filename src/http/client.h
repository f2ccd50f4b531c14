/*
 * client.h: POSTs over HTTP and HTTPS, many at once, on the poller (libcurl's multi interface with
 * sockets of its own choosing).
 *
 * Certificates are verified; only http and https are spoken, HTTP/1.1, and redirects are not
 * followed. Of a response the status and Retry-After are of interest, and its body where that was
 * asked for: bodies are read up to HTTP_BODY_MAX bytes, so that the connection can be used again,
 * and thrown away; headers of more than HTTP_HEADERS_MAX bytes end the call. Proxies are those of
 * the environment (http_proxy, https_proxy, no_proxy, as in curl(1)); none is used when private
 * addresses are refused, for then it must be us who see the address.
 *
 * libcurl resolves names in threads of its own; everything else is done in the poller's thread.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/text.h"
#include "http/outcome.h"

#define HTTP_BODY_MAX ((size_t)64 * 1024)
#define HTTP_HEADERS_MAX ((size_t)64 * 1024)

struct http_call;

/* What is sent. Nothing of it is needed any more once http_post() has returned. */
struct http_request {
    const char *url;
    const struct text_span *headers; /* each "Name: value", without line ends */
    size_t header_count;
    struct text_span body;
    int64_t timeout_ms; /* for everything, from the name to the last byte */
    /* Never on a connection that was used before: libcurl sends a request once more, by itself,
     * when such a connection turns out to be dead. */
    bool fresh;
    bool keep_body; /* of the response, for the outcome; else it is thrown away */
};

/* Called from http_tick() or the poller, once for each call. */
typedef void http_done(void *context, const struct outcome *outcome);

/* Everything in here is private to client.c. */
struct http {
    struct poller *poller;
    CURLM *multi;
    mono_time deadline; /* libcurl's timer */
    bool refuse_private;
    LIST_HEAD(, http_call) calls;
    LIST_HEAD(, http_socket) sockets;
};

/* False when libcurl cannot start; there is nothing to end then. Must not move afterwards. */
MUST_CHECK bool http_init(struct http *http, struct poller *poller, bool refuse_private);
/* Ends all calls; done() is not called. */
void http_exit(struct http *http);

void http_tick(struct http *http, mono_time now);
mono_time http_deadline(const struct http *http);

/* Begins a call; NULL when memory ran out. The context must live until done() or http_exit(). */
MUST_CHECK struct http_call *http_post(struct http *http, const struct http_request *request,
                                       http_done *done, void *context);

/* Whether this is an address that http_post() can call: http or https, and a host. */
MUST_CHECK bool http_url_is_fine(const char *url);

#endif
