/* openapi_routes.c: see openapi_routes.h. */
#include "guard/openapi_routes.h"

#include "guard/openapi_document.h"

void openapi_routes_document(struct exchange *x) {
    buffer_append(exchange_body(x), (const char *)openapi_document, openapi_document_size);
    exchange_answer(x, "200 OK");
}
