/* message.c: see message.h. */
#include "notification/message.h"

#include <stdlib.h>
#include <string.h>

#include "notification/line.h"
#include "notification/markup.h"
#include "notification/sms.h"

#define SUBJECT_NAME_MAX 50
#define SMS_NAME_MAX 20
#define DATE_LENGTH 10   /* 2027-01-31 */
#define MINUTE_LENGTH 16 /* 2027-01-31T11:00 */

/* What the texts say, line by line, as label and value. */
enum fact {
    FACT_REASON,
    FACT_RELEASED_BY,
    FACT_RELEASED_AT,
    FACT_STAY,
    FACT_ROOM,
    FACT_ROOM_TYPE,
    FACT_RESERVATION,
    FACT_LOCK,
    FACT_TENANT,
};
#define FACTS 9
static const char *const LABELS[FACTS] = {
    [FACT_REASON] = "Reason",
    [FACT_RELEASED_BY] = "Released by",
    [FACT_RELEASED_AT] = "Released at",
    [FACT_STAY] = "Stay",
    [FACT_ROOM] = "Room",
    [FACT_ROOM_TYPE] = "Room type",
    [FACT_RESERVATION] = "Reservation",
    [FACT_LOCK] = "Lock",
    [FACT_TENANT] = "Tenant",
};

struct facts {
    const char *headline;
    struct buffer values[FACTS];
};

static struct text_span span_of(const struct buffer *b) {
    return (struct text_span){b->data, b->length};
}

static void append_id(struct buffer *out, const struct id *id) {
    char text[ID_TEXT_LENGTH + 1];
    id_format(id, text);
    buffer_append_text(out, text);
}

static void append_optional_id(struct buffer *out, const struct optional_id *id,
                               const char *otherwise) {
    if (id->set)
        append_id(out, &id->id);
    else
        buffer_append_text(out, otherwise);
}

static void append_date(struct buffer *out, timestamp_us time) {
    char text[TIMESTAMP_TEXT_LENGTH + 1];
    timestamp_format(time, text);
    buffer_append(out, text, DATE_LENGTH);
}

/* 2027-01-31 11:00 UTC */
static void append_minute(struct buffer *out, timestamp_us time) {
    char text[TIMESTAMP_TEXT_LENGTH + 1];
    timestamp_format(time, text);
    text[DATE_LENGTH] = ' ';
    buffer_append(out, text, MINUTE_LENGTH);
    buffer_append_text(out, " UTC");
}

/* name (id, email) */
static void append_actor(struct buffer *out, const struct event *event) {
    line_append(out, event->actor_name, EVENT_TEXT_MAX);
    buffer_append_text(out, " (");
    line_append(out, event->actor_id, EVENT_TEXT_MAX);
    if (event->actor_email.data != NULL) {
        buffer_append_text(out, ", ");
        line_append(out, event->actor_email, EVENT_TEXT_MAX);
    }
    buffer_append_char(out, ')');
}

static void facts_collect(struct facts *facts, const struct event *event) {
    struct buffer *values = facts->values;
    memset(facts, 0, sizeof *facts);
    facts->headline = event->room_id.set ? "A lock of a room was released by hand."
                                         : "A lock of a room type was released by hand.";
    line_append(&values[FACT_REASON], event->reason, EVENT_TEXT_MAX);
    append_actor(&values[FACT_RELEASED_BY], event);
    append_minute(&values[FACT_RELEASED_AT], event->sent_at);
    append_minute(&values[FACT_STAY], event->stay_start);
    buffer_append_text(&values[FACT_STAY], " to ");
    append_minute(&values[FACT_STAY], event->stay_end);
    append_optional_id(&values[FACT_ROOM], &event->room_id, "any of the type");
    append_id(&values[FACT_ROOM_TYPE], &event->room_type_id);
    append_optional_id(&values[FACT_RESERVATION], &event->reservation_id, "none");
    append_id(&values[FACT_LOCK], &event->lock_id);
    append_id(&values[FACT_TENANT], &event->tenant_id);
}

/* False when one of the values could not be stored. */
static bool facts_are_whole(const struct facts *facts) {
    for (size_t i = 0; i < FACTS; i++) {
        if (facts->values[i].failed)
            return false;
    }
    return true;
}

static void facts_exit(struct facts *facts) {
    for (size_t i = 0; i < FACTS; i++)
        buffer_free(&facts->values[i]);
}

