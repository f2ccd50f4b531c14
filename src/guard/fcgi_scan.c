/* fcgi_scan.c: see fcgi_scan.h. */
#include "guard/fcgi_scan.h"

#include <fastcgi.h>
#include <stdbool.h>

/* Where in the stream of name-value pairs we are; a pair may be split over records anywhere. */
struct pair_scan {
    int lengths_left; /* bytes of the present length that are still to come */
    bool is_value;    /* the present length is the value's */
    size_t length;    /* as far as it is known */
    size_t skip;      /* bytes of the present pair that are still to come */
};

/* Ends a length: after the value's, the bytes of name and value follow. */
static void end_length(struct pair_scan *p) {
    p->skip += p->length;
    p->length = 0;
    p->is_value = !p->is_value;
}

/* One byte of a length: it has one byte, or four when the first bit is set. */
static void scan_length_byte(struct pair_scan *p, unsigned char byte) {
    if (p->lengths_left == 0 && byte > 127) {
        p->lengths_left = 3;
        p->length = byte & 127;
        return;
    }
    p->length = (p->length << 8) | byte;
    if (p->lengths_left > 0)
        p->lengths_left--;
    if (p->lengths_left == 0)
        end_length(p);
}

/* The content of one record of parameters. False when a pair is longer than all can be. */
static bool scan_pairs(struct pair_scan *p, const unsigned char *bytes, size_t length) {
    size_t at = 0;
    while (at < length) {
        const bool in_length = p->skip == 0 || p->is_value || p->lengths_left > 0;
        if (in_length) {
            scan_length_byte(p, bytes[at++]);
            if (p->skip > FCGI_SCAN_BYTES)
                return false;
            continue;
        }
        const size_t step = p->skip < length - at ? p->skip : length - at;
        p->skip -= step;
        at += step;
    }
    return true;
}

enum fcgi_scan fcgi_scan(const unsigned char *bytes, size_t length) {
    const bool cut = length == FCGI_SCAN_BYTES;
    struct pair_scan pairs = {.skip = 0};
    bool begun = false;
    bool has_params = false;
    for (size_t at = 0; length - at >= FCGI_HEADER_LEN;) {
        const unsigned char *header = bytes + at;
        const unsigned type = header[1];
        const size_t content = ((size_t)header[4] << 8) | header[5];
        at += FCGI_HEADER_LEN;
        const size_t here = content < length - at ? content : length - at;
        if (header[0] != FCGI_VERSION_1)
            return FCGI_SCAN_BROKEN;
        if (type == FCGI_PARAMS && !scan_pairs(&pairs, bytes + at, here))
            return FCGI_SCAN_BROKEN;
        begun = begun || type == FCGI_BEGIN_REQUEST;
        has_params = has_params || (type == FCGI_PARAMS && content == 0);
        if (begun &&
            ((type == FCGI_STDIN && content == 0 && has_params) || type == FCGI_ABORT_REQUEST))
            return FCGI_SCAN_READY;
        const size_t whole = content + header[6];
        at = whole < length - at ? at + whole : length;
    }
    if (!cut)
        return FCGI_SCAN_PARTIAL;
    return has_params ? FCGI_SCAN_READY : FCGI_SCAN_BROKEN;
}
