/* recipients_input.c: see recipients_input.h. */
#include "guard/recipients_input.h"

/* False when out of memory. */
static bool add_member(const struct exchange *x, const char *field, enum presence presence,
                       struct violations *v, struct recipients *out) {
    const json_t *member = json_object_get(x->body.object, field);
    if (member == NULL) {
        /* A plain object has no arrays. */
        if (flat_object_get(&x->body.flat, field) != NULL)
            violations_add(v, field, recipients_problem(RECIPIENTS_NOT_TEXTS));
        else if (presence == FIELD_REQUIRED)
            violations_add(v, field, "is required");
        return true;
    }
    const enum recipients_result result = recipients_add_array(out, member, RECIPIENTS_GIVEN_MAX);
    if (result == RECIPIENTS_NO_MEMORY)
        return false;
    if (result != RECIPIENTS_OK)
        violations_add(v, field, recipients_problem(result));
    else if (presence == FIELD_REQUIRED && json_array_size(member) == 0)
        violations_add(v, field, "must have at least one recipient");
    return true;
}

bool recipients_input(const struct exchange *x, const char *field, enum presence presence,
                      struct violations *v, struct recipients *out) {
    const char *list = x->context->notification_recipients;
    if (!add_member(x, field, presence, v, out))
        return false;
    /* The list was checked when the program started. */
    return list == NULL || recipients_add_list(out, list, RECIPIENTS_GIVEN_MAX) == RECIPIENTS_OK;
}
