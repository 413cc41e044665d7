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
from pymongo.uri_parser import parse_uri

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
    (secret,) = (each for each in of_kind("Secret") if each["metadata"]["name"] == "taxii-fed")
    (tmp_path / "store-url").write_text(secret["stringData"]["store-url"])
    (config,) = (each for each in of_kind("ConfigMap") if each["metadata"]["name"] == "taxii-fed")
    settings = loads(config["data"]["taxii-fed.yaml"].replace("/etc/taxii-fed-secrets", str(tmp_path)), tmp_path)
    assert settings.store.url.kind == "mongodb"
    assert "replace" not in str(settings.store.url)
    assert list(convert.in_force(settings).collections) == ["banking"]


def component(each):
    return each["metadata"]["labels"]["app.kubernetes.io/component"]


def test_every_pod_runs_bare_of_rights_and_is_kept_by_a_disruption_budget():
    budgets = {
        each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] for each in of_kind("PodDisruptionBudget")
    }
    lasting = (*of_kind("Deployment"), *of_kind("StatefulSet"))
    assert budgets == set(map(component, lasting)) == {"server", "worker", "database"}
    for workload in (*lasting, *of_kind("Job")):
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            rights = container["securityContext"]
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["capabilities"] == {"drop": ["ALL"]}
            if component(workload) != "database":
                assert {mount["name"] for mount in container["volumeMounts"]} >= {"config", "secrets"}


def test_the_manifests_make_the_replica_set_that_the_secret_names():
    (members,) = of_kind("StatefulSet")
    names = [f"{members['metadata']['name']}-{number}.{members['spec']['serviceName']}" for number in range(3)]
    assert members["spec"]["replicas"] == len(names)
    secrets = {each["metadata"]["name"]: each["stringData"] for each in of_kind("Secret")}
    url = parse_uri(secrets["taxii-fed"]["store-url"])
    assert [host for host, _ in url["nodelist"]] == names
    (container,) = members["spec"]["template"]["spec"]["containers"]
    assert url["options"]["replicaSet"] == container["command"][container["command"].index("--replSet") + 1]
    (made,) = re.findall(r"replica-set\.sh (\S+) (.+)", str(container["lifecycle"]["postStart"]["exec"]["command"][-1]))
    assert made == (url["options"]["replicaSet"], " ".join(f"{name}:27017" for name in names))
    assert (url["username"], url["password"]) == ("taxii_fed", secrets["mongodb"]["store-password"])
    assert {each["valueFrom"]["secretKeyRef"]["key"] for each in container["env"] if "valueFrom" in each} < set(
        secrets["mongodb"]
    )
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()


def test_every_deployment_makes_its_replica_set_by_the_same_script():
    script = (ROOT / "deploy" / "cluster" / "replica-set.sh").read_text()
    held = {each["metadata"]["name"]: each["data"] for each in of_kind("ConfigMap")}
    assert held["mongodb"]["replica-set.sh"] == script
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["replica-set"]
    assert compose["command"][:2] == ["sh", "/cluster/replica-set.sh"]
    assert "deploy/cluster/replica-set.sh" in (ROOT / ".ci" / "mongodb").read_text()


def test_the_proxy_of_the_manifests_sends_to_their_servers():
    (ingress,) = of_kind("Ingress")
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    services = {each["metadata"]["name"]: each for each in of_kind("Service")}
    service = services[path["backend"]["service"]["name"]]
    (server,) = (each for each in of_kind("Deployment") if component(each) == "server")
    assert service["spec"]["selector"].items() <= server["spec"]["template"]["metadata"]["labels"].items()
    assert path["backend"]["service"]["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
    configured = yaml.safe_load(
        next(each for each in of_kind("ConfigMap") if "taxii-fed.yaml" in each["data"])["data"]["taxii-fed.yaml"]
    )
    assert configured["server"]["public_url"] == f"https://{rule['host']}"


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
