#include "guard/grpc_frame.h"

#include "availabilityguard/v1/availability_guard.pb-c.h"
#include "unit.h"

#define SPAN(text)                                                                                 \
    { (text), sizeof(text) - 1 }

static const struct {
    struct text_span body;
    enum grpc_frame frame;
    size_t length; /* of the message */
} bodies[] = {
    {SPAN(""), GRPC_FRAME_NONE, 0},
    {SPAN("\0\0\0\0\0"), GRPC_FRAME_ONE, 0},
    {SPAN("\0\0\0\0\3abc"), GRPC_FRAME_ONE, 3},
    {SPAN("\0"), GRPC_FRAME_BROKEN, 0},
    {SPAN("\0\0\0\0"), GRPC_FRAME_BROKEN, 0},
    {SPAN("\0\0\0\0\1"), GRPC_FRAME_BROKEN, 0},
    {SPAN("\0\0\0\0\4abc"), GRPC_FRAME_BROKEN, 0},
    {SPAN("\0\0\0\1\0abc"), GRPC_FRAME_BROKEN, 0},
    {SPAN("\0\0\1\0\0abc"), GRPC_FRAME_BROKEN, 0},
    {SPAN("\0\1\0\0\0abc"), GRPC_FRAME_BROKEN, 0},
    {SPAN("\0\377\377\377\377abc"), GRPC_FRAME_BROKEN, 0},
    {SPAN("\2\0\0\0\0"), GRPC_FRAME_BROKEN, 0},
    {SPAN("\377\0\0\0\0"), GRPC_FRAME_BROKEN, 0},
    {SPAN("\1\0\0\0\4abc"), GRPC_FRAME_BROKEN, 0},
    {SPAN("\1\0\0\0\3abc"), GRPC_FRAME_COMPRESSED, 0},
    {SPAN("\0\0\0\0\2abc"), GRPC_FRAME_SEVERAL, 0},
    {SPAN("\0\0\0\0\0\0\0\0\0\0"), GRPC_FRAME_SEVERAL, 0},
};

START_TEST(reading) {
    struct text_span message = {NULL, 0};
    ck_assert_int_eq(grpc_frame_read(bodies[_i].body, &message), bodies[_i].frame);
    ck_assert_uint_eq(message.length, bodies[_i].length);
    if (bodies[_i].frame == GRPC_FRAME_ONE)
        ck_assert_ptr_eq(message.data, bodies[_i].body.data + 5);
    else
        ck_assert_ptr_null(message.data);
}
END_TEST

START_TEST(what_is_written_is_read) {
    struct buffer out = {0};
    static char text[70000];
    struct text_span message;
    Availabilityguard__V1__HealthCheckRequest request =
        AVAILABILITYGUARD__V1__HEALTH_CHECK_REQUEST__INIT;
    memset(text, 'x', sizeof text - 1);
    request.service = text;
    grpc_frame_append(&out, &request.base);
    ck_assert(!out.failed);
    ck_assert_int_eq(grpc_frame_read((struct text_span){out.data, out.length}, &message),
                     GRPC_FRAME_ONE);
    ck_assert_uint_eq(message.length, sizeof text - 1 + 4);
    ck_assert_bytes_eq(out.data, 9, "\0\0\1\021\163\012\357\242\4");
    buffer_free(&out);
}
END_TEST

START_TEST(an_empty_message) {
    struct buffer out = {0};
    Availabilityguard__V1__HealthCheckRequest request =
        AVAILABILITYGUARD__V1__HEALTH_CHECK_REQUEST__INIT;
    grpc_frame_append(&out, &request.base);
    ck_assert_bytes_eq(out.data, out.length, "\0\0\0\0\0");
    buffer_free(&out);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("grpc_frame");
    TCase *tcase = tcase_create("grpc_frame");
    tcase_add_loop_test(tcase, reading, 0, COUNT(bodies));
    tcase_add_test(tcase, what_is_written_is_read);
    tcase_add_test(tcase, an_empty_message);
    suite_add_tcase(suite, tcase);
    return suite;
}
