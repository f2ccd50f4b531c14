"""The Helm chart, as far as it can be held against the rest of the tree without helm."""

import importlib.machinery
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
CHART = SOURCE / "helm/availability-guard"

_loader = importlib.machinery.SourceFileLoader("helm_values", str(SOURCE / "scripts/helm-values"))
helm_values = importlib.util.module_from_spec(
    importlib.util.spec_from_loader("helm_values", _loader))
_loader.exec_module(helm_values)


def test_what_is_made_of_other_files_is_up_to_date():
    done = subprocess.run([sys.executable, SOURCE / "scripts/helm-values", "--check"], text=True,
                          capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr


def test_every_setting_has_its_place():
    """Those that are no secrets are in the schema (see above); each secret comes out of a Kubernetes secret."""
    secret = {name for name, _, _, meaning in helm_values.settings_of_page()
              if helm_values.is_secret(meaning)}
    assert len(secret) > 8
    templates = (CHART / "templates/_environment.tpl").read_text(encoding="utf-8")
    named = set(re.findall(r'"name" "([A-Z_]+)" "secret"', templates))
    for channel in re.search(r'range \$channel := list (.*) \}\}', templates)[1].split():
        for what in re.findall(r'printf "%s_(WEBHOOK_URL|API_KEY)" \$prefix', templates):
            named.add(f"AVAILABILITY_GUARD_NOTIFICATION_{channel.strip(chr(34)).upper()}_{what}")
    assert secret <= named
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    assert not {name for name in secret if f"`{name}`" not in readme}


def test_every_value_is_in_the_table_and_in_the_schema():
    import json
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    for path, _, _ in helm_values.values_of_file():
        place = schema
        for word in path.split("."):
            while "$ref" in place:
                place = schema["$defs"][place["$ref"].rpartition("/")[2]]
            assert word in place["properties"], path
            place = place["properties"][word]
