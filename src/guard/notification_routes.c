/* notification_routes.c: see notification_routes.h. */
#include "guard/notification_routes.h"

#include "base/clock.h"
#include "domain/manual_release.h"
#include "guard/recipients_input.h"
#include "guard/route_input.h"
#include "notification/message.h"

static void read_ids(struct exchange *x, struct violations *v, struct event *event) {
    const struct request_body *b = &x->body;
    (void)field_id(v, "lockId", request_body_text(b, "lockId", v), FIELD_REQUIRED, &event->lock_id);
    (void)field_id(v, "tenantId", route_body_tenant_id(x, v), FIELD_REQUIRED, &event->tenant_id);
    (void)field_optional_id(v, "reservationId", request_body_text(b, "reservationId", v),
                            &event->reservation_id);
    (void)field_id(v, "roomTypeId", request_body_text(b, "roomTypeId", v), FIELD_REQUIRED,
                   &event->room_type_id);
    const struct text_span room_id = request_body_nullable_text(b, "roomId", v);
    if (room_id.length > 0)
        (void)field_optional_id(v, "roomId", room_id, &event->room_id);
}

static void read_stay(struct exchange *x, struct violations *v, struct event *event) {
    const bool start = field_timestamp(v, "stayStart", request_body_text(&x->body, "stayStart", v),
                                       FIELD_REQUIRED, &event->stay_start);
    const bool end = field_timestamp(v, "stayEnd", request_body_text(&x->body, "stayEnd", v),
                                     FIELD_REQUIRED, &event->stay_end);
    if (start && end && event->stay_end <= event->stay_start)
        violations_add(v, "stayEnd", "must be after stayStart");
}

static void read_text(struct exchange *x, const char *field, enum presence presence, size_t max,
                      struct violations *v, struct text_span *out) {
    const struct text_span text = request_body_text(&x->body, field, v);
    if (text.data == NULL && presence == FIELD_REQUIRED)
        violations_add(v, field, "is required");
    (void)field_text(v, field, text, max, out);
}

static void read_event(struct exchange *x, struct violations *v, struct event *event) {
    read_ids(x, v, event);
    read_stay(x, v, event);
    read_text(x, "reason", FIELD_REQUIRED, MANUAL_RELEASE_REASON_MAX, v, &event->reason);
    read_text(x, "actorId", FIELD_REQUIRED, MANUAL_RELEASE_ACTOR_MAX, v, &event->actor_id);
    read_text(x, "actorName", FIELD_REQUIRED, MANUAL_RELEASE_ACTOR_MAX, v, &event->actor_name);
    read_text(x, "actorEmail", FIELD_OPTIONAL, MANUAL_RELEASE_EMAIL_MAX, v, &event->actor_email);
    event->sent_at = wall_now_us();
}

static int append(const char *text, size_t length, void *out) {
    buffer_append(out, text, length);
    return 0; /* lack of memory is seen at the end */
}

/* Takes the answer over; NULL: it could not be made. */
static void answer_json(struct exchange *x, json_t *answer) {
    struct buffer *body = exchange_body(x);
    const bool written =
        answer != NULL && json_dump_callback(answer, append, body, JSON_COMPACT) == 0;
    json_decref(answer);
    if (written)
        exchange_answer(x, "200 OK");
    else
        exchange_answer_problem(x, PROBLEM_INTERNAL_ERROR, "out of memory", NULL);
}

static json_t *list_recipients(const struct exchange *x, const struct recipients *all) {
    json_t *lists = json_object();
    json_t *provided = json_object_get(x->body.object, "recipients");
    int failed = json_object_set(lists, "provided", provided);
    failed |= json_object_set_new(lists, "merged", recipients_merged(all));
    for (enum recipient_channel c = RECIPIENT_EMAIL; c <= RECIPIENT_UNROUTABLE; c++)
        failed |=
            json_object_set_new(lists, recipient_channel_name(c), recipients_of_channel(all, c));
    if (failed == 0)
        return lists;
    json_decref(lists);
    return NULL;
}

static json_t *describe(const struct exchange *x, const struct event *event,
                        const struct recipients *all) {
    struct message message;
    if (!message_init(&message, event))
        return NULL;
    json_t *answer = json_object();
    int failed = json_object_set_new(answer, "status", json_string("ok"));
    failed |= json_object_set_new(answer, "dryRun", json_true());
    failed |= json_object_set_new(answer, "recipients", list_recipients(x, all));
    failed |= json_object_set_new(answer, "summary", message_summary(&message));
    message_exit(&message);
    if (failed == 0)
        return answer;
    json_decref(answer);
    return NULL;
}

static void answer_test(struct exchange *x, const struct event *event,
                        const struct recipients *all) {
    if (all->count == 0) {
        buffer_append_text(exchange_body(x),
                           "{\"status\":\"skipped\",\"reason\":\"no_recipients\"}");
        exchange_answer(x, "200 OK");
        return;
    }
    answer_json(x, describe(x, event, all));
}

void notification_routes_test(struct exchange *x) {
    struct violations v = {.count = 0};
    struct event event = {0};
    struct recipients all = {0};
    read_event(x, &v, &event);
    if (!recipients_input(x, "recipients", FIELD_REQUIRED, &v, &all))
        exchange_answer_problem(x, PROBLEM_INTERNAL_ERROR, "out of memory", NULL);
    else if (v.count > 0)
        route_answer_invalid(x, &v);
    else
        answer_test(x, &event, &all);
    recipients_exit(&all);
}
