#include "guard/http_request.h"

#include <string.h>

#include "unit.h"

static struct http_request request;
static struct buffer decoded;

static void setup(void) {
    buffer_init(&decoded);
}

static void teardown(void) {
    buffer_free(&decoded);
}

#define READ(...) http_request_read(&request, (char *[]){__VA_ARGS__, NULL})

#define ck_assert_span(value, text) ck_assert_bytes_eq((value).data, (value).length, text)

START_TEST(everything_nginx_passes) {
    ck_assert(READ("REQUEST_METHOD=POST", "REQUEST_URI=/v1/locks?a=1&b=2",
                   "CONTENT_TYPE=application/json", "CONTENT_LENGTH=17", "REQUEST_ID=id-1",
                   "HTTP_X_TENANT_ID=t", "HTTP_X_CORRELATION_ID=c", "HTTP_IDEMPOTENCY_KEY=k",
                   "FCGI_ROLE=RESPONDER"));
    ck_assert_int_eq(request.method, HTTP_POST);
    ck_assert_span(request.path, "/v1/locks");
    ck_assert_span(request.query, "a=1&b=2");
    ck_assert_span(request.content_type, "application/json");
    ck_assert_uint_eq(request.content_length, 17);
    ck_assert_str_eq(request.request_id, "id-1");
    ck_assert_span(request.tenant_id, "t");
    ck_assert_span(request.correlation_id, "c");
    ck_assert_span(request.idempotency_key, "k");
    ck_assert_ptr_null(request.body.data);
}
END_TEST

START_TEST(in_any_order) {
    char *params[] = {"REQUEST_METHOD=DELETE", "REQUEST_URI=/p?q",   "CONTENT_LENGTH=3",
                      "REQUEST_ID=r",          "HTTP_X_TENANT_ID=t", NULL};
    const size_t count = sizeof params / sizeof params[0] - 1;
    for (size_t turn = 0; turn < count; turn++) {
        char *first = params[0];
        memmove((void *)params, (void *)(params + 1), (count - 1) * sizeof params[0]);
        params[count - 1] = first;
        ck_assert(http_request_read(&request, params));
        ck_assert_int_eq(request.method, HTTP_DELETE);
        ck_assert_span(request.path, "/p");
        ck_assert_span(request.query, "q");
        ck_assert_uint_eq(request.content_length, 3);
        ck_assert_str_eq(request.request_id, "r");
        ck_assert_span(request.tenant_id, "t");
    }
}
END_TEST

/* nginx passes headers that the caller did not send as empty parameters. */
START_TEST(empty_parameters_are_absent) {
    ck_assert(READ("REQUEST_METHOD=GET", "REQUEST_URI=/", "CONTENT_TYPE=", "CONTENT_LENGTH=",
                   "HTTP_X_TENANT_ID=", "HTTP_X_CORRELATION_ID=", "HTTP_IDEMPOTENCY_KEY="));
    ck_assert_ptr_null(request.content_type.data);
    ck_assert_uint_eq(request.content_length, 0);
    ck_assert_ptr_null(request.tenant_id.data);
    ck_assert_ptr_null(request.correlation_id.data);
    ck_assert_ptr_null(request.idempotency_key.data);
    ck_assert_str_eq(request.request_id, "");
}
END_TEST

START_TEST(nothing_of_the_request_before_is_left) {
    ck_assert(READ("REQUEST_METHOD=POST", "REQUEST_URI=/a?b", "CONTENT_LENGTH=9", "REQUEST_ID=r",
                   "HTTP_X_TENANT_ID=t", "HTTP_IDEMPOTENCY_KEY=k", "CONTENT_TYPE=c"));
    ck_assert(READ("REQUEST_METHOD=GET", "REQUEST_URI=/a"));
    ck_assert_ptr_null(request.query.data);
    ck_assert_uint_eq(request.content_length, 0);
    ck_assert_str_eq(request.request_id, "");
    ck_assert_ptr_null(request.tenant_id.data);
    ck_assert_ptr_null(request.idempotency_key.data);
    ck_assert_ptr_null(request.content_type.data);
}
END_TEST

