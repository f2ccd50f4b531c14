/*
 * address.h: which addresses are not of the public internet.
 */
#ifndef HTTP_ADDRESS_H
#define HTTP_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * False only for an IPv4 or IPv6 address that can be one of a host somewhere on the internet. True
 * for loopback, private, link-local, shared (carrier-grade NAT), multicast, unspecified and
 * reserved ones, for IPv6 addresses that stand for such an IPv4 address (mapped, NAT64, 6to4) and
 * for every other kind of address. Sources: RFC 6890 and the registries of special-purpose
 * addresses at IANA.
 */
bool address_is_private(const struct sockaddr *address, socklen_t length);

#endif
