/* router.h: which route a method and a path lead to. */
#ifndef GUARD_ROUTER_H
#define GUARD_ROUTER_H

#include "guard/exchange.h"

/* Answers the exchange, or starts the command that will. */
void router_handle(struct exchange *x);

#endif
