"""Runs the pods of a rendered chart, as far as their programs can tell: each container in a root file
system that is read only, with its own processes and mounts, as the account and with the (no)
rights that its security context names, and ended as the kubelet does it.

What is not as in a cluster: all pods share the network of this machine, where the names of services are
127.0.0.1; limits of memory and processor time are not kept."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import threading
import time

from containerfile import PATH

DEVICES = ("null", "zero", "full", "random", "urandom")

# The root is made anew in a name space of mounts of its own. A container's programs can see and end only
# each other, and the first of them is process 1.
ENTER = """
set -e
mount --make-rprivate /
mount --bind "$root" "$view"
mount -o remount,bind,ro "$view"
mount -t proc -o nosuid,nodev,noexec proc "$view/proc"
mount -t tmpfs -o mode=755 tmpfs "$view/dev"
for device in $devices; do
  touch "$view/dev/$device"
  mount --bind "/dev/$device" "$view/dev/$device"
done
ln -s /proc/self/fd "$view/dev/fd"
ln -s /proc/self/fd/0 "$view/dev/stdin"
ln -s /proc/self/fd/1 "$view/dev/stdout"
ln -s /proc/self/fd/2 "$view/dev/stderr"
mount --bind "$hosts" "$view/etc/hosts"
while read -r mode source target; do
  [ -n "$mode" ] || continue
  mount --bind "$source" "$view$target"
  mount -o "remount,bind,nosuid,nodev,$mode" "$view$target"