/* How one fact is written: what stands before the label, between, and behind the value. */
struct form {
    const char *before;
    const char *between;
    const char *behind;
    void (*append)(struct buffer *out, struct text_span text);
};
static const struct form PLAIN = {"", ": ", "\n", markup_append_none};
static const struct form HTML = {"<tr><th align=\"left\" valign=\"top\">", "</th><td>",
                                 "</td></tr>\n", markup_append_html};
static const struct form SLACK = {"*", ":* ", "\n", markup_append_slack};

static void append_facts(struct buffer *out, const struct facts *facts, const struct form *form) {
    for (size_t i = 0; i < FACTS; i++) {
        buffer_append_text(out, form->before);
        buffer_append_text(out, LABELS[i]);
        buffer_append_text(out, form->between);
        form->append(out, span_of(&facts->values[i]));
        buffer_append_text(out, form->behind);
    }
}

static void write_subject(struct buffer *out, const struct event *event) {
    buffer_append_text(out, event->room_id.set ? "Room lock released by "
                                               : "Room type lock released by ");
    line_append(out, event->actor_name, SUBJECT_NAME_MAX);
    buffer_append_text(out, ", stay ");
    append_date(out, event->stay_start);
    buffer_append_text(out, " to ");
    append_date(out, event->stay_end);
}

static void write_plain(struct buffer *out, const struct facts *facts) {
    buffer_append_text(out, facts->headline);
    buffer_append_text(out, "\n\n");
    append_facts(out, facts, &PLAIN);
}

static void write_html(struct buffer *out, const struct facts *facts, struct text_span subject) {
    buffer_append_text(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">"
                            "<title>");
    markup_append_html(out, subject);
    buffer_append_text(out, "</title></head>\n<body>\n<p>");
    buffer_append_text(out, facts->headline);
    buffer_append_text(out, "</p>\n<table>\n");
    append_facts(out, facts, &HTML);
    buffer_append_text(out, "</table>\n</body>\n</html>\n");
}

static void write_slack(struct buffer *out, const struct facts *facts) {
    buffer_append_text(out, facts->headline);
    buffer_append_char(out, '\n');
    append_facts(out, facts, &SLACK);
}

/* The reason stands last: it is what is cut when the whole is too long. */
static void write_sms(struct buffer *out, const struct event *event, const struct facts *facts) {
    struct buffer whole = {0};
    buffer_append_text(&whole, "Lock released by ");
    line_append(&whole, event->actor_name, SMS_NAME_MAX);
    buffer_append_text(&whole, ", stay ");
    append_date(&whole, event->stay_start);
    buffer_append_text(&whole, " to ");
    append_date(&whole, event->stay_end);
    buffer_append_text(&whole, ", lock ");
    append_id(&whole, &event->lock_id);
    buffer_append_text(&whole, ": ");
    markup_append_none(&whole, span_of(&facts->values[FACT_REASON]));
    if (whole.failed)
        out->failed = true;
    else
        sms_append(out, span_of(&whole));
    buffer_free(&whole);
}

/* The text as a C string, and the buffer empty; NULL when something of it could not be stored. */
static char *take_text(struct buffer *b) {
    buffer_append_char(b, '\0');
    char *text = b->data;
    if (b->failed) {
        buffer_free(b);
        return NULL;
    }
    buffer_init(b);
    return text;
}

static void write_texts(struct message *message, const struct event *event,
                        const struct facts *facts) {
    struct buffer out = {0};
    write_html(&out, facts, (struct text_span){message->subject, strlen(message->subject)});
    message->html_body = take_text(&out);
    write_plain(&out, facts);
    message->plain_text = take_text(&out);
    write_slack(&out, facts);
    message->slack_text = take_text(&out);
    write_sms(&out, event, facts);
    message->sms_text = take_text(&out);
}

static json_t *json_id(const struct id *id) {
    char text[ID_TEXT_LENGTH + 1];
    id_format(id, text);
    return json_string(text);
}

static json_t *json_optional_id(const struct optional_id *id) {
    return id->set ? json_id(&id->id) : json_null();
}

static json_t *json_time(timestamp_us time) {
    char text[TIMESTAMP_TEXT_LENGTH + 1];
    timestamp_format(time, text);
    return json_string(text);
}

static json_t *json_text(struct text_span text) {
    return text.data != NULL ? json_stringn(text.data, text.length) : json_null();
}

/* A member of an object, and the value, which the object takes over; NULL: out of memory. */
struct member {
    const char *name;
    json_t *value;
};

