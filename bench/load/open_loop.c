/* open_loop.c: offers new locks at a fixed rate, whether or not they are answered.
 *
 * Called by bench/overload, which compiles it: wrk sends the next request only when the last one
 * was answered, so it can never offer more than is served; Debian has no generator that is open in
 * this sense, fast enough to share the machine with what it measures, and sends other bodies
 * each time.
 *
 *   open_loop PORT CONNECTIONS YEAR SEED OBEY RATE:SECONDS...
 *
 * One thread and one epoll loop. Each phase offers RATE arrivals per second, evenly. An arrival
 * takes a free connection of the kept ones and is sent at once; when none is free it is given up
 * and counted as "held". With OBEY 1 a connection whose request was refused stays away for
 * as long as Retry-After says. The time of an answer counts from the moment at which the arrival
 * was due, so a generator that lags behind does not hide it.
 *
 * Writes one line of JSON for each second and one for each phase; the Python part reads them. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ANSWER_MAX = 4096,
    EVENTS_MAX = 256,
    ROOMS = 100000,
    DAYS = 3650,
    DRAIN_SECONDS_MAX = 20,
    REQUEST_MAX = 1024,
    TICK_US = 500,
};

/* --- times of answers ------------------------------------------------------------------- */

/* Buckets of 10 us up to 10 ms, of 100 us up to 100 ms, of 1 ms up to 30 s. */
enum { FINE = 1000, MIDDLE = 900, COARSE = 29900, BUCKETS = FINE + MIDDLE + COARSE };

struct times {
    uint32_t count;
    uint32_t buckets[BUCKETS];
};

static void times_add(struct times *t, int64_t us) {
    int64_t at;
    if (us < 10000)
        at = us < 0 ? 0 : us / 10;
    else if (us < 100000)
        at = FINE + (us - 10000) / 100;
    else
        at = FINE + MIDDLE + (us - 100000) / 1000;
    if (at >= BUCKETS)
        at = BUCKETS - 1;
    t->buckets[at]++;
    t->count++;
}

static double bucket_ms(int at) {
    if (at < FINE)
        return (at + 1) * 0.01;
    if (at < FINE + MIDDLE)
        return 10 + (at - FINE + 1) * 0.1;
    return 100 + (at - FINE - MIDDLE + 1);
}

/* Upper end of the bucket that holds the percentile; 0 without answers. */
static double times_percentile(const struct times *t, double share) {
    const double wanted = t->count * share / 100;
    uint64_t seen = 0;
    if (t->count == 0)
        return 0;
    for (int at = 0; at < BUCKETS; at++) {
        seen += t->buckets[at];
        if ((double)seen >= wanted)
            return bucket_ms(at);
    }
    return bucket_ms(BUCKETS - 1);
}

/* --- what is counted, of a second and of a phase ----------------------------------------- */

struct tally {
    uint64_t arrivals; /* due */
    uint64_t held;     /* no connection was free */
    uint64_t granted, conflicts, refused, other;
    uint64_t no_retry_after; /* refused without it */
    uint64_t lost;           /* connections that ended before the answer */
    struct times granted_times, refused_times;
};

static struct tally second_tally, phase_tally;

#define COUNT(member)                                                                              \
    do {                                                                                           \
        second_tally.member++;                                                                     \
        phase_tally.member++;                                                                      \
    } while (0)

static void tally_print(const struct tally *t, const char *kind, int phase, double seconds) {
    printf("{\"kind\":\"%s\",\"phase\":%d,\"seconds\":%.4f,\"arrivals\":%llu,\"held\":%llu,"
           "\"granted\":%llu,\"conflicts\":%llu,\"refused\":%llu,\"other\":%llu,"
           "\"no_retry_after\":%llu,\"lost\":%llu,\"granted_p50_ms\":%.2f,\"granted_p99_ms\":%.2f,"
           "\"refused_p50_ms\":%.2f,\"refused_p99_ms\":%.2f}\n",
           kind, phase, seconds, (unsigned long long)t->arrivals, (unsigned long long)t->held,
           (unsigned long long)t->granted, (unsigned long long)t->conflicts,
           (unsigned long long)t->refused, (unsigned long long)t->other,
           (unsigned long long)t->no_retry_after, (unsigned long long)t->lost,
           times_percentile(&t->granted_times, 50), times_percentile(&t->granted_times, 99),
           times_percentile(&t->refused_times, 50), times_percentile(&t->refused_times, 99));
    fflush(stdout);
}

/* --- connections ------------------------------------------------------------------------- */

struct connection {
    int fd;
    bool busy;
    int64_t due_us;
    int64_t free_at_us; /* while it stays away */
    struct connection *next;
    size_t have;
    char answer[ANSWER_MAX];
};

struct list {
    struct connection *first, *last;
};

static struct connection *connections;
static struct list idle, away; /* away: in the order in which they come back */
static size_t busy_count;
static int epoll_fd;
static struct sockaddr_in address;
static bool obey;

