"""What `deploy/` and `compose.yaml` hold is what the program takes."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from taxii_fed.config import convert
from taxii_fed.config.load import load, loads
from taxii_fed.storage.contract.builders import ManualClock
from taxii_fed.storage.mongo import MongoStore
from taxii_fed.storage.mongo.schema import SHARD_KEYS

ROOT = Path(__file__).parents[2]
MANIFESTS = [
    document
    for path in sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
]


def of_kind(kind):
    return [each for each in MANIFESTS if each["kind"] == kind]


def test_the_configuration_of_the_manifests_is_one(tmp_path):
    (tmp_path / "node.key").write_text(hashlib.sha256(b"a key for tests").hexdigest())
    (secret,) = of_kind("Secret")
    (tmp_path / "store-url").write_text(secret["stringData"]["store-url"])
    (config,) = of_kind("ConfigMap")
    settings = loads(config["data"]["taxii-fed.yaml"].replace("/etc/taxii-fed-secrets", str(tmp_path)), tmp_path)
    assert settings.store.url.kind == "mongodb"
    assert "replace" not in str(settings.store.url)
    assert list(convert.in_force(settings).collections) == ["banking"]


def test_every_pod_runs_bare_of_rights_and_is_kept_by_a_disruption_budget():
    budgets = {
        each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] for each in of_kind("PodDisruptionBudget")
    }
    assert budgets == {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in of_kind("Deployment")}
    for workload in (*of_kind("Deployment"), *of_kind("Job")):
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            rights = container["securityContext"]
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert {mount["name"] for mount in container["volumeMounts"]} >= {"config", "secrets"}


def test_servers_are_probed_where_they_answer():
    (server,) = (each for each in of_kind("Deployment") if each["metadata"]["name"] == "taxii-fed-server")
    (container,) = server["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert server["spec"]["replicas"] >= 2


def test_the_compose_file_has_three_members_two_servers_and_two_workers():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    commands = [service.get("command", [""])[0] for service in services.values()]
    assert (commands.count("mongod"), commands.count("serve"), commands.count("sync")) == (3, 2, 2)
    mounted = {
        volume.split(":")[0] for service in services.values() for volume in service["volumes"] if volume.startswith("./")
    }
    assert mounted
    assert all((ROOT / each).exists() for each in mounted)
    assert not any("ports" in service for name, service in services.items() if name != "proxy")


@pytest.mark.skipif(shutil.which("sh") is None, reason="no shell")
def test_the_script_makes_a_node_on_mongodb_once(store_factory, tmp_path):
    config = tmp_path / "node" / "taxii-fed.yaml"
    env = {
        **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TAXII_FED_CONFIG": str(config), "NODE_NAME": "hub",
        "NODE_ORGANISATION": "My Hub", "NODE_JURISDICTION": "HK", "NODE_URL": "http://127.0.0.1:8421",
    }  # fmt: skip
    command = ["sh", str(ROOT / "deploy" / "cluster" / "node.sh"), store_factory.url]
    for turn in range(2):
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        if not turn:
            first = config.read_text()
    assert config.read_text() == first
    settings = load(config)
    assert str(settings.server.listen) == "0.0.0.0:8421"
    assert settings.store.url.url.get_secret_value() == store_factory.url
    store = MongoStore(store_factory.url, clock=ManualClock(), create=False)
    with store.read() as reader:
        applied = reader.in_force()
    store.close()
    assert applied is not None
    assert (applied.revision, applied.fingerprint) == (1, convert.fingerprint(settings))


def test_the_shard_keys_of_the_document_are_those_of_the_program():
    told = dict(re.findall(r'sh\.shardCollection\("taxii_fed\.(\w+)", \{(.+)\}\)', (ROOT / "docs" / "scale.md").read_text()))
    assert told == {
        table: ", ".join(f"{name}: {order!r}".replace("'", '"') for name, order in key.items())
        for table, key in SHARD_KEYS.items()
    }
