/* grpc_load.c: new locks by gRPC, with a fixed number of calls in flight on one connection.
 *
 * Called by bench/grpc, which compiles it: Debian's h2load sends the same body each time, and all
 * locks but the first would be conflicts.
 *
 *   grpc_load PORT CALLS SECONDS YEAR SEED
 *
 * The locks are those of load/new.lua. Each answer is followed by the next call. Writes one line of
 * JSON with the members that common.done of load/common.lua writes: "not_ok" are conflicts,
 * "errors" calls that failed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CALLS_MAX = 128, ROOMS = 100000, DAYS = 3650, MESSAGE_MAX = 512, WINDOW = 1 << 24 };

#define TENANT "7b5a3c1e-0d2f-4e6a-8b9c-1d3e5f7a9b0c"
#define ROOM_TYPE "2f4e6d8c-1a3b-4c5d-9e8f-7a6b5c4d3e2f"

struct call {
    uint8_t message[MESSAGE_MAX];
    size_t length;
    int64_t started_us;
    uint8_t answer[7]; /* the frame's head, and the first field of the message: the status */
    size_t received;
    int grpc_status;
};

static struct call calls[CALLS_MAX];
static char dates[DAYS + 4][11];
static nghttp2_session *session;
static int connection;
static int64_t end_us;
static int in_flight;
static char authority[32];

static struct {
    uint32_t *times_us;
    size_t count, capacity;
    unsigned long not_ok, errors;
} result;

static void die(const char *what) {
    fprintf(stderr, "grpc_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void make_dates(int year) {
    struct tm first = {.tm_year = year - 1900, .tm_mday = 1, .tm_hour = 12};
    const time_t start = timegm(&first);
    for (int day = 0; day < DAYS + 4; day++) {
        const time_t then = start + (time_t)day * 86400;
        struct tm parts;
        strftime(dates[day], sizeof dates[day], "%Y-%m-%d", gmtime_r(&then, &parts));
    }
}

/* A field with text, shorter than 128 bytes. */
static void put(struct call *c, int field, const char *text) {
    const size_t length = strlen(text);
    c->message[c->length++] = (uint8_t)(field << 3 | 2);
    c->message[c->length++] = (uint8_t)length;
    memcpy(c->message + c->length, text, length);
    c->length += length;
}

static void make_message(struct call *c) {
    char room[37];
    const unsigned number = (unsigned)(random() % ROOMS);
    const long arrival = random() % DAYS;
    snprintf(room, sizeof room, "%08x-0000-4000-8000-%012u", number * 2654435761U, number);
    c->length = 5;
    put(c, 1, TENANT);
    put(c, 3, ROOM_TYPE);
    put(c, 4, room);
    put(c, 5, dates[arrival]);
    put(c, 6, dates[arrival + 1 + random() % 3]);
    memset(c->message, 0, 4);
    c->message[3] = (uint8_t)((c->length - 5) >> 8);
    c->message[4] = (uint8_t)(c->length - 5);
}

static ssize_t read_message(nghttp2_session *s, int32_t stream, uint8_t *out, size_t room,
                            uint32_t *flags, nghttp2_data_source *source, void *context) {
    const struct call *c = source->ptr;
    (void)s, (void)stream, (void)context;
    if (room < c->length)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    memcpy(out, c->message, c->length);
    *flags = NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)c->length;
}

#define HEADER(name, value)                                                                        \
    { (uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, strlen(value), NGHTTP2_NV_FLAG_NONE }

static void start(struct call *c) {
    const nghttp2_nv headers[] = {
        HEADER(":method", "POST"),
        HEADER(":scheme", "http"),
        HEADER(":path", "/availabilityguard.v1.AvailabilityGuard/LockRoom"),
        HEADER(":authority", authority),
        HEADER("content-type", "application/grpc"),
        HEADER("te", "trailers"),
        HEADER("user-agent", "grpc-load"),
        HEADER("grpc-timeout", "30S"),
    };
    const nghttp2_data_provider body = {.source.ptr = c, .read_callback = read_message};
    make_message(c);
    c->received = 0;
    c->grpc_status = -1;
    c->started_us = now_us();
    if (nghttp2_submit_request(session, NULL, headers, sizeof headers / sizeof headers[0], &body,
                               c) < 0)
        die("a call was refused");
    in_flight++;
}

static int take_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name,
                       size_t name_length, const uint8_t *value, size_t length, uint8_t flags,
                       void *context) {
    struct call *c = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);
    (void)flags, (void)context, (void)length;
    if (c != NULL && name_length == 11 && memcmp(name, "grpc-status", 11) == 0)
        c->grpc_status = atoi((const char *)value);
    return 0;
}

