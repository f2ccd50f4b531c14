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

/* How far the request has come: the records that the web server sends, in its order. */
struct scan {
    unsigned request_id; /* 0: nothing has begun */
    bool has_params;     /* to their end */
    bool has_body;
    struct pair_scan pairs;
};

/* One record, with as much of its content as there is. False when it has no place here. Management
 * records, which libfcgi leaks memory for, and ABORT_REQUEST have none: nginx sends neither. */
static bool scan_record(struct scan *s, const unsigned char *header, size_t content, size_t here) {
    const unsigned type = header[1];
    const unsigned request_id = ((unsigned)header[2] << 8) | header[3];
    if (header[0] != FCGI_VERSION_1 || request_id == 0)
        return false;
    if (s->request_id == 0) {
        s->request_id = request_id;
        return type == FCGI_BEGIN_REQUEST && content == sizeof(FCGI_BeginRequestBody);
    }
    if (request_id != s->request_id || type != (s->has_params ? FCGI_STDIN : FCGI_PARAMS))
        return false;
    if (s->has_params)
        s->has_body = content == 0;
    else
        s->has_params = content == 0;
    return type == FCGI_STDIN || scan_pairs(&s->pairs, header + FCGI_HEADER_LEN, here);
}

enum fcgi_scan fcgi_scan(const unsigned char *bytes, size_t length) {
    struct scan scan = {.request_id = 0};
    for (size_t at = 0; length - at >= FCGI_HEADER_LEN && !scan.has_body;) {
        const unsigned char *header = bytes + at;
        const size_t content = ((size_t)header[4] << 8) | header[5];
        const size_t whole = content + header[6];
        at += FCGI_HEADER_LEN;
        if (!scan_record(&scan, header, content, content < length - at ? content : length - at))
            return FCGI_SCAN_BROKEN;
        at = whole < length - at ? at + whole : length;
    }
    if (scan.has_body)
        return FCGI_SCAN_READY;
    if (length < FCGI_SCAN_BYTES)
        return FCGI_SCAN_PARTIAL;
    /* It goes on behind what is looked at: with a long body, or with parameters of any length. */
    return scan.has_params ? FCGI_SCAN_READY : FCGI_SCAN_BROKEN;
}
