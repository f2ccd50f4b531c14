"""The dry run of a notification: what a manual release would say, and to whom."""

import html
import json
import re
import subprocess
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from client import Client
from shape import check_json, check_problem, is_time, new_id
from systems import ADMIN_TOKEN, SOURCE, build_dir, running
from tenant import ABSENT, day, moment

PATH = "/v1/notifications/manual-release/test"
OPERATOR = {"X-Guard-Admin-Token": ADMIN_TOKEN}
CHANNELS = ("email", "sms", "slack", "unroutable")
SUMMARY = ["subject", "plainText", "htmlBody", "slackText", "smsText", "metadata"]
METADATA = ["lockId", "tenantId", "reservationId", "roomTypeId", "roomId", "stayStart", "stayEnd",
            "reason", "actor", "sentAt"]

# White space of Unicode, with the byte order mark.
WHITE = ("\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
         "\u200a\u2028\u2029\u202f\u205f\u3000\ufeff")
CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
REORDERING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
NUMBER_DRESSING = re.compile(f"[{WHITE}.()\\[\\]\u2010-\u2015\u2212-]")

GSM = set("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
          "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà")
GSM_EXTENSION = set("\f^{}\\[~]|€")


def body(**changes):
    found = {
        "lockId": new_id(), "tenantId": new_id(), "roomTypeId": new_id(),
        "stayStart": day(0), "stayEnd": moment(3, 11), "reason": "Guest moved to another room",
        "actorId": "ops.42", "actorName": "Alex Night", "recipients": ["gm@hotel.example"],
        **changes}
    return {name: value for name, value in found.items() if value is not ABSENT}


def dry_run(client, **changes):
    return client.post(PATH, body(**changes), headers=OPERATOR)


def tried(client, **changes):
    """A dry run that has somebody to tell: its recipients and its summary."""
    answer = check_json(dry_run(client, **changes))
    assert list(answer) == ["status", "dryRun", "recipients", "summary"], answer
    assert (answer["status"], answer["dryRun"]) == ("ok", True), answer
    assert list(answer["recipients"]) == ["provided", "merged", *CHANNELS], answer
    assert list(answer["summary"]) == SUMMARY, answer
    return answer["recipients"], answer["summary"]


# --- what an operator sees ----------------------------------------------------------------------

@pytest.mark.smoke
def test_who_would_be_told_and_what(client):
    request = body(reservationId=new_id(), roomId=new_id(), actorEmail="alex@hotel.example",
                   recipients=["gm@hotel.example", " GM@hotel.example", "+1 (415) 555-0123",
                               "slack:#ops", "#ops", "@night", "everyone", ""])
    answer = check_json(client.post(PATH, request, headers=OPERATOR))
    assert answer["recipients"] == {
        "provided": request["recipients"],
        "merged": ["gm@hotel.example", "+1 (415) 555-0123", "slack:#ops", "@night", "everyone"],
        "email": ["gm@hotel.example"], "sms": ["+14155550123"], "slack": ["#ops", "@night"],
        "unroutable": ["everyone"]}
    metadata = answer["summary"]["metadata"]
    assert list(metadata) == METADATA
    assert is_time(metadata.pop("sentAt"))
    assert metadata == {
        "lockId": request["lockId"], "tenantId": request["tenantId"],
        "reservationId": request["reservationId"], "roomTypeId": request["roomTypeId"],
        "roomId": request["roomId"], "stayStart": moment(0), "stayEnd": moment(3, 11),
        "reason": request["reason"],
        "actor": {"id": "ops.42", "name": "Alex Night", "email": "alex@hotel.example"}}
    for text in ("plainText", "htmlBody", "slackText", "smsText"):
        assert request["reason"] in answer["summary"][text]
        assert request["lockId"] in answer["summary"][text]
        assert "Alex Night" in answer["summary"][text]
    assert answer["summary"]["subject"] == (
        f"Room lock released by Alex Night, stay {day(0)} to {day(3)}")


def test_what_is_not_given_is_null(client):
    _, summary = tried(client)
    assert summary["metadata"]["reservationId"] is None
    assert summary["metadata"]["roomId"] is None
    assert summary["metadata"]["actor"]["email"] is None