/* libfcgi's own parameters, other headers and names that only begin alike mean nothing. */
START_TEST(other_parameters) {
    ck_assert(READ("REQUEST_METHOD=GET", "REQUEST_URI=/", "REQUEST_METHODS=POST", "REQUEST_METHO=X",
                   "HTTP_X_TENANT_ID_2=x", "HTTP_HOST=h", "REQUEST_ID2=x", "NO_EQUALS", "", "="));
    ck_assert_int_eq(request.method, HTTP_GET);
    ck_assert_ptr_null(request.tenant_id.data);
    ck_assert_str_eq(request.request_id, "");
}
END_TEST

START_TEST(not_http) {
    ck_assert(!READ("REQUEST_URI=/"));
    ck_assert_str_eq(request.request_id, "");
    ck_assert(!READ("REQUEST_METHOD=GET", "REQUEST_ID=r"));
    ck_assert_str_eq(request.request_id, "r"); /* the answer has it */
    ck_assert(!http_request_read(&request, (char *[]){NULL}));
}
END_TEST

static const struct {
    char *param;
    enum http_method method;
} methods[] = {
    {"REQUEST_METHOD=GET", HTTP_GET},          {"REQUEST_METHOD=HEAD", HTTP_GET},
    {"REQUEST_METHOD=POST", HTTP_POST},        {"REQUEST_METHOD=DELETE", HTTP_DELETE},
    {"REQUEST_METHOD=PUT", HTTP_OTHER_METHOD}, {"REQUEST_METHOD=get", HTTP_OTHER_METHOD},
    {"REQUEST_METHOD=", HTTP_OTHER_METHOD},    {"REQUEST_METHOD=POSTS", HTTP_OTHER_METHOD},
};

START_TEST(method) {
    ck_assert(READ(methods[_i].param, "REQUEST_URI=/"));
    ck_assert_int_eq(request.method, methods[_i].method);
}
END_TEST

static const struct {
    char *param;
    const char *path;
    const char *query; /* NULL: none */
} uris[] = {
    {"REQUEST_URI=/", "/", NULL},           {"REQUEST_URI=/a?", "/a", ""},
    {"REQUEST_URI=/a?b?c", "/a", "b?c"},    {"REQUEST_URI=?b", "", "b"},
    {"REQUEST_URI=/a%3Fb", "/a%3Fb", NULL}, {"REQUEST_URI=", "", NULL},
};

START_TEST(uri) {
    ck_assert(READ("REQUEST_METHOD=GET", uris[_i].param));
    ck_assert_uint_eq(request.path.length, strlen(uris[_i].path));
    ck_assert_mem_eq(request.path.data, uris[_i].path, request.path.length);
    if (uris[_i].query == NULL) {
        ck_assert_ptr_null(request.query.data);
    } else {
        ck_assert_uint_eq(request.query.length, strlen(uris[_i].query));
        ck_assert_mem_eq(request.query.data, uris[_i].query, request.query.length);
    }
}
END_TEST

static const struct {
    char *param;
    bool valid;
    size_t length;
} lengths[] = {
    {"CONTENT_LENGTH=0", true, 0},
    {"CONTENT_LENGTH=1048577", true, 1048577},
    {"CONTENT_LENGTH=9223372036854775807", true, INT64_MAX},
    {"CONTENT_LENGTH=-1", false, 0},
    {"CONTENT_LENGTH=9223372036854775808", false, 0},
    {"CONTENT_LENGTH=99999999999999999999999999", false, 0},
    {"CONTENT_LENGTH=x", false, 0},
    {"CONTENT_LENGTH=1 ", false, 0},
    {"CONTENT_LENGTH=+1", false, 0},
    {"CONTENT_LENGTH=0x10", false, 0},
    {"CONTENT_LENGTH=1,1", false, 0},
};

