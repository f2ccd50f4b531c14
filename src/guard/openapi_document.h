/* openapi_document.h: docs/openapi.json, as it was when the guard was built. */
#ifndef GUARD_OPENAPI_DOCUMENT_H
#define GUARD_OPENAPI_DOCUMENT_H

#include <stddef.h>

extern const unsigned char openapi_document[];
extern const size_t openapi_document_size;

#endif