def test_nobody_is_told_of_a_dry_run(client, database):
    before = database.rows("SELECT count(*) AS n FROM guard.outbox")
    tried(client)
    assert database.rows("SELECT count(*) AS n FROM guard.outbox") == before


def test_nobody_left(client):
    for recipients in ([""], [" ", "\t\r\n", "\u00a0\u2003"]):
        answer = check_json(dry_run(client, recipients=recipients))
        assert answer == {"status": "skipped", "reason": "no_recipients"}


def test_unroutable_alone_is_shown(client):
    recipients, _ = tried(client, recipients=["everyone"])
    assert recipients["unroutable"] == ["everyone"]


def test_the_tenant_may_stand_in_a_header(client):
    tenant_id = new_id()
    answer = client.post(PATH, body(tenantId=ABSENT),
                         headers={**OPERATOR, "X-Tenant-Id": tenant_id})
    assert check_json(answer)["summary"]["metadata"]["tenantId"] == tenant_id


def test_the_setting_is_merged(request):
    with running(request.session, GUARD_WORKERS=1,
                 AVAILABILITY_GUARD_NOTIFICATION_RECIPIENTS=(
                     " rev@hotel.example,GM@Hotel.example,, slack:#ops ")) as system:
        with Client(system.base_url) as client:
            recipients, _ = tried(client, recipients=["gm@hotel.example", "#night"])
            assert recipients == {
                "provided": ["gm@hotel.example", "#night"],
                "merged": ["gm@hotel.example", "#night", "rev@hotel.example", "slack:#ops"],
                "email": ["gm@hotel.example", "rev@hotel.example"], "sms": [],
                "slack": ["#night", "#ops"], "unroutable": []}
            recipients, _ = tried(client, recipients=[""])
            assert recipients["provided"] == [""]
            assert recipients["merged"] == ["rev@hotel.example", "GM@Hotel.example", "slack:#ops"]