START_TEST(content_length) {
    ck_assert_int_eq(READ("REQUEST_METHOD=POST", lengths[_i].param, "REQUEST_URI=/"),
                     lengths[_i].valid);
    ck_assert_uint_eq(request.content_length, lengths[_i].length);
}
END_TEST

static const struct {
    char *param;
    const char *key;
} keys[] = {
    {"HTTP_IDEMPOTENCY_KEY=k", "k"},           {"HTTP_IDEMPOTENCY_KEY=\"k e y\"", "k e y"},
    {"HTTP_IDEMPOTENCY_KEY=\"", "\""},         {"HTTP_IDEMPOTENCY_KEY=\"\"", ""},
    {"HTTP_IDEMPOTENCY_KEY=\"k", "\"k"},       {"HTTP_IDEMPOTENCY_KEY=k\"", "k\""},
    {"HTTP_IDEMPOTENCY_KEY=\"a\"b\"", "a\"b"},
};

START_TEST(idempotency_key) {
    ck_assert(READ("REQUEST_METHOD=POST", "REQUEST_URI=/", keys[_i].param));
    ck_assert_ptr_nonnull(request.idempotency_key.data);
    ck_assert_uint_eq(request.idempotency_key.length, strlen(keys[_i].key));
    ck_assert_mem_eq(request.idempotency_key.data, keys[_i].key, strlen(keys[_i].key));
}
END_TEST

static const struct {
    char *param;
    bool json;
} types[] = {
    {"CONTENT_TYPE=", true},
    {"CONTENT_TYPE=application/json", true},
    {"CONTENT_TYPE=Application/JSON; charset=utf-8", true},
    {"CONTENT_TYPE=application/json;charset=utf-8", true},
    {"CONTENT_TYPE=application/json ;charset=utf-8", true},
    {"CONTENT_TYPE=application/merge-patch+json", true},
    {"CONTENT_TYPE=application/problem+JSON; x=y", true},
    {"CONTENT_TYPE=+json", false},
    {"CONTENT_TYPE=application/jsonp", false},
    {"CONTENT_TYPE=application/json+xml", false},
    {"CONTENT_TYPE=text/json", false},
    {"CONTENT_TYPE=text/plain", false},
    {"CONTENT_TYPE=text/plain; x=application/json", false},
    {"CONTENT_TYPE=text/plain; x=a+json", false},
    {"CONTENT_TYPE=application/x-www-form-urlencoded", false},
    {"CONTENT_TYPE=;", false},
    {"CONTENT_TYPE= application/json", false},
};

START_TEST(content_type) {
    ck_assert(READ("REQUEST_METHOD=POST", "REQUEST_URI=/", types[_i].param));
    ck_assert_int_eq(http_request_is_json(&request), types[_i].json);
}
END_TEST

/* The value of "name" in this query. */
static struct text_span query(const char *text, bool plus_is_plus, bool *bad) {
    request = (struct http_request){.query = {text, strlen(text)}};
    buffer_clear(&decoded);
    ck_assert(buffer_reserve(&decoded, strlen(text) + 1));
    *bad = false;
    return http_request_query(&request, "name", plus_is_plus, &decoded, bad);
}

static const struct {
    const char *query;
    const char *value; /* NULL: absent */
    bool plus_is_plus;
} valid_queries[] = {
    {"", NULL, false},
    {"&&&", NULL, false},
    {"other=1", NULL, false},
    {"names=1&nam=2&NAME=3&n%61me=4&=5", NULL, false},
    {"name", "", false},
    {"name=", "", false},
    {"name=v", "v", false},
    {"name=a=b", "a=b", false},
    {"other=1&name=v&more=2", "v", false},
    {"&name=v&", "v", false},
    {"name=2030-01-01T00:00:00+02:00", "2030-01-01T00:00:00+02:00", true},
    {"name=+%20%2B+", "+ ++", true},
    {"name=a+b%2Bc%20d", "a b+c d", false},
    {"name=+", " ", false},
    {"name=%26%3D%3f%25", "&=?%", false},
    {"name=%C3%a9%F0%9F%94%91", "\xc3\xa9\xf0\x9f\x94\x91", false},
    {"name=\xc3\xa9", "\xc3\xa9", false},
    {"other=%zz&name=v", "v", false},
};

