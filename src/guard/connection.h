/*
 * connection.h: one FastCGI connection from nginx, which carries one request after the other.
 *
 *   WAITING  for a request; leaves when its descriptor is readable
 *   WORKING  on a request; leaves when the answer has been sent
 *
 * libfcgi reads the request and writes the answer. It blocks while it does, so it is called only
 * when a request has arrived (fcgi_scan.h), and time limits on the descriptor bound what a peer
 * that stalls in a long one, or does not read its answer, can cost. It never accepts: it is given
 * no listening socket, and the descriptor is put into FCGX_Request beforehand as if the connection
 * had been kept from an earlier request.
 *
 * Source: the FastCGI specification, version 1.0; libfcgi's fcgiapp.h and fcgiapp.c.
 */
#ifndef GUARD_CONNECTION_H
#define GUARD_CONNECTION_H

#include <fcgiapp.h>
#include <stdbool.h>

#include "base/attributes.h"
#include "base/poller.h"
#include "guard/exchange.h"

enum connection_state { CONNECTION_WAITING, CONNECTION_WORKING };

struct connection;

/* What all connections of a process share. */
struct connection_pool {
    struct poller *poller;
    struct exchange_context *context;
    struct connection *first; /* all that are open */
    size_t count;
    size_t working; /* of them, those with a request that is not answered yet */
    bool draining;  /* connections close as soon as they have nothing to do */
};

struct connection {
    struct poll_source source; /* first, so that the poller's callback finds the connection */
    struct exchange exchange;
    struct connection_pool *pool;
    struct connection *previous;
    struct connection *next;
    enum connection_state state;
    bool peer_spoke; /* while WORKING: an event came that nobody has looked at */
    bool peer_left;  /* it will not send anything more */
    FCGX_Request fcgi;
};

/* Takes over the descriptor of an accepted connection; closes it on failure. */
void connection_open(struct connection_pool *pool, int fd);

/* From now on connections close when they have answered; those that wait close now, unless a
 * request is on its way to them. */
void connection_pool_drain(struct connection_pool *pool);

/* Closes all, without answers. */
void connection_pool_exit(struct connection_pool *pool);

#endif
