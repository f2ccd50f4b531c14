# shellcheck shell=bash
# What quickstart, test and .ci/run have in common. Sourced, after `set -euo pipefail`.

# shellcheck disable=SC2034  # used by those who source this
python=/usr/bin/python3
export PYTHONDONTWRITEBYTECODE=1
# Their own settings of libpq must not send us to a database of theirs.
unset PGHOST PGHOSTADDR PGPORT PGUSER PGPASSWORD PGPASSFILE PGDATABASE PGSERVICE PGOPTIONS PGSSLMODE

# What is built here is run by an unprivileged account.
umask 022

say() { printf '%s\n' "$*"; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# quietly LOG COMMAND...: output goes to the log; its tail is shown when the command fails.
quietly() {
  local log=$1 status=0
  shift
  "$@" >>"$log" 2>&1 || status=$?
  if [ "$status" -ne 0 ]; then
    tail -n 40 "$log" >&2
    printf '%s: failed (%s): %s\n' "${0##*/}" "$log" "$*" >&2
  fi
  return "$status"
}

# configure_tree SOURCE BUILD FLAGS...: out of tree; makes ./configure first where it is not.
configure_tree() {
  local source=$1 build=$2
  shift 2
  [ ! -e "$source/config.status" ] ||
    die "$source is configured itself: run 'make distclean' there, builds are out of tree"
  if [ ! -x "$source/configure" ] || [ "$source/configure.ac" -nt "$source/configure" ]; then
    # Two runs in one checkout must not make it at the same time.
    (cd "$source" && flock configure.ac autoreconf --install)
  fi
  mkdir -p "$build"
  # An unchanged, configured tree stays, so that a second run only builds what is new.
  if [ -e "$build/config.status" ] && [ -e "$build/.flags" ] &&
    [ "$(cat "$build/.flags")" = "$*" ] && [ "$build/config.status" -nt "$source/configure" ]; then
    return
  fi
  (cd "$build" && "$source/configure" --quiet "$@")
  printf '%s\n' "$*" >"$build/.flags"
}

# Compilers at once: one for each processor.
jobs_at_once() { nproc 2>/dev/null || echo 2; }
