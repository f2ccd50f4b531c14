/*
 * fcgi_scan.h: whether a whole FastCGI request has arrived, judged by the bytes that wait in the
 * socket.
 *
 * libfcgi blocks until it has what it wants, and trusts the lengths of parameters. So a request is
 * handed to it only when it is complete, or so long that the rest is sent while it reads, and when
 * no parameter claims a length that it can't have: libfcgi adds such lengths up in an int.
 *
 * Source: the FastCGI specification, version 1.0, sections 3.3 and 3.4.
 */
#ifndef GUARD_FCGI_SCAN_H
#define GUARD_FCGI_SCAN_H

#include <stddef.h>

/* The longest parameters of a request, and how much of one is looked at. More than nginx can send:
 * it bounds the request's headers to less. */
#define FCGI_SCAN_BYTES ((size_t)64 * 1024)

enum fcgi_scan {
    FCGI_SCAN_PARTIAL, /* wait for more */
    FCGI_SCAN_READY,   /* may be read */
    FCGI_SCAN_BROKEN,  /* no request that could be served: hang up */
};

/* `length` bytes from the beginning of the request, at most FCGI_SCAN_BYTES: when it is that many,
 * there may be more. */
enum fcgi_scan fcgi_scan(const unsigned char *bytes, size_t length);

#endif
