"""Every command with helm in docs/helm.md and in the chart's README does what it is said to do, as far as that can be
seen without a cluster: what changes one is rendered instead, and its options are read by helm itself."""

import os
import re
import subprocess

import pytest

from chart import CHART, SOURCE

# Stands for helm. Without a cluster helm gets as far as trying to reach it: past its options.
HELM = r"""#!/bin/bash
set -eu
unreached() {
  if output=$("$HELM" "$@" 2>&1); then
    echo "helm $*: worked without a cluster" >&2
    exit 1
  fi
  case $output in *"cluster unreachable"*) ;; *)
    printf 'helm %s\n%s\n' "$*" "$output" >&2
    exit 1
  esac
}
case $1 in
  lint | template) exec "$HELM" "$@" ;;
  install | upgrade)
    unreached "$@"
    shift
    arguments=()
    for argument; do
      case $argument in
        --reuse-values) ;;
        *) arguments+=("$argument") ;;
      esac
    done
    exec "$HELM" template "${arguments[@]}"
    ;;
  *) unreached "$@" ;;
esac
"""
OTHERS = ("kubectl", "docker", "psql")
PAGES = {"docs/helm.md": r"^```sh\n(.*?)^```", "helm/availability-guard/README.md": r"((?:^    [^\n]*\n)+)"}


def blocks():
    for page, pattern in PAGES.items():
        text = (SOURCE / page).read_text(encoding="utf-8")
        for number, block in enumerate(re.findall(pattern, text, re.MULTILINE | re.DOTALL)):
            if re.search(r"\bhelm ", block):
                yield pytest.param(block, id=f"{page}-{number}")


@pytest.fixture
def programs(tmp_path):
    """A folder with helm, and with programs that do nothing."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("helm", *OTHERS):
        (folder / name).write_text(HELM if name == "helm" else "#!/bin/sh\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("block", blocks())
def test_commands_work(block, programs, tmp_path):
    (tmp_path / "helm").symlink_to(CHART.parent)
    # Of the block before that makes it.
    (tmp_path / "values.yaml").write_text("settings: {DB_HOST: db}\n", encoding="utf-8")
    done = subprocess.run(["bash", "-euc", block], cwd=tmp_path, text=True, check=False, timeout=60,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={"PATH": f"{programs}:{os.environ['PATH']}", "HELM": os.environ["HELM"],
                               "HOME": "/nonexistent", "KUBECONFIG": "/nonexistent"})
    assert done.returncode == 0, done.stdout


def test_there_are_such_commands():
    assert len(list(blocks())) > 8
