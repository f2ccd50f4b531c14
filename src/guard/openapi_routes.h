/* openapi_routes.h: what the HTTP interface is, for tools (OpenAPI 3.1): docs/openapi.json. */
#ifndef GUARD_OPENAPI_ROUTES_H
#define GUARD_OPENAPI_ROUTES_H

#include "guard/exchange.h"

void openapi_routes_document(struct exchange *x);

#endif
