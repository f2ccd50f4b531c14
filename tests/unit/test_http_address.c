#include "http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "unit.h"

static bool is_private(const char *text) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(443)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return address_is_private((const struct sockaddr *)&in, sizeof in);
    ck_assert_msg(inet_pton(AF_INET6, text, &in6.sin6_addr) == 1, "%s", text);
    return address_is_private((const struct sockaddr *)&in6, sizeof in6);
}

static const char *const privates[] = {
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.1.2.3",
    "::ffff:192.168.1.1",
    "::ffff:0.0.0.0",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:1ff::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:c0a8:101::1",
    "3fff::1",
    "3fff:fff::1",
    "4000::1",
    "fc00::1",
    "fdff:ffff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
};

static const char *const publics[] = {
    "1.1.1.1",         "9.255.255.255",     "11.0.0.0",         "100.63.255.255",
    "100.128.0.0",     "126.255.255.255",   "128.0.0.0",        "169.253.255.255",
    "169.255.0.0",     "172.15.255.255",    "172.32.0.0",       "192.0.1.0",
    "192.0.3.0",       "192.88.98.255",     "192.167.255.255",  "192.169.0.0",
    "198.17.255.255",  "198.20.0.0",        "198.51.101.0",     "203.0.112.255",
    "223.255.255.255", "::ffff:8.8.8.8",    "64:ff9b::8.8.8.8", "2001:200::1",
    "2001:4860::8888", "2001:db7:ffff::1",  "2002:808:808::1",  "2003::1",
    "2606:4700::1111", "2a00:1450:4001::1", "3ffe::1",          "3fff:1000::1",
};

START_TEST(refuses_what_is_not_public) {
    ck_assert_msg(is_private(privates[_i]), "%s", privates[_i]);
}
END_TEST

START_TEST(lets_the_internet_pass) {
    ck_assert_msg(!is_private(publics[_i]), "%s", publics[_i]);
}
END_TEST

START_TEST(refuses_other_kinds_of_addresses) {
    const struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x01010101)};
    ck_assert(address_is_private((const struct sockaddr *)&un, sizeof un));
    ck_assert(!address_is_private((const struct sockaddr *)&in, sizeof in));
    ck_assert(address_is_private((const struct sockaddr *)&in, sizeof in - 1));
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("http/address");
    TCase *tests = tcase_create("address");
    tcase_add_loop_test(tests, refuses_what_is_not_public, 0, COUNT(privates));
    tcase_add_loop_test(tests, lets_the_internet_pass, 0, COUNT(publics));
    tcase_add_test(tests, refuses_other_kinds_of_addresses);
    suite_add_tcase(suite, tests);
    return suite;
}
