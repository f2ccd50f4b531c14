"""GUARD_CPU: nginx and the guard processes stay together on one processor."""

import os

from shape import check_locked
from systems import running
from tenant import Tenant


def processors(system):
    """Where each guard process and each worker of nginx may run."""
    return [os.sched_getaffinity(pid) for pid in [*system.guard_pids(), *system.nginx_pids()]]



def test_all_stay_on_the_one_that_is_named(request):
    last = max(os.sched_getaffinity(0))
    with running(request.session, GUARD_CPU=last) as system:
        found = processors(system)
        assert len(found) == 3
        assert all(where == {last} for where in found)
        tenant = Tenant(system.base_url)
        check_locked(tenant.lock())
        tenant.close()
