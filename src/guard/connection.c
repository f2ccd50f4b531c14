/* connection.c: see connection.h. */
#include "guard/connection.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/log.h"
#include "guard/fcgi_scan.h"
#include "guard/router.h"

/* How long one read may wait for a peer that stalls, in the midst of a request that is longer than
 * a socket holds: nginx reads it from a file then. And one write, of such an answer: nginx is quick
 * to take it. */
#define READ_STALL_S 2
#define WRITE_STALL_US 250000

static struct connection *connection_of(struct exchange *x) {
    return (struct connection *)(void *)((char *)x - offsetof(struct connection, exchange));
}

static void link_connection(struct connection *c) {
    struct connection_pool *pool = c->pool;
    c->next = pool->first;
    if (pool->first != NULL)
        pool->first->previous = c;
    pool->first = c;
    pool->count++;
}

static void unlink_connection(struct connection *c) {
    if (c->previous == NULL)
        c->pool->first = c->next;
    else
        c->previous->next = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    c->pool->count--;
}

static void set_state(struct connection *c, enum connection_state state) {
    c->pool->working += state == CONNECTION_WORKING;
    c->pool->working -= c->state == CONNECTION_WORKING;
    c->state = state;
}

/* The descriptor may be closed already: libfcgi does that when the peer broke the protocol. */
static void close_connection(struct connection *c) {
    set_state(c, CONNECTION_WAITING);
    poller_remove(c->pool->poller, &c->source);
    FCGX_Free(&c->fcgi, 1);
    exchange_exit(&c->exchange);
    unlink_connection(c);
    free(c);
}

/* libfcgi would wait up to two seconds for the peer to close its side, if it were not told that the
 * descriptor is somebody else's ("detached"). It forgets that with every close. */
static void finish_request(struct connection *c) {
    c->fcgi.detached = 1;
    FCGX_Finish_r(&c->fcgi);
}

static void look_for_request(struct connection *c);

/* The answer has been sent: the connection waits for the next request, or ends. */
static void become_waiting(struct connection *c) {
    set_state(c, CONNECTION_WAITING);
    if (c->fcgi.ipcFd < 0 || (c->pool->draining && !c->peer_spoke)) {
        close_connection(c);
        return;
    }
    /* The poller tells of what arrives only once. */
    if (c->peer_spoke)
        look_for_request(c);
}

static void send_answer(struct exchange *x, struct text_span headers, struct text_span body) {
    struct connection *c = connection_of(x);
    (void)FCGX_PutStr(headers.data, (int)headers.length, c->fcgi.out);
    (void)FCGX_PutStr(body.data, (int)body.length, c->fcgi.out);
    /* A failed write ends the connection here: nginx answers the caller then. */
    finish_request(c);
    exchange_end(x);
    become_waiting(c);
}

enum body { BODY_WHOLE, BODY_WRONG_LENGTH, BODY_CUT_OFF, BODY_TOO_LARGE };

/* Reads the body to its end: what is left of a request would be taken for the next one. */
static enum body read_body(struct connection *c) {
    struct http_request *request = &c->exchange.request;
    struct buffer *text = &c->exchange.body_text;
    const size_t length = request->content_length;
    if (length > c->exchange.context->max_body_bytes || !buffer_reserve(text, length + 1))
        return BODY_TOO_LARGE;
    const int got = FCGX_GetStr(text->data, (int)length + 1, c->fcgi.in);
    text->length = got < 0 ? 0 : (size_t)got;
    request->body = (struct text_span){text->data, text->length};
    if (FCGX_GetError(c->fcgi.in) != 0)
        return BODY_CUT_OFF;
    return text->length == length ? BODY_WHOLE : BODY_WRONG_LENGTH;
}

/* For a request that was not read to its end. */
static void refuse(struct connection *c, enum problem problem, const char *detail) {
    c->fcgi.keepConnection = 0;
    exchange_answer_problem(&c->exchange, problem, detail, NULL);
}

/* The peer stalled or left: whose fault that was is not the caller's business. nginx tells it that
 * there is no answer. */