START_TEST(query_value) {
    bool bad = false;
    const struct text_span value =
        query(valid_queries[_i].query, valid_queries[_i].plus_is_plus, &bad);
    ck_assert(!bad);
    if (valid_queries[_i].value == NULL) {
        ck_assert_ptr_null(value.data);
        return;
    }
    ck_assert_ptr_nonnull(value.data);
    ck_assert_uint_eq(value.length, strlen(valid_queries[_i].value));
    ck_assert_mem_eq(value.data, valid_queries[_i].value, value.length);
}
END_TEST

static const char *const bad_queries[] = {
    "name=1&name=1", "name&name", "name=1&x=2&name=", "name=%",          "name=%4",
    "name=%4&x=1",   "name=%zz",  "name=%00",         "name=%ff",        "name=%ed%a0%80",
    "name=\xff",     "name=%C3",  "name=a%C3b",       "name=1&name=%zz",
};

START_TEST(bad_query_value) {
    for (int plus_is_plus = 0; plus_is_plus < 2; plus_is_plus++) {
        bool bad = false;
        (void)query(bad_queries[_i], plus_is_plus != 0, &bad);
        ck_assert(bad);
    }
}
END_TEST

/* Values of one query lie side by side. */
START_TEST(several_values) {
    static const char text[] = "a=%31%32&b=&c=3";
    bool bad = false;
    request = (struct http_request){.query = {text, sizeof text - 1}};
    ck_assert(buffer_reserve(&decoded, sizeof text));
    const struct text_span a = http_request_query(&request, "a", false, &decoded, &bad);
    const struct text_span b = http_request_query(&request, "b", false, &decoded, &bad);
    const struct text_span c = http_request_query(&request, "c", false, &decoded, &bad);
    ck_assert(!bad);
    ck_assert_span(a, "12");
    ck_assert_ptr_nonnull(b.data);
    ck_assert_uint_eq(b.length, 0);
    ck_assert_span(c, "3");
}
END_TEST

/* Without room the value is refused, not written. */
START_TEST(no_room) {
    bool bad = false;
    request = (struct http_request){.query = {"name=value", 10}};
    ck_assert(buffer_reserve(&decoded, 5));
    decoded.length = decoded.capacity - 4;
    (void)http_request_query(&request, "name", false, &decoded, &bad);
    ck_assert(bad);
    ck_assert_uint_eq(decoded.length, decoded.capacity - 4);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("http_request");
    TCase *tcase = tcase_create("http_request");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, everything_nginx_passes);
    tcase_add_test(tcase, in_any_order);
    tcase_add_test(tcase, empty_parameters_are_absent);
    tcase_add_test(tcase, nothing_of_the_request_before_is_left);
    tcase_add_test(tcase, other_parameters);
    tcase_add_test(tcase, not_http);
    tcase_add_loop_test(tcase, method, 0, COUNT(methods));
    tcase_add_loop_test(tcase, uri, 0, COUNT(uris));
    tcase_add_loop_test(tcase, content_length, 0, COUNT(lengths));
    tcase_add_loop_test(tcase, idempotency_key, 0, COUNT(keys));
    tcase_add_loop_test(tcase, content_type, 0, COUNT(types));
    tcase_add_loop_test(tcase, query_value, 0, COUNT(valid_queries));
    tcase_add_loop_test(tcase, bad_query_value, 0, COUNT(bad_queries));
    tcase_add_test(tcase, several_values);
    tcase_add_test(tcase, no_room);
    suite_add_tcase(suite, tcase);
    return suite;
}
