"""Makes the root file systems of the images as the Containerfile says, without a container engine.

Debian itself comes from mmdebstrap instead of a registry. What a stage does then is read from the
Containerfile and done; an instruction that is not known here is an error."""

import re
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def stages():
    """{name: (base, [(instruction, arguments)])}"""
    text = (SOURCE / "Containerfile").read_text(encoding="utf-8")
    found, name = {}, None
    for line in re.sub(r"\\\n", "", re.sub(r"(?m)^#.*\n", "", text)).splitlines():
        if not line.strip():
            continue
        instruction, arguments = line.split(None, 1)
        if instruction == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\S+)", arguments).groups()
            found[name] = (base, [])
        else:
            found[name][1].append((instruction, arguments))
    return found


def debian(folder):
    """What the image debian:bookworm-slim has, but for the documents."""
    subprocess.run(["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase",
                    "--dpkgopt=force-unsafe-io", "bookworm", folder], check=True, timeout=300,
                   stdin=subprocess.DEVNULL)


RUN = """
set -e
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
touch "$root/etc/resolv.conf"
mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
for pair in $mounts; do
  mkdir -p "$root${pair#*:}"
  mount --bind "${pair%%:*}" "$root${pair#*:}"
  mount -o remount,bind,ro "$root${pair#*:}"
done
exec chroot "$root" /usr/bin/env -i "PATH=$PATH" /bin/sh -c "$command"
"""


def run(root, arguments, packages):
    """RUN --mount=type=bind,… COMMAND. Packages are those of the stage that builds them."""
    mounts = []
    while arguments.startswith("--mount="):
        option, arguments = arguments.split(None, 1)
        options = dict(part.split("=", 1) for part in option.removeprefix("--mount=").split(","))
        assert options["type"] == "bind", option
        source = packages if options.get("from") == "packages" else SOURCE / options["source"]
        mounts.append(f"{source}:{options['target']}")
    subprocess.run(["unshare", "--mount", "sh", "-c", RUN], check=True, timeout=300, stdin=subprocess.DEVNULL,
                   env={"PATH": PATH, "root": str(root), "mounts": " ".join(mounts), "command": arguments})
    for pair in mounts:
        (root / pair.rpartition(":")[2].lstrip("/")).rmdir()


class Image:
    def __init__(self, root, user):
        self.root = root
        self.user = user


def make(name, base_root, root, packages):
    """An Image: the stage of this name, on top of a Debian that is there."""
    base, instructions = stages()[name]
    assert base == "debian:bookworm-slim"
    subprocess.run(["cp", "-a", base_root, root], check=True)
    user = "0:0"
    for instruction, arguments in instructions:
        if instruction == "RUN":
            run(root, arguments, packages)
        elif instruction == "USER":
            user = arguments
        else:
            assert instruction == "EXPOSE", instruction
    return Image(root, user)


def remove(root):
    shutil.rmtree(root)
