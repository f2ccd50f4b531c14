"""The unprivileged account that the parts run as when the caller is root."""

import os
import pwd
import subprocess


class Account:
    def __init__(self, name):
        entry = pwd.getpwnam(name)
        self.name = name
        self.uid = entry.pw_uid
        self.gid = entry.pw_gid

    def popen_arguments(self):
        """Arguments for subprocess that give up root before the program starts."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path):
        os.chown(path, self.uid, self.gid)

    def can(self, test, path):
        """Whether the account passes test(1) with this operator (-x, -r) on the path."""
        done = subprocess.run(["/usr/bin/test", test, str(path)], check=False, cwd="/",
                              **self.popen_arguments())
        return done.returncode == 0


def unprivileged(name=None):
    """The account to run as: name (default nobody) for root, None (stay who we are) for others.

    PostgreSQL refuses to run as root, and nothing else here needs to."""
    if os.geteuid() != 0:
        return None
    return Account(name or "nobody")