def page_examples():
    """The JSON of docs/notifications.md: email, sms, slack, answer, event."""
    page = (SOURCE / "docs/notifications.md").read_text("utf-8")
    return [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", page, re.M | re.S)]


def timeless(text):
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC(?=\n\*?Stay)", "…", text)


def test_the_page_shows_what_is_sent(client):
    email, sms, slack, answer, event = page_examples()
    places = {name: event[name] for name in METADATA
              if name not in ("actor", "sentAt")}
    actor = {"actorId": event["actor"]["id"], "actorName": event["actor"]["name"],
             "actorEmail": event["actor"]["email"]}
    recipients, summary = tried(client, **places, **actor, recipients=answer["provided"])
    assert recipients == answer
    assert set(event["recipients"]) <= set(answer["provided"])
    assert summary["subject"] == email["subject"]
    assert timeless(summary["plainText"]) == timeless(email["textBody"])
    assert summary["smsText"] == sms["message"]
    assert timeless(summary["slackText"]) == timeless(slack["text"])
    assert [email["recipients"], sms["recipients"], slack["recipients"]] == [
        recipients["email"], recipients["sms"], recipients["slack"]]
    assert list(email["metadata"]) == METADATA
    assert {**summary["metadata"], "sentAt": event["sentAt"]} == email["metadata"]


# --- what is refused ----------------------------------------------------------------------------

REQUIRED = ["lockId", "tenantId", "roomTypeId", "stayStart", "stayEnd", "reason", "actorId",
            "actorName", "recipients"]


def test_all_that_is_missing_is_named(client):
    answer = client.post(PATH, {}, headers=OPERATOR)
    check_problem(answer, 400, "invalid_request", REQUIRED)


@pytest.mark.parametrize("field", REQUIRED)
def test_each_is_required(client, field):
    check_problem(dry_run(client, **{field: ABSENT}), 400, "invalid_request", [field])


WRONG = {
    "lockId": [None, 1, "", "x", []],
    "tenantId": [None, 1, "", "x", {}],
    "roomTypeId": [None, True, "", "x"],
    "roomId": [1, "x", []],
    "reservationId": [1, "", "x"],
    "stayStart": [None, 0, "", "2090-02-30", "tomorrow"],
    "stayEnd": [None, 0, day(0), day(-1), "tomorrow"],
    "reason": [None, 1, "", [], "x" * 501, "🏨" * 501],
    "actorId": [None, 1, "", "x" * 256],
    "actorName": [None, 1, "", "x" * 256],
    "actorEmail": [1, "", "x" * 321],
    "recipients": [None, "gm@hotel.example", 1, {}, [], [1], [None], [["gm@hotel.example"]],
                   ["gm@hotel.example", True], ["x"] * 101, ["x" * 321], ["ü" * 161]],
}


@pytest.mark.parametrize("field", WRONG)
def test_wrong_values_name_their_field(client, field):
    for value in WRONG[field]:
        check_problem(dry_run(client, **{field: value}), 400, "invalid_request", [field])


def test_all_that_is_wrong_is_named(client):
    wrong = {field: values[-1] for field, values in WRONG.items()}
    answer = client.post(PATH, wrong, headers=OPERATOR)
    check_problem(answer, 400, "invalid_request", list(WRONG))


def checked(recipients):
    """What the guard says of this setting."""
    return subprocess.run(
        [build_dir() / "availability-guard", "-n"], text=True, stdin=subprocess.DEVNULL,
        env={"AVAILABILITY_GUARD_NOTIFICATION_RECIPIENTS": ",".join(recipients)},
        capture_output=True, timeout=20, check=False)


def test_a_setting_that_would_not_fit_stops_the_start():
    many = [f"x{number}@hotel.example" for number in range(101)]
    assert checked(many[:100]).returncode == 0
    for wrong in (many, ["x" * 321 + "@hotel.example"]):
        done = checked(wrong)
        assert done.returncode == 2
        assert "AVAILABILITY_GUARD_NOTIFICATION_RECIPIENTS" in done.stderr
        assert "hotel.example" not in done.stderr


# --- any text -----------------------------------------------------------------------------------

def ascii_lower(text):
    return "".join(c.lower() if c.isascii() else c for c in text)


def classified(text):
    """(channel, address) of a trimmed text, as the contract says it."""
    if CONTROL.search(text):
        return "unroutable", text
    if ascii_lower(text[:6]) == "slack:" and text[6:].strip(WHITE):
        return "slack", text[6:].strip(WHITE)
    if text[0] in "#@" and len(text) > 1:
        return "slack", text
    number = NUMBER_DRESSING.sub("", text)
    if re.fullmatch(r"\+[0-9]{7,15}", number):
        return "sms", number
    if "@" in text[1:-1]:
        return "email", text
    return "unroutable", text


def bucketed(texts):
    """What the answer must say of these recipients."""
    found = {"provided": texts, "merged": [], **{channel: [] for channel in CHANNELS}}
    seen = set()
    for text in texts:
        text = text.strip(WHITE)
        if not text:
            continue
        channel, address = classified(text)
        key = channel, ascii_lower(address) if channel == "email" else address
        if key not in seen:
            seen.add(key)
            found["merged"].append(text)
            found[channel].append(address)
    return found


# NUL and lone surrogates are refused before any recipient is looked at.
CHARACTERS = st.characters(blacklist_categories=("Cs",), blacklist_characters="\0")
ANY_TEXT = st.text(CHARACTERS, max_size=60)
# Near the rules: what random texts would hardly ever hit.
NEAR = st.lists(st.sampled_from(
    ["slack:", "SLACK:", "#", "@", "+", "1", "0123456", "٣", "-", ".", "(", ")", "[", "]", " ",
     "\u00a0", "\u2011", "\u2014", "\ufeff", "\r\n", "\t", "\u2028", "\x7f", "a", "GM", "gm",
     "hotel.example", "ü", "🏨", "<", "&", "\"", ","]), max_size=12).map("".join)
RECIPIENT = st.one_of(ANY_TEXT, NEAR)

PROPERTY = settings(deadline=None, derandomize=True, max_examples=150, database=None,
                    suppress_health_check=[HealthCheck.function_scoped_fixture])


@PROPERTY
@given(texts=st.lists(RECIPIENT, min_size=1, max_size=30))
def test_any_text_is_in_exactly_one_bucket(client, texts):
    expected = bucketed(texts)
    if not expected["merged"]:
        answer = check_json(dry_run(client, recipients=texts))
        assert answer == {"status": "skipped", "reason": "no_recipients"}
        return
    recipients, _ = tried(client, recipients=texts)
    assert recipients == expected
    assert len(recipients["merged"]) == sum(len(recipients[channel]) for channel in CHANNELS)
    # What an event carries gives the same again.
    again, _ = tried(client, recipients=recipients["merged"])
    assert {**again, "provided": None} == {**recipients, "provided": None}


class Page(HTMLParser):
    """The tags of a document, and the text of the cells that hold values."""

    def __init__(self, document):
        super().__init__(convert_charrefs=True)
        self.tags = []
        self.cells = []
        self.in_cell = False
        self.feed(document)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(attrs)))
        if tag == "td":
            self.in_cell = True
            self.cells.append("")

    def handle_endtag(self, tag):
        self.tags.append(("/" + tag, ()))
        self.in_cell = False

    def handle_data(self, data):
        if self.in_cell:
            self.cells[-1] += data


