"""A Prometheus of our own: it scrapes one guard each second, with the rules of observability/."""

import http.client
import json
import re
import shutil
import signal
import subprocess
import urllib.parse
from pathlib import Path

from .ports import free_port
from .process import PartFailed, tail, wait_until

HOST = "127.0.0.1"
START_SECONDS = 30
STOP_SECONDS = 20
QUERY_SECONDS = 30

CONFIGURATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: availability-guard
    static_configs:
      - targets: ["{target}"]
"""


def filled_in(query, interval="10s"):
    """The query of a panel as Grafana would send it for all namespaces and instances."""
    found = re.sub(r"\$(namespace|instance)\b", ".*", query).replace("$__rate_interval", interval)
    assert "$" not in found, f"a variable that nobody knows: {query}"
    return found


class Prometheus:
    """Not a part of a System: started and stopped by whoever wants to look at one.

    folder: for its data. target: host:port of nginx. rules: a file of rules."""

    def __init__(self, folder, target, rules):
        self.folder = Path(folder)
        self.port = free_port()
        self._target = target
        self._rules = Path(rules).resolve()
        self._process = None

    def __enter__(self):
        program = shutil.which("prometheus")
        if program is None:
            raise PartFailed("prometheus is not installed")
        self.folder.mkdir(parents=True)
        configuration = self.folder / "prometheus.yml"
        configuration.write_text(CONFIGURATION.format(rules=self._rules, target=self._target))
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(  # pylint: disable=consider-using-with
                [program, f"--config.file={configuration}",
                 f"--storage.tsdb.path={self.folder / 'data'}",
                 f"--web.listen-address={HOST}:{self.port}", "--log.level=warn"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        try:
            wait_until(self._is_ready, START_SECONDS,
                       lambda: f"prometheus does not answer:\n{tail(self.log)}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def log(self):
        return self.folder / "prometheus.log"

    def _is_ready(self):
        if self._process.poll() is not None:
            raise PartFailed(f"prometheus has ended:\n{tail(self.log)}")
        try:
            return self._get("/-/ready")[0] == 200
        except OSError:
            return False

    def _get(self, path, **query):
        connection = http.client.HTTPConnection(HOST, self.port, timeout=QUERY_SECONDS)
        try:
            connection.request("GET", f"{path}?{urllib.parse.urlencode(query)}")
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _ask(self, path, **query):
        status, body = self._get(path, **query)
        answer = json.loads(body)
        if status != 200 or answer["status"] != "success":
            raise PartFailed(f"prometheus: {query}: {answer.get('error', answer)}")
        return answer["data"]

    def query(self, expression):
        """The series that there are now: [(labels, value)], without those that are no number."""
        found = self._ask("/api/v1/query", query=expression)["result"]
        return [(series["metric"], float(series["value"][1])) for series in found
                if series["value"][1] != "NaN"]

    def query_range(self, expression, start, end, step=1):
        """[(labels, [(time, value)])]"""
        found = self._ask("/api/v1/query_range", query=expression, start=start, end=end,
                          step=step)["result"]
        return [(series["metric"], [(float(at), float(value)) for at, value in series["values"]])
                for series in found]

    def rules(self):
        """All rules that are evaluated, as Prometheus describes them."""
        return [rule for group in self._ask("/api/v1/rules")["groups"] for rule in group["rules"]]
