/*
 * grpc_routes.h: the calls of gRPC (proto/). They make the same requests and commands as the routes
 * of HTTP; only their messages are others.
 *
 * Source: "gRPC over HTTP2", Requests.
 */
#ifndef GUARD_GRPC_ROUTES_H
#define GUARD_GRPC_ROUTES_H

#include "guard/exchange.h"

/* Handles a request that came by the port for gRPC. */
void grpc_routes_handle(struct exchange *x);

#endif