done <<END
$mounts
END
cd "$view"
exec "$@"
"""


class Failed(Exception):
    pass


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.05)


class Container:
    def __init__(self, pod, spec):
        self.pod = pod
        self.spec = spec
        self.name = spec["name"]
        self.log = pod.folder / f"{self.name}.log"
        self._process = None
        self.pid = None  # of its process 1, as this machine knows it

    # --- what it gets --------------------------------------------------------------------

    def _environment(self):
        found = {"PATH": PATH, "HOME": "/", "HOSTNAME": self.pod.name}
        for source in self.spec.get("envFrom", []):
            found.update(self.pod.cluster.config_map(source["configMapRef"]["name"]))
        for variable in self.spec.get("env", []):
            if "value" in variable:
                found[variable["name"]] = variable["value"]
                continue
            key = variable["valueFrom"]["secretKeyRef"]
            value = self.pod.cluster.secrets.get(key["name"], {}).get(key["key"])
            if value is not None:
                found[variable["name"]] = value
            elif not key.get("optional"):
                raise Failed(f"{self.name}: secret {key['name']} has no key {key['key']}")
        return [f"{name}={value}" for name, value in found.items()]

    def _rights(self):
        """As the security contexts say it."""
        pod, own = self.pod.spec["securityContext"], self.spec["securityContext"]
        assert own["capabilities"]["drop"] == ["ALL"] and not own["allowPrivilegeEscalation"]
        assert own["readOnlyRootFilesystem"]
        assert pod["runAsNonRoot"] and pod["runAsUser"] > 0
        return ["setpriv", "--reuid", str(pod["runAsUser"]), "--regid", str(pod["runAsGroup"]),
                "--groups", str(pod["fsGroup"]), "--inh-caps=-all", "--ambient-caps=-all",
                "--bounding-set=-all", "--no-new-privs"]

    def _become(self, command):
        return [*self._rights(), "/usr/bin/env", "-i", *self._environment(), *command]

    def _mounts(self):
        lines = []
        for mount in self.spec.get("volumeMounts", []):
            mode = "ro" if mount.get("readOnly") else "rw"
            lines.append(f"{mode} {self.pod.volume(mount['name'])} {mount['mountPath']}")
        return "\n".join(lines)

    # --- its life ------------------------------------------------------------------------

    def start(self):
        image = self.pod.cluster.image(self.spec["image"])
        user = self.pod.spec["securityContext"]
        assert image.user == f"{user['runAsUser']}:{user['runAsGroup']}"
        # An engine makes what it mounts things on, too.
        (image.root / "etc/hosts").touch()
        for mount in self.spec.get("volumeMounts", []):
            (image.root / mount["mountPath"].lstrip("/")).mkdir(parents=True, exist_ok=True)
        view = self.pod.folder / f"{self.name}.root"
        view.mkdir(exist_ok=True)
        environment = {"PATH": PATH, "root": str(image.root), "view": str(view), "mounts": self._mounts(),
                       "devices": " ".join(DEVICES), "hosts": str(self.pod.cluster.hosts)}
        # A container may write to what it is given as its output, and open it anew.
        with open(self.log, "ab") as log:
            os.fchown(log.fileno(), user["runAsUser"], user["runAsGroup"])
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh",
                 "chroot", ".", *self._become(self.spec["command"])],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        self.pid = self._first()

    def _first(self):
        children = f"/proc/{self._process.pid}/task/{self._process.pid}/children"

        def found():
            try:
                with open(children, encoding="ascii") as file:
                    return file.read().split()
            except FileNotFoundError:
                return []
        wait_for(lambda: found() or self._process.poll() is not None, 10, f"{self.name} is started")
        pids = found()
        return int(pids[0]) if pids else None

    def wait(self, seconds):
        """Its exit status."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} does not end\n{self.text()}") from None

    def running(self):
        return self._process is not None and self._process.poll() is None

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def execute(self, command, seconds):
        """As `kubectl exec` and the hooks do it; its exit status and what it said."""
        done = subprocess.run(
            ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--root", "--wd", "--",
             *self._become(command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, timeout=seconds)
        return done.returncode, done.stdout

    def text(self):
        return self.log.read_text("utf-8", "replace")

    # --- probes --------------------------------------------------------------------------

    def _port(self, port):
        named = {each["name"]: each["containerPort"] for each in self.spec.get("ports", [])}
        return named.get(port, port)

    def probe(self, kind):
        """Whether the probe succeeds, if there is one."""
        probe = self.spec.get(kind)
        if probe is None:
            return True
        seconds = probe.get("timeoutSeconds", 1)
        try:
            if "tcpSocket" in probe:
                with socket.create_connection(("127.0.0.1", self._port(probe["tcpSocket"]["port"])), seconds):
                    return True
            asked = probe["httpGet"]
            connection = http.client.HTTPConnection("127.0.0.1", self._port(asked["port"]), timeout=seconds)
            with contextlib.closing(connection):
                connection.request("GET", asked["path"])
                return 200 <= connection.getresponse().status < 400
        except OSError:
            return False


class Pod:
    def __init__(self, cluster, name, template):
        self.cluster = cluster
        self.name = name
        self.spec = template["spec"]
        self.folder = cluster.folder / name
        self.folder.mkdir()
        self.initial = [Container(self, spec) for spec in self.spec.get("initContainers", [])]
        self.containers = {spec["name"]: Container(self, spec) for spec in self.spec["containers"]}
        self._make_volumes()

    def _make_volumes(self):
        for volume in self.spec.get("volumes", []):
            folder = self.folder / "volumes" / volume["name"]
            folder.mkdir(parents=True)
            if "configMap" in volume:
                for name, text in self.cluster.config_map(volume["configMap"]["name"]).items():
                    (folder / name).write_text(text, encoding="utf-8")
            else:
                assert "emptyDir" in volume
                group = self.spec["securityContext"]["fsGroup"]
                os.chown(folder, 0, group)
                folder.chmod(0o2777)

    def volume(self, name):
        return self.folder / "volumes" / name

    def start(self):
        for each in self.initial:
            each.start()
            status = each.wait(60)
            if status:
                raise Failed(f"{self.name}: {each.name} ended with {status}\n{each.text()}")
        for each in self.containers.values():
            each.start()
        return self

    def run(self, seconds=60):
        """Of a pod that ends by itself: the exit status of its one container, and its output."""
        self.start()
        each, = self.containers.values()
        return each.wait(seconds), each.text()

    def wait_ready(self, seconds=60):
        def all_do(kind):
            for each in self.containers.values():
                if not each.running():
                    raise Failed(f"{self.name}: {each.name} has ended\n{each.text()}")
            return all(each.probe(kind) for each in self.containers.values())
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            wait_for(lambda kind=kind: all_do(kind), seconds, f"{self.name}: {kind}")
        return self

    def stop(self):
        """Hooks, SIGTERM and, when the time is up, SIGKILL, as the kubelet does it. Returns the names of the
        containers that had to be killed."""
        end = time.monotonic() + self.spec["terminationGracePeriodSeconds"]
        killed = []

        def stop_one(each):
            hook = each.spec.get("lifecycle", {}).get("preStop", {}).get("exec")
            if hook and each.running():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    each.execute(hook["command"], max(end - time.monotonic(), 0.1))
            each.signal(signal.SIGTERM)
            try:
                each.wait(max(end - time.monotonic(), 0.1))
            except Failed:
                killed.append(each.name)
                each.signal(signal.SIGKILL)
                each.wait(10)
        threads = [threading.Thread(target=stop_one, args=(each,))
                   for each in self.containers.values() if each.running()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return killed

    def kill(self):
        for each in [*self.initial, *self.containers.values()]:
            if each.running():
                each.signal(signal.SIGKILL)
                each.wait(10)


class Cluster:
    """What pods find around them.

    images   {name of an image in the chart: Image}
    objects  of the chart
    secrets  {name: {key: text}}
    names    that lead to 127.0.0.1, beside those of the chart's services"""

    def __init__(self, folder, images, objects, secrets, names=()):
        self.folder = folder
        self._images = images
        self.objects = objects
        self.secrets = secrets
        self.hosts = folder / "hosts"
        self._pods = []
        services = [item["metadata"]["name"] for item in objects if item["kind"] == "Service"]
        self.hosts.write_text("127.0.0.1 localhost " + " ".join([*services, *names]) + "\n", encoding="ascii")

    def image(self, name):
        return self._images[name.rpartition(":")[0]]

    def config_map(self, name):
        return next(item["data"] for item in self.objects
                    if item["kind"] == "ConfigMap" and item["metadata"]["name"] == name)

    def pod(self, name, template=None):
        """A pod of the chart that is not started yet; another time, under another name, with its template."""
        found = Pod(self, name, template or self.template(name))
        self._pods.append(found)
        return found

    def template(self, name):
        for item in self.objects:
            if item["metadata"]["name"] == name and item["kind"] in ("Deployment", "Job"):
                return item["spec"]["template"]
            if item["metadata"]["name"] == name and item["kind"] == "Pod":
                return item
        raise KeyError(name)

    def stop(self):
        for pod in self._pods:
            pod.kill()