def one_line(text):
    """What a value becomes where the lines of a text mean something."""
    text = re.sub(f"[{WHITE}\0-\x1f\x7f-\x9f]+", " ", REORDERING.sub("", text)).strip(" ")
    return text or "-"


def sms_segments(text):
    """Segments of a long message; no character is split over two."""
    is_gsm = all(c in GSM or c in GSM_EXTENSION for c in text)
    room = 153 if is_gsm else 67
    segments, used = 1, 0
    for c in text:
        cost = (2 if c in GSM_EXTENSION else 1) if is_gsm else len(c.encode("utf-16-le")) // 2
        if used + cost > room:
            segments, used = segments + 1, 0
        used += cost
    return segments


TEXT = st.one_of(st.text(CHARACTERS, min_size=1, max_size=250), NEAR.filter(bool),
                 st.sampled_from(["<!channel>", "@channel", "<script>alert(1)</script>", "&lt;",
                                  "x\r\nTenant: y", "\u202egnp.exe", "]]><!--", "ю" * 250]))


@PROPERTY
@given(reason=TEXT, name=TEXT, email=TEXT)
def test_any_text_stays_text(client, reason, name, email):
    _, plain = tried(client, reason="x", actorName="x", actorEmail="x")
    _, summary = tried(client, reason=reason, actorName=name, actorEmail=email)
    assert summary["metadata"]["reason"] == reason
    assert summary["metadata"]["actor"] == {"id": "ops.42", "name": name, "email": email}
    # HTML: the tags are ours, whatever was written, and what was written can be read.
    page = Page(summary["htmlBody"])
    assert page.tags == Page(plain["htmlBody"]).tags
    assert page.cells[0] == one_line(reason)
    assert page.cells[1] == f"{one_line(name)} (ops.42, {one_line(email)})"
    assert html.escape(one_line(reason)).replace("&#x27;", "&#39;") in summary["htmlBody"]
    # Lines: as many as there are without it.
    for text in ("subject", "plainText", "slackText", "smsText"):
        assert summary[text].count("\n") == plain[text].count("\n"), summary[text]
        assert not CONTROL.search(summary[text].replace("\n", "")), summary[text]
    assert summary["plainText"].split("\n")[2] == f"Reason: {one_line(reason)}"
    # Slack: no control sequence, no mention.
    assert not re.search("[<>]", summary["slackText"])
    assert not re.search("(?<![0-9A-Za-z])@(?!\u200b)", summary["slackText"])
    slack_reason = html.unescape(summary["slackText"].split("\n")[1])
    assert slack_reason.replace("@\u200b", "@") == \
        f"*Reason:* {one_line(reason)}".replace("@\u200b", "@")
    # SMS: two segments at the most, cut only where it must be.
    assert sms_segments(summary["smsText"]) <= 2
    cut = summary["smsText"].endswith("...")
    assert cut or summary["smsText"].endswith(": " + one_line(reason))
    assert len(summary["subject"]) <= 120
