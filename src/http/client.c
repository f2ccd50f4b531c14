/* client.c: see client.h. */
#include <config.h>

#include "http/client.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "http/address.h"
#include "http/retry.h"

/* A connection that nobody has used for this long is not used again. */
#define CONNECTION_AGE_MAX_S 60L

/* Connections that are kept open for the next call. */
#define CONNECTIONS_KEPT 48L

#define USER_AGENT PACKAGE_NAME "/" PACKAGE_VERSION

struct http_call {
    LIST_ENTRY(http_call) link;
    struct http *http;
    CURL *easy;
    struct curl_slist *headers;
    http_done *done;
    void *context;
    size_t header_bytes;
    size_t body_bytes;
    bool keep_body;
    struct buffer body;
    bool answered;
    int addresses_refused;
    int addresses_used;
};

/* A descriptor that libcurl wants to be told of. */
struct http_socket {
    struct poll_source source; /* first, so that the poller's callback finds it */
    LIST_ENTRY(http_socket) link;
    struct http *http;
};

/* --- sockets and timer --------------------------------------------------------------------- */

static void report_ended(struct http *http);

static void take_events(struct poll_source *source, uint32_t events) {
    struct http *http = ((struct http_socket *)source)->http;
    int running = 0;
    int what = 0;
    if ((events & (EPOLLIN | EPOLLHUP)) != 0)
        what |= CURL_CSELECT_IN;
    if ((events & EPOLLOUT) != 0)
        what |= CURL_CSELECT_OUT;
    if ((events & EPOLLERR) != 0)
        what |= CURL_CSELECT_ERR;
    /* May free the source. */
    (void)curl_multi_socket_action(http->multi, source->fd, what, &running);
    report_ended(http);
}

static void forget_socket(struct http *http, struct http_socket *s) {
    poller_remove(http->poller, &s->source);
    LIST_REMOVE(s, link);
    free(s);
}

static uint32_t events_of(int what) {
    return ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0U) |
           ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0U);
}

static bool add_socket(struct http *http, curl_socket_t fd, uint32_t events) {
    struct http_socket *s = calloc(1, sizeof *s);
    if (s == NULL)
        return false;
    s->source.fd = fd;
    s->source.ready = take_events;
    s->http = http;
    if (!poller_add(http->poller, &s->source, events)) {
        free(s);
        return false;
    }
    LIST_INSERT_HEAD(&http->sockets, s, link);
    (void)curl_multi_assign(http->multi, fd, s);
    return true;
}

/* libcurl tells what it wants to know of a descriptor. What cannot be watched ends by its timeout.
 */
static int watch(CURL *easy, curl_socket_t fd, int what, void *context, void *socket) {
    struct http *http = context;
    struct http_socket *s = socket;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL)
            forget_socket(http, s);
        (void)curl_multi_assign(http->multi, fd, NULL);
    } else if (s == NULL) {
        if (!add_socket(http, fd, events_of(what)))
            log_error("a connection cannot be watched");
    } else if (!poller_change(http->poller, &s->source, events_of(what))) {
        log_error("a connection cannot be watched");
    }
    return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *context) {
    struct http *http = context;
    (void)multi;
    http->deadline = timeout_ms < 0 ? MONO_NEVER : mono_after_ms(mono_now(), timeout_ms);
    return 0;
}

void http_tick(struct http *http, mono_time now) {
    int running = 0;
    if (mono_is_before(now, http->deadline))
        return;
    http->deadline = MONO_NEVER;
    (void)curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    report_ended(http);
}

mono_time http_deadline(const struct http *http) {
    return http->deadline;
}

/* --- one call ------------------------------------------------------------------------------ */

/* After the name has been resolved and before anything is sent: the one moment in which nobody can
 * put another address in the place of this one. */
static curl_socket_t open_socket(void *context, curlsocktype purpose,
                                 struct curl_sockaddr *address) {
    struct http_call *call = context;
    (void)purpose;
    if (call->http->refuse_private &&
        address_is_private(&address->addr, (socklen_t)address->addrlen)) {
        call->addresses_refused++;
        return CURL_SOCKET_BAD;
    }
    call->addresses_used++;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* A blank line ends the headers, of interim responses (1xx) too. The type is libcurl's. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
static size_t take_header(char *line, size_t size, size_t count, void *context) {
    struct http_call *call = context;
    const size_t length = size * count;
    call->header_bytes += length;
    if (call->header_bytes > HTTP_HEADERS_MAX)
        return 0;
    if (length <= 2 && (line[0] == '\r' || line[0] == '\n')) {
        long status = 0;
        (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        call->answered = status >= 200;
    }
    return length;
}

/* NOLINTNEXTLINE(readability-non-const-parameter) */
static size_t take_body(char *bytes, size_t size, size_t count, void *context) {
    struct http_call *call = context;
    call->body_bytes += size * count;
    if (call->keep_body)
        buffer_append(&call->body, bytes, size * count);
    return call->body_bytes > HTTP_BODY_MAX ? 0 : size * count;
}

static int64_t asked_pause_ms(CURL *easy) {
    struct curl_header *header = NULL;
    if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return RETRY_NOT_ASKED;
    return retry_after_ms(header->value, (int64_t)time(NULL));
}

static void free_call(struct http_call *call) {
    LIST_REMOVE(call, link);
    if (call->easy != NULL) {
        (void)curl_multi_remove_handle(call->http->multi, call->easy);
        curl_easy_cleanup(call->easy);
    }
    curl_slist_free_all(call->headers);
    buffer_free(&call->body);
    free(call);
}

static void end_call(struct http_call *call, CURLcode code) {
    struct outcome outcome;
    long sent = 0;
    struct outcome_facts facts = {
        .code = code,
        .answered = call->answered,
        .refused = call->addresses_refused > 0 && call->addresses_used == 0,
        .asked_ms = asked_pause_ms(call->easy),
    };
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &facts.status);
    (void)curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &sent);
    facts.sent = sent > 0;
    http_done *done = call->done;
    void *context = call->context;
    struct buffer body = call->body;
    buffer_init(&call->body);
    outcome_of_call(&outcome, &facts);
    if (!body.failed)
        outcome.body = (struct text_span){body.data, body.length};
    free_call(call);
    done(context, &outcome);
    buffer_free(&body);
}

