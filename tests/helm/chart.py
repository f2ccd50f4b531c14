"""Rendering the chart. HELM and MANIFESTS name the two programs that tests/helm/build makes."""

import json
import os
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
CHART = SOURCE / "helm/availability-guard"
VALUE_SETS = sorted(path.stem.removesuffix("-values") for path in (CHART / "ci").glob("*-values.yaml"))


class Refused(Exception):
    """helm ended with an error; its text is the message."""


class Objects(list):
    """The objects of a rendering."""

    def of(self, kind):
        return {item["metadata"]["name"]: item for item in self if item["kind"] == kind}

    def one(self, kind, name):
        return self.of(kind)[name]

    def pods(self):
        """{name of the object: its pod, with metadata and spec}"""
        found = {}
        for item in self:
            if item["kind"] == "Pod":
                found[item["metadata"]["name"]] = item
            elif "template" in item.get("spec", {}):
                found[item["metadata"]["name"]] = item["spec"]["template"]
        return found

    def settings(self, name="availability-guard"):
        return self.one("ConfigMap", name)["data"]


def helm(*arguments, cwd=SOURCE):
    # No cluster, no configuration of whoever runs the tests.
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUBECONFIG": "/nonexistent"}
    done = subprocess.run([os.environ["HELM"], *map(str, arguments)], env=environment, text=True, cwd=cwd,
                          capture_output=True, check=False, timeout=60)
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


def check(manifests):
    """The objects, held against the types of the Kubernetes API."""
    done = subprocess.run([os.environ["MANIFESTS"]], input=manifests, text=True, capture_output=True,
                          check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return Objects(json.loads(done.stdout))


def render(*arguments):
    return check(helm("template", "availability-guard", CHART, "--namespace", "tartware-shadow",
                      *arguments))


def values_of(name):
    return ["--values", CHART / f"ci/{name}-values.yaml"]