static int take_data(nghttp2_session *s, uint8_t flags, int32_t stream, const uint8_t *data,
                     size_t length, void *context) {
    struct call *c = nghttp2_session_get_stream_user_data(s, stream);
    (void)flags, (void)context;
    for (size_t i = 0; c != NULL && i < length && c->received < sizeof c->answer; i++)
        c->answer[c->received++] = data[i];
    return 0;
}

static void count(const struct call *c, uint32_t error) {
    if (result.count == result.capacity) {
        result.capacity = result.capacity == 0 ? 1 << 16 : result.capacity * 2;
        result.times_us = realloc(result.times_us, result.capacity * sizeof *result.times_us);
        if (result.times_us == NULL)
            die("memory");
    }
    result.times_us[result.count++] = (uint32_t)(now_us() - c->started_us);
    if (error != 0 || c->grpc_status != 0 || c->received < 7 || c->answer[5] != 8)
        result.errors++;
    else if (c->answer[6] != 1)
        result.not_ok++;
}

static int end_call(nghttp2_session *s, int32_t stream, uint32_t error, void *context) {
    struct call *c = nghttp2_session_get_stream_user_data(s, stream);
    (void)context;
    in_flight--;
    count(c, error);
    if (now_us() < end_us)
        start(c);
    return 0;
}

static void open_connection(int port) {
    const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    snprintf(authority, sizeof authority, "127.0.0.1:%d", port);
    connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        die("connect");
}

static void open_session(void) {
    nghttp2_session_callbacks *callbacks;
    const nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW};
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        die("memory");
    nghttp2_session_callbacks_set_on_header_callback(callbacks, take_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, take_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, end_call);
    if (nghttp2_session_client_new(&session, callbacks, NULL) != 0 ||
        nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &window, 1) != 0 ||
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, WINDOW) != 0)
        die("session");
    nghttp2_session_callbacks_del(callbacks);
}

/* Everything that is to be sent, in as few writes as it fits. */
static void send_all(void) {
    static uint8_t out[1 << 16];
    size_t length = 0;
    for (;;) {
        const uint8_t *part;
        const ssize_t got = nghttp2_session_mem_send(session, &part);
        if (got < 0)
            die("nghttp2_session_mem_send");
        if (got == 0 || length + (size_t)got > sizeof out) {
            for (size_t sent = 0; sent < length;) {
                const ssize_t n = write(connection, out + sent, length - sent);
                if (n < 0)
                    die("write");
                sent += (size_t)n;
            }
            length = 0;
        }
        if (got == 0)
            return;
        memcpy(out + length, part, (size_t)got);
        length += (size_t)got;
    }
}

static void run(void) {
    static uint8_t in[1 << 16];
    while (in_flight > 0) {
        send_all();
        const ssize_t got = read(connection, in, sizeof in);
        if (got <= 0)
            die("the connection has ended");
        if (nghttp2_session_mem_recv(session, in, (size_t)got) < 0)
            die("nghttp2_session_mem_recv");
    }
}

static int compare(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(double share) {
    size_t at = (size_t)((double)result.count * share / 100);
    if (at >= result.count)
        at = result.count - 1;
    return result.times_us[at] / 1000.0;
}

static void print_result(double seconds) {
    double sum = 0;
    qsort(result.times_us, result.count, sizeof *result.times_us, compare);
    for (size_t i = 0; i < result.count; i++)
        sum += result.times_us[i];
    printf("{\"seconds\":%.6f,\"requests\":%zu,\"not_ok\":%lu,\"errors\":%lu,\"mean_ms\":%.4f,"
           "\"p50_ms\":%.4f,\"p90_ms\":%.4f,\"p99_ms\":%.4f,\"p999_ms\":%.4f,\"max_ms\":%.4f}\n",
           seconds, result.count, result.not_ok, result.errors, sum / (double)result.count / 1000,
           percentile_ms(50), percentile_ms(90), percentile_ms(99), percentile_ms(99.9),
           percentile_ms(100));
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: grpc_load PORT CALLS SECONDS YEAR SEED\n");
        return 2;
    }
    const int wanted = atoi(argv[2]);
    if (wanted < 1 || wanted > CALLS_MAX) {
        fprintf(stderr, "grpc_load: 1 to %d calls\n", CALLS_MAX);
        return 2;
    }
    make_dates(atoi(argv[4]));
    srandom((unsigned)strtoul(argv[5], NULL, 10));
    open_connection(atoi(argv[1]));
    open_session();
    const int64_t started_us = now_us();
    end_us = started_us + (int64_t)(atof(argv[3]) * 1e6);
    for (int i = 0; i < wanted; i++)
        start(&calls[i]);
    run();
    print_result((double)(now_us() - started_us) / 1e6);
    return 0;
}