static void report_ended(struct http *http) {
    int left = 0;
    for (CURLMsg *message = NULL; (message = curl_multi_info_read(http->multi, &left)) != NULL;) {
        struct http_call *call = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        end_call(call, message->data.result);
    }
}

static bool add_header(struct http_call *call, struct text_span header) {
    char *line = strndup(header.data, header.length);
    struct curl_slist *longer = line == NULL ? NULL : curl_slist_append(call->headers, line);
    free(line);
    if (longer != NULL)
        call->headers = longer;
    return longer != NULL;
}

static bool add_headers(struct http_call *call, const struct http_request *request) {
    /* No "Expect: 100-continue": the body is short, and waiting for leave to send it takes longer.
     */
    static const char *const USUAL[] = {"Content-Type: application/json", "Expect:"};
    bool fine = true;
    for (size_t i = 0; fine && i < sizeof USUAL / sizeof *USUAL; i++)
        fine = add_header(call, (struct text_span){USUAL[i], strlen(USUAL[i])});
    for (size_t i = 0; fine && i < request->header_count; i++)
        fine = add_header(call, request->headers[i]);
    return fine;
}

static bool set_request(struct http_call *call, const struct http_request *request) {
    CURL *easy = call->easy;
    return add_headers(call, request) &&
           curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.length) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body.data) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, request->fresh ? 1L : 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, request->fresh ? 1L : 0L) == CURLE_OK;
}

static bool set_rules(struct http_call *call) {
    CURL *easy = call->easy;
    const bool fine =
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        /* A thread that waits for a name must not keep us from ending. */
        curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, CONNECTION_AGE_MAX_S) == CURLE_OK;
    return fine &&
           (!call->http->refuse_private || curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK);
}

static bool set_callbacks(struct http_call *call) {
    CURL *easy = call->easy;
    return curl_easy_setopt(easy, CURLOPT_PRIVATE, call) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, call) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, call) == CURLE_OK;
}

struct http_call *http_post(struct http *http, const struct http_request *request, http_done *done,
                            void *context) {
    struct http_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return NULL;
    call->http = http;
    call->keep_body = request->keep_body;
    call->done = done;
    call->context = context;
    LIST_INSERT_HEAD(&http->calls, call, link);
    call->easy = curl_easy_init();
    if (call->easy != NULL && set_callbacks(call) && set_rules(call) &&
        set_request(call, request) && curl_multi_add_handle(http->multi, call->easy) == CURLM_OK)
        return call;
    free_call(call);
    return NULL;
}

/* --- all of it ----------------------------------------------------------------------------- */

bool http_init(struct http *http, struct poller *poller, bool refuse_private) {
    *http = (struct http){.poller = poller, .deadline = MONO_NEVER};
    http->refuse_private = refuse_private;
    LIST_INIT(&http->calls);
    LIST_INIT(&http->sockets);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return false;
    http->multi = curl_multi_init();
    if (http->multi != NULL &&
        curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, watch) == CURLM_OK &&
        curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) == CURLM_OK &&
        curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
        curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http) == CURLM_OK &&
        curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT) == CURLM_OK)
        return true;
    (void)curl_multi_cleanup(http->multi);
    curl_global_cleanup();
    return false;
}

void http_exit(struct http *http) {
    struct http_call *call = LIST_FIRST(&http->calls);
    while (call != NULL) {
        struct http_call *next = LIST_NEXT(call, link);
        free_call(call);
        call = next;
    }
    (void)curl_multi_cleanup(http->multi);
    struct http_socket *s = LIST_FIRST(&http->sockets);
    while (s != NULL) {
        struct http_socket *next = LIST_NEXT(s, link);
        forget_socket(http, s);
        s = next;
    }
    curl_global_cleanup();
    http->multi = NULL;
}

bool http_url_is_fine(const char *url) {
    char *scheme = NULL;
    char *host = NULL;
    CURLU *parts = curl_url();
    const bool fine = parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                      curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                      curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                      (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
                      *host != '\0';
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parts);
    return fine;
}