static void abandon(struct connection *c) {
    exchange_end(&c->exchange);
    close_connection(c);
}

static void handle_request(struct connection *c) {
    struct exchange *x = &c->exchange;
    const bool is_http = http_request_read(&x->request, c->fcgi.envp);
    exchange_begin(x);
    if (!is_http) {
        refuse(c, PROBLEM_INVALID_REQUEST, "this is not an HTTP request");
        return;
    }
    switch (read_body(c)) {
    case BODY_WHOLE:
        router_handle(x);
        break;
    case BODY_WRONG_LENGTH:
        refuse(c, PROBLEM_INVALID_REQUEST, "the body is not as long as its Content-Length");
        break;
    case BODY_TOO_LARGE:
        refuse(c, PROBLEM_PAYLOAD_TOO_LARGE, "the body is too long");
        break;
    case BODY_CUT_OFF:
        abandon(c);
        break;
    }
}

static void read_and_handle(struct connection *c) {
    const int failed = FCGX_Accept_r(&c->fcgi);
    if (failed != 0) {
        close_connection(c); /* the peer hung up, stalled, or spoke something else */
        return;
    }
    set_state(c, CONNECTION_WORKING);
    handle_request(c);
}

/* Reads the next request if it has arrived. An event may be late, for bytes read meanwhile. */
static void look_for_request(struct connection *c) {
    static unsigned char bytes[FCGI_SCAN_BYTES];
    const ssize_t got = recv(c->source.fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    const bool failed = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    const enum fcgi_scan found = got > 0 ? fcgi_scan(bytes, (size_t)got) : FCGI_SCAN_PARTIAL;
    c->peer_spoke = false;
    if (found == FCGI_SCAN_READY)
        read_and_handle(c);
    else if (found == FCGI_SCAN_BROKEN || failed || c->peer_left || (c->pool->draining && got < 0))
        close_connection(c);
}

static void take_events(struct poll_source *source, uint32_t events) {
    struct connection *c = (struct connection *)source;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        c->peer_left = true; /* what it sent before may still be a request */
    if (c->state == CONNECTION_WORKING)
        c->peer_spoke = true;
    else
        look_for_request(c);
}

static bool set_time_limits(int fd) {
    const struct timeval reading = {.tv_sec = READ_STALL_S};
    const struct timeval writing = {.tv_usec = WRITE_STALL_US};
    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &reading, sizeof reading) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &writing, sizeof writing) == 0;
}

void connection_open(struct connection_pool *pool, int fd) {
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL || !set_time_limits(fd) || FCGX_InitRequest(&c->fcgi, -1, 0) != 0) {
        log_error("a connection was refused: %s", strerror(errno));
        free(c);
        close(fd);
        return;
    }
    c->fcgi.ipcFd = fd;
    c->fcgi.keepConnection = 1;
    c->fcgi.detached = 1;
    c->pool = pool;
    c->source = (struct poll_source){.fd = fd, .ready = take_events};
    c->state = CONNECTION_WAITING;
    c->exchange.context = pool->context;
    c->exchange.send = send_answer;
    link_connection(c);
    /* Edge-triggered: nothing is to be done about a connection while its request is worked on. */
    if (!poller_add(pool->poller, &c->source, EPOLLIN | EPOLLRDHUP | EPOLLET)) {
        log_error("a connection was refused: %s", strerror(errno));
        close_connection(c);
    }
}

void connection_pool_drain(struct connection_pool *pool) {
    struct connection *next = NULL;
    pool->draining = true;
    for (struct connection *c = pool->first; c != NULL; c = next) {
        next = c->next;
        if (c->state == CONNECTION_WAITING)
            look_for_request(c);
    }
}

void connection_pool_exit(struct connection_pool *pool) {
    struct connection *next = NULL;
    for (struct connection *c = pool->first; c != NULL; c = next) {
        next = c->next;
        if (c->state == CONNECTION_WORKING)
            exchange_end(&c->exchange);
        close_connection(c);
    }
}