static void die(const char *what) {
    fprintf(stderr, "open_loop: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void list_add(struct list *list, struct connection *c) {
    c->next = NULL;
    if (list->last != NULL)
        list->last->next = c;
    else
        list->first = c;
    list->last = c;
}

/* The most recently used first: a few connections serve a small load, as in a client's pool. */
static void list_push(struct list *list, struct connection *c) {
    c->next = list->first;
    list->first = c;
    if (list->last == NULL)
        list->last = c;
}

static struct connection *list_take(struct list *list) {
    struct connection *c = list->first;
    if (c != NULL) {
        list->first = c->next;
        if (list->first == NULL)
            list->last = NULL;
    }
    return c;
}

static void open_connection(struct connection *c) {
    const int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0)
        die("epoll_ctl");
}

/* --- requests ---------------------------------------------------------------------------- */

static char request[REQUEST_MAX];
static size_t request_length;
static size_t scattered_at, room_at, arrival_at, departure_at; /* offsets in the request */
static char dates[DAYS + 4][11];
static uint64_t random_state;

static uint32_t draw(uint32_t below) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 33) % below);
}

static void prepare_dates(int year) {
    struct tm first = {.tm_year = year - 1900, .tm_mon = 0, .tm_mday = 1, .tm_hour = 12};
    const time_t start = timegm(&first);
    for (int day = 0; day < DAYS + 4; day++) {
        const time_t at = start + (time_t)day * 86400;
        struct tm parts;
        gmtime_r(&at, &parts);
        strftime(dates[day], sizeof dates[day], "%Y-%m-%d", &parts);
    }
}

static void prepare_request(int port) {
    static const char body[] = "{\"tenantId\":\"7b5a3c1e-0d2f-4e6a-8b9c-1d3e5f7a9b0c\","
                               "\"roomTypeId\":\"2f4e6d8c-1a3b-4c5d-9e8f-7a6b5c4d3e2f\","
                               "\"roomId\":\"HHHHHHHH-0000-4000-8000-RRRRRRRRRRRR\","
                               "\"stayStart\":\"AAAAAAAAAA\",\"stayEnd\":\"DDDDDDDDDD\"}";
    request_length =
        (size_t)snprintf(request, sizeof request,
                         "POST /v1/locks HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                         "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                         port, sizeof body - 1, body);
    scattered_at = (size_t)(strstr(request, "HHHH") - request);
    room_at = (size_t)(strstr(request, "RRRR") - request);
    arrival_at = (size_t)(strstr(request, "AAAA") - request);
    departure_at = (size_t)(strstr(request, "DDDD") - request);
}

static void draw_request(void) {
    const uint32_t arrival = draw(DAYS);
    uint32_t room = draw(ROOMS);
    uint32_t scattered = room * 2654435761u; /* as tables.py has it, and why */
    for (size_t digit = 8; digit-- > 0; scattered /= 16)
        request[scattered_at + digit] = "0123456789abcdef"[scattered % 16];
    for (size_t digit = 12; digit-- > 0; room /= 10)
        request[room_at + digit] = (char)('0' + room % 10);
    memcpy(request + arrival_at, dates[arrival], 10);
    memcpy(request + departure_at, dates[arrival + 1 + draw(3)], 10);
}

static void lose(struct connection *c) {
    if (c->busy) {
        COUNT(lost);
        c->busy = false;
        busy_count--;
        list_push(&idle, c);
    }
    close(c->fd);
    open_connection(c);
}

static void arrive(int64_t due_us) {
    struct connection *c = list_take(&idle);
    COUNT(arrivals);
    if (c == NULL) {
        COUNT(held);
        return;
    }
    draw_request();
    c->busy = true;
    busy_count++;
    c->due_us = due_us;
    c->have = 0;
    const ssize_t sent = send(c->fd, request, request_length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent != (ssize_t)request_length)
        lose(c);
}

/* --- answers ----------------------------------------------------------------------------- */

static const char *header(const char *answer, const char *name) {
    const char *at = strcasestr(answer, name);
    return at == NULL ? NULL : at + strlen(name);
}

static void count_answer(struct connection *c, int64_t now) {
    const int status = atoi(c->answer + 9);
    int64_t wait_us = 0;
    if (status == 200 || status == 409) {
        if (status == 200)
            COUNT(granted);
        else
            COUNT(conflicts);
        times_add(&second_tally.granted_times, now - c->due_us);
        times_add(&phase_tally.granted_times, now - c->due_us);
    } else if (status == 503) {
        const char *after = header(c->answer, "\r\nRetry-After: ");
        COUNT(refused);
        if (after == NULL)
            COUNT(no_retry_after);
        else if (obey)
            wait_us = (int64_t)atoi(after) * 1000000;
        times_add(&second_tally.refused_times, now - c->due_us);
        times_add(&phase_tally.refused_times, now - c->due_us);
    } else {
        COUNT(other);
    }
    c->busy = false;
    busy_count--;
    c->free_at_us = now + wait_us;
    if (wait_us > 0)
        list_add(&away, c);
    else
        list_push(&idle, c);
}

