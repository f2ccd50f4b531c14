"""Whether the chart fits together, with each set of values in ci/. That each object fits the Kubernetes API, and each
pod the level "restricted", is seen while it is rendered."""

import pytest

from chart import CHART, VALUE_SETS, check, helm, render, values_of

FOREIGN_CONFIG_MAPS = {"certificates"}  # those of ci/everything-values.yaml


def selects(selector, pod):
    return selector.items() <= pod["metadata"]["labels"].items()


def containers(pod):
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


@pytest.mark.parametrize("name", VALUE_SETS)
def test_helm_finds_nothing_to_complain_of(name):
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART, *values_of(name))


def test_there_is_one_object_of_a_name(rendered):
    names = [(item["kind"], item["metadata"]["name"]) for item in rendered]
    assert len(names) == len(set(names))
    assert all(len(name) <= 63 for _, name in names)


def test_all_objects_are_in_the_namespace_of_the_release(rendered):
    assert {item["metadata"].get("namespace") for item in rendered} == {"tartware-shadow"}


def test_a_long_name_is_cut_so_that_all_names_fit():
    objects = render("--set", f"fullnameOverride={'n' * 60}")
    assert max(len(item["metadata"]["name"]) for item in objects) <= 63


def test_deployments_find_their_pods(rendered):
    for name, item in rendered.of("Deployment").items():
        assert selects(item["spec"]["selector"]["matchLabels"], item["spec"]["template"]), name
        others = [other for other_name, other in rendered.pods().items() if other_name != name]
        assert not any(selects(item["spec"]["selector"]["matchLabels"], pod) for pod in others), name


def test_services_find_pods_that_have_their_ports(rendered):
    for name, service in rendered.of("Service").items():
        pods = [pod for pod in rendered.pods().values() if selects(service["spec"]["selector"], pod)]
        assert pods, name
        for pod in pods:
            ports = {port["name"] for each in containers(pod) for port in each.get("ports", [])}
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports, name


def test_monitors_find_services_that_have_their_ports(rendered):
    for name, monitor in rendered.of("ServiceMonitor").items():
        found = [service for service in rendered.of("Service").values()
                 if monitor["spec"]["selector"]["matchLabels"].items()
                 <= service["metadata"]["labels"].items()]
        assert len(found) == 1, name  # two would have each pod scraped twice
        ports = {port["name"] for port in found[0]["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports, name


def test_ingresses_lead_to_ports_of_the_service(rendered):
    for ingress in rendered.of("Ingress").values():
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                wanted = path["backend"]["service"]
                ports = rendered.one("Service", wanted["name"])["spec"]["ports"]
                assert wanted["port"]["name"] in {port["name"] for port in ports}
                assert not path["path"].startswith(("/metrics", "/health", "/ready"))


def test_probes_ask_ports_that_containers_have(rendered):
    for name, pod in rendered.pods().items():
        named = {port["name"]: port["containerPort"] for each in containers(pod)
                 for port in each.get("ports", [])}
        for each in pod["spec"]["containers"]:
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                for action in ("httpGet", "tcpSocket"):
                    port = each.get(kind, {}).get(action, {}).get("port")
                    assert port is None or port in named or port in named.values(), (name, kind)


def test_what_is_mounted_is_there(rendered):
    for name, pod in rendered.pods().items():
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        mounted = {mount["name"] for each in containers(pod) for mount in each.get("volumeMounts", [])}
        assert mounted == set(volumes), name
        for volume in volumes.values():
            if "configMap" in volume:
                assert volume["configMap"]["name"] in {*rendered.of("ConfigMap"), *FOREIGN_CONFIG_MAPS}
        for each in containers(pod):
            for source in each.get("envFrom", []):
                assert source["configMapRef"]["name"] in rendered.of("ConfigMap"), name


def test_containers_cannot_write_to_their_root_and_have_limits(rendered):
    for name, pod in rendered.pods().items():
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        for each in containers(pod):
            assert each["securityContext"]["readOnlyRootFilesystem"] is True, (name, each["name"])
            assert each["resources"]["limits"]["memory"], (name, each["name"])
            assert each["resources"]["requests"]["cpu"], (name, each["name"])


def test_no_variable_of_a_container_is_there_twice(rendered):
    for name, pod in rendered.pods().items():
        for each in containers(pod):
            names = [variable["name"] for variable in each.get("env", [])]
            assert len(names) == len(set(names)), (name, each["name"])


def test_autoscaler_and_budget_are_those_of_the_guard(rendered):
    for scaler in rendered.of("HorizontalPodAutoscaler").values():
        target = rendered.one("Deployment", scaler["spec"]["scaleTargetRef"]["name"])
        assert "replicas" not in target["spec"]  # each upgrade would set the number back
    for budget in rendered.of("PodDisruptionBudget").values():
        found = [name for name, pod in rendered.pods().items()
                 if selects(budget["spec"]["selector"]["matchLabels"], pod)]
        assert len(found) == 1 and "app.kubernetes.io/component" in budget["spec"]["selector"]["matchLabels"]


@pytest.mark.parametrize("name", ["default", "everything", "production"])
def test_policies_hold_for_all_pods(name, request):
    rendered = request.getfixturevalue(name)
    closing = [policy["spec"] for policy in rendered.of("NetworkPolicy").values()
               if set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}]
    assert len(closing) == 1 and "ingress" not in closing[0]
    for name, pod in rendered.pods().items():
        assert selects(closing[0]["podSelector"]["matchLabels"], pod), name


def test_policies_name_ports_that_pods_have(rendered):
    for name, policy in rendered.of("NetworkPolicy").items():
        pods = [pod for pod in rendered.pods().values()
                if selects(policy["spec"]["podSelector"].get("matchLabels", {}), pod)]
        assert pods, name
        wanted = {port["port"] for rule in policy["spec"].get("ingress", []) for port in rule["ports"]}
        for pod in pods:
            ports = {port["name"] for each in containers(pod) for port in each.get("ports", [])}
            assert wanted <= ports, name


def test_the_migration_needs_nothing_of_the_release(rendered):
    job = next(item for item in rendered if item["kind"] == "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade,pre-rollback"
    pod = job["spec"]["template"]["spec"]
    assert pod.get("serviceAccountName", "default") not in rendered.of("ServiceAccount")
    own = set(rendered.of("ConfigMap"))
    assert not [volume for volume in pod["volumes"]
                if volume.get("configMap", {}).get("name") in own]
    assert not any("envFrom" in each for each in pod["containers"])


def test_the_packaged_chart_is_the_same(tmp_path, default):
    helm("package", CHART, "--destination", tmp_path)
    package, = tmp_path.glob("availability-guard-*.tgz")
    assert check(helm("template", "availability-guard", package, "--namespace",
                      "tartware-shadow")) == default
