/* address.c: see address.h. */
#include "http/address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct network4 {
    uint32_t first;
    int bits;
};

/* In the order of their numbers. */
static const struct network4 networks4[] = {
    {0x00000000, 8},  /* 0.0.0.0 this network */
    {0x0a000000, 8},  /* 10.0.0.0 private */
    {0x64400000, 10}, /* 100.64.0.0 shared */
    {0x7f000000, 8},  /* 127.0.0.0 loopback */
    {0xa9fe0000, 16}, /* 169.254.0.0 link-local; clouds have their metadata here */
    {0xac100000, 12}, /* 172.16.0.0 private */
    {0xc0000000, 24}, /* 192.0.0.0 of the IETF */
    {0xc0000200, 24}, /* 192.0.2.0 documentation */
    {0xc0586300, 24}, /* 192.88.99.0 relays of 6to4 */
    {0xc0a80000, 16}, /* 192.168.0.0 private */
    {0xc6120000, 15}, /* 198.18.0.0 benchmarks */
    {0xc6336400, 24}, /* 198.51.100.0 documentation */
    {0xcb007100, 24}, /* 203.0.113.0 documentation */
    {0xe0000000, 3},  /* 224.0.0.0 multicast, 240.0.0.0 reserved, broadcast */
};

static bool is_private4(uint32_t address) {
    for (size_t i = 0; i < sizeof networks4 / sizeof *networks4; i++) {
        const uint32_t mask = UINT32_MAX << (32 - networks4[i].bits);
        if ((address & mask) == networks4[i].first)
            return true;
    }
    return false;
}

static uint32_t embedded4(const unsigned char *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool has_prefix(const unsigned char *address, const unsigned char *prefix, size_t bytes) {
    return memcmp(address, prefix, bytes) == 0;
}

static bool is_private6(const unsigned char *a) {
    static const unsigned char MAPPED[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96 */
    static const unsigned char NAT64[12] = {0x00, 0x64, 0xff, 0x9b};    /* 64:ff9b::/96 */
    if (has_prefix(a, MAPPED, 12) || has_prefix(a, NAT64, 12))
        return is_private4(embedded4(a + 12));
    if (a[0] == 0x20 && a[1] == 0x02) /* 2002::/16, 6to4 */
        return is_private4(embedded4(a + 2));
    /* 2000::/3 is all that hosts have. Of it 2001::/23 is of the IETF (Teredo, ORCHID …), and
     * 2001:db8::/32 and 3fff::/20 are for documentation. */
    if ((a[0] & 0xe0) != 0x20)
        return true;
    if (a[0] == 0x20 && a[1] == 0x01)
        return (a[2] & 0xfe) == 0 || (a[2] == 0x0d && a[3] == 0xb8);
    return a[0] == 0x3f && a[1] == 0xff && (a[2] & 0xf0) == 0;
}

bool address_is_private(const struct sockaddr *address, socklen_t length) {
    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return is_private4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        return is_private6(in6.sin6_addr.s6_addr);
    }
    return true;
}