static json_t *json_object_of(const struct member *members, size_t count) {
    json_t *object = json_object();
    bool whole = object != NULL;
    for (size_t i = 0; i < count; i++)
        whole = json_object_set_new(object, members[i].name, members[i].value) == 0 && whole;
    if (whole)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *make_metadata(const struct event *event) {
    const struct member actor[] = {
        {"id", json_text(event->actor_id)},
        {"name", json_text(event->actor_name)},
        {"email", json_text(event->actor_email)},
    };
    const struct member metadata[] = {
        {"lockId", json_id(&event->lock_id)},
        {"tenantId", json_id(&event->tenant_id)},
        {"reservationId", json_optional_id(&event->reservation_id)},
        {"roomTypeId", json_id(&event->room_type_id)},
        {"roomId", json_optional_id(&event->room_id)},
        {"stayStart", json_time(event->stay_start)},
        {"stayEnd", json_time(event->stay_end)},
        {"reason", json_text(event->reason)},
        {"actor", json_object_of(actor, sizeof actor / sizeof actor[0])},
        {"sentAt", json_time(event->sent_at)},
    };
    return json_object_of(metadata, sizeof metadata / sizeof metadata[0]);
}

static bool is_whole(const struct message *message) {
    return message->subject != NULL && message->plain_text != NULL && message->html_body != NULL &&
           message->slack_text != NULL && message->sms_text != NULL && message->metadata != NULL;
}

bool message_init(struct message *message, const struct event *event) {
    struct facts facts;
    struct buffer subject = {0};
    memset(message, 0, sizeof *message);
    write_subject(&subject, event);
    message->subject = take_text(&subject);
    facts_collect(&facts, event);
    if (message->subject != NULL && facts_are_whole(&facts))
        write_texts(message, event, &facts);
    facts_exit(&facts);
    message->metadata = make_metadata(event);
    if (is_whole(message))
        return true;
    message_exit(message);
    return false;
}

void message_exit(struct message *message) {
    free(message->subject);
    free(message->plain_text);
    free(message->html_body);
    free(message->slack_text);
    free(message->sms_text);
    json_decref(message->metadata);
    memset(message, 0, sizeof *message);
}

json_t *message_summary(const struct message *message) {
    const struct member summary[] = {
        {"subject", json_string(message->subject)},
        {"plainText", json_string(message->plain_text)},
        {"htmlBody", json_string(message->html_body)},
        {"slackText", json_string(message->slack_text)},
        {"smsText", json_string(message->sms_text)},
        {"metadata", json_incref(message->metadata)},
    };
    return json_object_of(summary, sizeof summary / sizeof summary[0]);
}

/* The texts of a channel's webhook: names of members, and what they hold. */
struct content {
    const char *name;
    const char *text;
};
#define CONTENTS_MAX 3

static void list_contents(const struct message *message, enum recipient_channel channel,
                          struct content contents[CONTENTS_MAX]) {
    memset(contents, 0, CONTENTS_MAX * sizeof contents[0]);
    if (channel == RECIPIENT_EMAIL) {
        contents[0] = (struct content){"subject", message->subject};
        contents[1] = (struct content){"textBody", message->plain_text};
        contents[2] = (struct content){"htmlBody", message->html_body};
    } else if (channel == RECIPIENT_SMS) {
        contents[0] = (struct content){"message", message->sms_text};
    } else {
        contents[0] = (struct content){"text", message->slack_text};
        contents[1] = (struct content){"message", message->slack_text};
    }
}

static json_t *webhook_object(const struct message *message, const struct recipients *all,
                              enum recipient_channel channel) {
    struct member members[CONTENTS_MAX + 3];
    struct content contents[CONTENTS_MAX];
    size_t count = 0;
    list_contents(message, channel, contents);
    members[count++] = (struct member){"template", json_string(MESSAGE_TEMPLATE)};
    for (size_t i = 0; i < CONTENTS_MAX && contents[i].name != NULL; i++)
        members[count++] = (struct member){contents[i].name, json_string(contents[i].text)};
    members[count++] = (struct member){"recipients", recipients_of_channel(all, channel)};
    members[count++] = (struct member){"metadata", json_incref(message->metadata)};
    return json_object_of(members, count);
}

char *message_webhook_body(const struct message *message, const struct recipients *all,
                           enum recipient_channel channel, size_t *length) {
    json_t *object = webhook_object(message, all, channel);
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    *length = text == NULL ? 0 : strlen(text);
    return text;
}