/* Whether the answer is there as a whole. */
static bool complete(const struct connection *c) {
    const char *end = strstr(c->answer, "\r\n\r\n");
    if (end == NULL)
        return false;
    const char *length = header(c->answer, "\r\nContent-Length: ");
    const size_t body = length == NULL ? 0 : (size_t)strtoul(length, NULL, 10);
    return c->have >= (size_t)(end + 4 - c->answer) + body;
}

static void receive(struct connection *c) {
    const ssize_t got =
        recv(c->fd, c->answer + c->have, sizeof c->answer - 1 - c->have, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        lose(c);
        return;
    }
    c->have += (size_t)got;
    c->answer[c->have] = '\0';
    if (c->busy && complete(c))
        count_answer(c, now_us());
    else if (c->have == sizeof c->answer - 1)
        lose(c);
}

/* --- the loop ---------------------------------------------------------------------------- */

/* All answers that are there. */
static void take_answers(void) {
    struct epoll_event events[EVENTS_MAX];
    int ready;
    do {
        ready = epoll_wait(epoll_fd, events, EVENTS_MAX, 0);
        for (int i = 0; i < ready; i++)
            receive(events[i].data.ptr);
    } while (ready == EVENTS_MAX);
    const int64_t now = now_us();
    while (away.first != NULL && away.first->free_at_us <= now)
        list_push(&idle, list_take(&away));
}

/* Answers and arrivals are looked after in ticks, all that have gathered at once: the loop would
 * otherwise take a whole processor from what it measures. */
static void sleep_until(int64_t us) {
    const struct timespec at = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

static void end_second(int phase, int64_t *began) {
    const int64_t now = now_us();
    tally_print(&second_tally, "second", phase, (double)(now - *began) / 1e6);
    memset(&second_tally, 0, sizeof second_tally);
    *began = now;
}

static void run_phase(int phase, double rate, double seconds) {
    const int64_t began = now_us(), end = began + (int64_t)(seconds * 1e6);
    int64_t second_began = began, now = began;
    uint64_t issued = 0;
    memset(&phase_tally, 0, sizeof phase_tally);
    memset(&second_tally, 0, sizeof second_tally);
    fprintf(stdout, "{\"kind\":\"begin\",\"phase\":%d}\n", phase);
    fflush(stdout);
    while ((now = now_us()) < end) {
        const uint64_t due = (uint64_t)((double)(now - began) * rate / 1e6);
        while (issued < due) {
            arrive(began + (int64_t)((double)issued * 1e6 / rate));
            issued++;
        }
        take_answers();
        if (now - second_began >= 1000000)
            end_second(phase, &second_began);
        sleep_until(now + TICK_US);
    }
    tally_print(&phase_tally, "phase", phase, (double)(now_us() - began) / 1e6);
}

static void drain(void) {
    const int64_t end = now_us() + (int64_t)DRAIN_SECONDS_MAX * 1000000;
    memset(&phase_tally, 0, sizeof phase_tally);
    while (busy_count > 0 && now_us() < end) {
        take_answers();
        sleep_until(now_us() + TICK_US);
    }
    tally_print(&phase_tally, "drain", -1, 0);
}

static void raise_limit(size_t wanted) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted + 64) {
        limit.rlim_cur = wanted + 64;
        if (limit.rlim_max < limit.rlim_cur)
            limit.rlim_max = limit.rlim_cur;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            die("limit of open files");
    }
}

int main(int argc, char **argv) {
    if (argc < 7) {
        fprintf(stderr, "usage: open_loop PORT CONNECTIONS YEAR SEED OBEY RATE:SECONDS...\n");
        return 2;
    }
    const int port = atoi(argv[1]);
    const size_t count = strtoul(argv[2], NULL, 10);
    prepare_dates(atoi(argv[3]));
    random_state = strtoull(argv[4], NULL, 10) * 2654435761u + 88172645463325252u;
    obey = atoi(argv[5]) != 0;
    prepare_request(port);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    raise_limit(count);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc(count, sizeof *connections);
    if (epoll_fd < 0 || connections == NULL)
        die("start");
    for (size_t i = 0; i < count; i++) {
        open_connection(&connections[i]);
        list_add(&idle, &connections[i]);
    }
    for (int i = 6; i < argc; i++) {
        double rate = 0, seconds = 0;
        if (sscanf(argv[i], "%lf:%lf", &rate, &seconds) != 2 || rate <= 0 || seconds <= 0)
            die("RATE:SECONDS");
        run_phase(i - 6, rate, seconds);
    }
    drain();
    return 0;
}
