"""The webhook sink of a system (scripts/webhook-sink), and what tests ask of it."""

import http.client
import json
import shutil
import signal
import threading
from pathlib import Path

from .ports import require_free
from .process import PartFailed, Process, wait_until

HOST = "127.0.0.1"
CHANNELS = ("email", "sms", "slack")
START_SECONDS = 30
REQUEST_SECONDS = 20


class Sink:
    def __init__(self, state_dir, *, source, port, user, options=()):
        state = Path(state_dir)
        self.port = port
        self.record = state / "logs" / "webhooks.jsonl"
        self._source = Path(source)
        self._copy = state / "webhook-sink"
        self._user = user
        self._options = [str(option) for option in options]
        self._seen = []
        self._lock = threading.Lock()
        self.process = Process("sink", records=state / "records", log=state / "logs" / "sink.log",
                               user=user, cwd=state)

    def url(self, path):
        return f"http://{HOST}:{self.port}{path}"

    def settings(self, given):
        """The webhook addresses that `given` does not name. That it is ours makes it safe to send:
        with all addresses ours the dry run is off, unless asked for."""
        prefix = "AVAILABILITY_GUARD_NOTIFICATION"
        urls = {f"{prefix}_{channel.upper()}_WEBHOOK_URL": self.url(f"/{channel}")
                for channel in CHANNELS}
        found = {name: url for name, url in urls.items() if not given.get(name)}
        if len(found) == len(urls):
            found[f"{prefix}_DRY_RUN"] = "false"
            found.update({f"{prefix}_{channel.upper()}_ENABLED": "true" for channel in CHANNELS})
        return found

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        if self.process.running():
            return
        require_free(self.port, HOST)
        # The account that runs it need not be able to enter the source tree.
        shutil.copyfile(self._source, self._copy)
        self._copy.chmod(0o755)
        self.record.touch(0o640)
        if self._user:
            self._user.own(self.record)
        self._seen = []
        self.process.start(["/usr/bin/python3", "-B", str(self._copy), "--host", HOST,
                            "--port", str(self.port), "--record", str(self.record),
                            *self._options],
                           {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
        self.process.wait_for(self._answers, START_SECONDS, "takes no connections")

    def stop(self):
        self.process.stop([(signal.SIGTERM, 10), (signal.SIGKILL, 10)])

    def _answers(self):
        try:
            self._ask("GET", "/_records?path=-")
        except OSError:
            return False
        return True

    def _ask(self, method, path, body=None):
        connection = http.client.HTTPConnection(HOST, self.port, timeout=REQUEST_SECONDS)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read().decode()
        except http.client.HTTPException as error:
            raise OSError(f"no HTTP answer: {error!r}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise PartFailed(f"sink: {method} {path}: {answer.status} {text}")
        return json.loads(text)

    # --- for tests -------------------------------------------------------------------------

    def behave(self, path, *answers, then=None):
        """From now on: these answers in their order, then always `then` (default: 200)."""
        self._ask("PUT", "/_behaviour", {"path": path, "answers": answers, "then": then or {}})

    def behave_well(self):
        """Every path answers 200 again."""
        self._ask("DELETE", "/_behaviour")

    def records(self, path=None):
        """What came, to this path or to any, as scripts/webhook-sink describes it."""
        # Only what is new: asked for again and again, it must not keep the sink from its calls.
        with self._lock:
            since = self._seen[-1]["number"] if self._seen else 0
            self._seen += self._ask("GET", f"/_records?since={since}")
            return [record for record in self._seen
                    if path is None or record["path"].partition("?")[0] == path]

    def forget(self):
        """Forgets the records; those in the file stay."""
        with self._lock:
            self._ask("DELETE", "/_records")
            self._seen = []

    def wait(self, condition, seconds_max, what, path=None):
        """Polls until condition(records) holds; gives the records."""
        found = []

        def holds():
            found[:] = self.records(path)
            return condition(found)
        wait_until(holds, seconds_max, lambda: f"not within {seconds_max} s: {what}; "
                                               f"{len(found)} calls came")
        return found
