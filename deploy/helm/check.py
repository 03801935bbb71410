"""Holds the chart against Helm, Kubernetes' schemas and the program's own configuration types.

Every failure is collected and printed; the exit code is 0 only where there is none. What each process would be given is written to
rendered/ with `--write` and compared otherwise: the program's own tests read those files with its own parser.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import yaml

HERE = Path(__file__).resolve().parent
CHART = HERE / "warikan"
ROOT = HERE.parent.parent
WRITE = "--write" in sys.argv[1:]
# The chart's oldest Kubernetes, and the newest whose schemas are at hand.
KUBERNETES = ("1.29.0", "1.37.0")
SERVICES = ["onboarding", "verification", "revocation", "webhooks", "billing", "sandbox"]
# Where the keys of `config` come from: path in the schema, file, struct; and the keys that the chart sets itself.
OWN = {"data_dir", "listen", "production", "keys_file", "operator_credential_file", "topology"}
TYPES = [
    ("", "services/standalone/src/config.rs", "Config", OWN),
    ("limits", "services/standalone/src/config.rs", "LimitsConfig", set()),
    ("redis", "shared/runtime/src/redis_server.rs", "RedisConfig", {"url"}),
    ("ops", "services/standalone/src/config.rs", "Ops", {"listen"}),
    ("gateway", "services/standalone/src/config.rs", "GatewayConfig", set()),
    ("sandbox", "services/standalone/src/config.rs", "SandboxConfig", set()),
    # Secrets come from the environment and not from values.
    ("database", "shared/runtime/src/database/config.rs", "DatabaseConfig", {"owner_url", "password", "passwords"}),
    ("rabbitmq", "shared/messaging/src/rabbitmq/config.rs", "RabbitMqConfig", {"url", "subscriptions"}),
    ("onboarding", "services/onboarding/src/config.rs", "Config", set()),
    ("onboarding.filer", "services/onboarding/src/config.rs", "Filer", set()),
    ("verification", "services/verification/src/config.rs", "Config", set()),
    ("verification.ocsp", "shared/status/src/config.rs", "OcspConfig", set()),
    ("verification.ocsp.responders", "shared/status/src/config.rs", "Responder", set()),
    ("revocation", "services/revocation/src/config.rs", "Config", {"ocsp"}),
    ("revocation.sources", "services/revocation/src/config.rs", "Source", set()),
    ("webhooks", "services/webhooks/src/config.rs", "Config", set()),
    ("billing", "services/billing/src/config.rs", "Config", set()),
    ("billing.jlis_statement", "services/billing/src/compare_statement.rs", "StatementLayout", set()),
    ("billing.issuer", "services/billing/src/config.rs", "Issuer", set()),
    ("billing.tariff", "services/billing/src/tariff/rows.rs", "TariffRows", set()),
    ("billing.tariff.jlis_fees", "services/billing/src/tariff/rows.rs", "JlisFeeRow", set()),
    ("billing.tariff.plans", "services/billing/src/tariff/rows.rs", "PlanRow", set()),
    ("billing.tariff.consumption_tax", "services/billing/src/tariff/rows.rs", "TaxRow", set()),
    ("billing.tariff.sharing_keys", "services/billing/src/tariff/rows.rs", "SharingKeyRow", set()),
]

failures = []


def expect(holds, what):
    if not holds:
        failures.append(what)


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def render(chart, values):
    """The manifests by kind and name, and the notes. The schema is asked first, as an installation does."""
    chart.validate_schema(values)
    files = chart.render(values, name="warikan", namespace="identity")
    documents = {}
    for path, text in files.items():
        if path.endswith(".yaml"):
            for document in filter(None, yaml.safe_load_all(text)):
                place = (document["kind"], document["metadata"]["name"])
                expect(place not in documents, f"two of {place}")
                documents[place] = document
    notes = "".join(text for path, text in files.items() if path.endswith("NOTES.txt"))
    return documents, notes


def lint(name, values):
    report = helm.lint(CHART, values, strict=True)
    for message in report["messages"]:
        # Informations (an icon is recommended) are no findings.
        expect(message["severity"] < 2, f"{name}: helm lint: {message}")
    expect(not report["errors"], f"{name}: helm lint: {report['errors']}")


def kubernetes_accepts(name, documents):
    for (kind, own), document in documents.items():
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                where = "/".join(str(part) for part in error.path)
                failures.append(f"{name}: {kind} {own}, Kubernetes {version}: {where}: {error.message}")


def workloads(documents):
    """Pods by component: the object that makes them, and their template."""
    found = {}
    for (kind, _), document in documents.items():
        if kind in ("Deployment", "StatefulSet", "Job"):
            template = document["spec"]["template"]
            found[template["metadata"]["labels"]["app.kubernetes.io/component"]] = (document, template)
    return found


def is_hardened(name, documents):
    for component, (workload, template) in workloads(documents).items():
        place = f"{name}: {component}"
        pod = template["spec"]
        [container] = pod["containers"]
        security = container["securityContext"]
        expect(pod["securityContext"]["runAsNonRoot"] is True, f"{place}: may run as root")
        expect(pod["securityContext"]["runAsUser"] == 65532, f"{place}: another user than the image's")
        expect(pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, f"{place}: seccomp")
        expect(pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch", f"{place}: the key file's mode")
        expect(security["readOnlyRootFilesystem"] is True, f"{place}: the root file system can be written")
        expect(security["allowPrivilegeEscalation"] is False, f"{place}: privileges may grow")
        expect(security["capabilities"] == {"drop": ["ALL"]}, f"{place}: capabilities")
        expect(pod["automountServiceAccountToken"] is False, f"{place}: a token is mounted")
        expect(pod["enableServiceLinks"] is False, f"{place}: service variables would be read as configuration")
        expect("limits" in container["resources"], f"{place}: memory without bound")
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        volumes = {volume["name"] for volume in pod["volumes"]}
        claims = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        expect(mounted == volumes | claims, f"{place}: mounts {mounted}, volumes {volumes | claims}")
        if workload["kind"] == "Job":
            continue
        expect(pod["terminationGracePeriodSeconds"] > 35, f"{place}: no time to finish")
        probes = {probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
        wanted = {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
        wanted = {probe: {"path": path, "port": "ops"} for probe, path in wanted.items()}
        expect(probes == wanted, f"{place}: probes {probes}")


def selected(documents):
    """Every Service, policy, budget and scaler finds pods."""
    pods = [template["metadata"]["labels"] for _, template in workloads(documents).values()]
    for (kind, name), document in documents.items():
        spec = document["spec"] if "spec" in document else {}
        selector = {"Service": spec.get("selector"), "NetworkPolicy": spec.get("podSelector", {}).get("matchLabels"),
                    "PodDisruptionBudget": spec.get("selector", {}).get("matchLabels") if kind == "PodDisruptionBudget" else None}.get(kind)
        if selector is not None:
            hits = sum(selector.items() <= labels.items() for labels in pods)
            expect(hits == 1, f"{kind} {name} selects {hits} kinds of pods")
        if kind == "HorizontalPodAutoscaler":
            expect(("Deployment", spec["scaleTargetRef"]["name"]) in documents, f"{name} scales nothing")


def configuration(documents, name="warikan"):
    return tomllib.loads(documents["ConfigMap", name]["data"]["warikan.toml"])


def variables(container):
    """Name to text, or to the Secret it comes from."""
    said = {}
    for variable in container["env"]:
        source = variable.get("valueFrom", {}).get("secretKeyRef")
        said[variable["name"]] = f"secret {source['name']}/{source['key']}" if source else variable["value"]
    return said


def kept(name, documents):
    """What each process would be given, for the program's own tests."""
    processes = {}
    for component, (_, template) in sorted(workloads(documents).items()):
        [container] = template["spec"]["containers"]
        [config] = [volume["configMap"]["name"] for volume in template["spec"]["volumes"] if volume["name"] == "config"]
        processes[component] = {
            "command": container.get("command", []) + container.get("args", []),
            "variables": variables(container),
            "ports": {port["name"]: port["containerPort"] for port in container.get("ports", [])},
            "mounts": sorted(mount["mountPath"] for mount in container["volumeMounts"]),
            "config": documents["ConfigMap", config]["data"]["warikan.toml"],
        }
    reached = {document["metadata"]["name"]: document["spec"]["ports"][0]["port"]
               for (kind, _), document in documents.items() if kind == "Service"}
    text = json.dumps({"processes": processes, "reached": reached}, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    file = HERE / "rendered" / f"{name}.json"
    if WRITE:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    expect(file.is_file() and file.read_text(encoding="utf-8") == text,
           f"rendered/{name}.json is not what the chart renders; run deploy/helm/check --write and commit it")


def looked_at(name, values, documents):
    lint(name, values)
    kubernetes_accepts(name, documents)
    is_hardened(name, documents)
    selected(documents)
    kept(name, documents)


def kinds(documents):
    found = {}
    for kind, _ in documents:
        found[kind] = found.get(kind, 0) + 1
    return found


def ports(rules):
    return {port["port"] for rule in rules for port in rule["ports"]}


def defaults(chart):
    documents, notes = render(chart, {})
    looked_at("defaults", {}, documents)
    expect(kinds(documents) == {"ConfigMap": 1, "NetworkPolicy": 1, "Service": 1, "ServiceAccount": 1, "StatefulSet": 1},
           f"defaults: {sorted(documents)}")
    expect(documents["StatefulSet", "warikan"]["spec"]["replicas"] == 1, "defaults: more than one replica")
    said = configuration(documents)
    expect(said["listen"] == "0.0.0.0:8787" and said["data_dir"] == "/var/lib/warikan", f"defaults: {said}")
    expect(said["sandbox"] == {"enabled": False}, "defaults: the sandbox is served")
    policy = documents["NetworkPolicy", "warikan"]["spec"]
    expect(ports(policy["egress"]) == {53, 443}, f"defaults: ports {ports(policy['egress'])} are open outwards")
    expect(ports(policy["ingress"]) == {"http"}, "defaults: the operator's listener can be reached")
    expect("169.254.0.0/16" in policy["egress"][1]["to"][0]["ipBlock"]["except"], "defaults: metadata services can be reached")
    for words in ("operator-credential.json", "status_unavailable", "sample issuer"):
        expect(words in notes, f"defaults: the notes do not say {words}")


def everything(chart):
    values = read(HERE / "cases" / "full.yaml")
    documents, notes = render(chart, values)
    looked_at("full", values, documents)
    expect(kinds(documents) == {"ConfigMap": 2, "Ingress": 1, "Job": 1, "NetworkPolicy": 2, "Service": 1, "StatefulSet": 1},
           f"full: {sorted(documents)}")
    said = configuration(documents)
    own = {"data_dir": "/var/lib/warikan", "listen": "0.0.0.0:8787", "production": {"anchors": "/etc/warikan-anchors"},
           "keys_file": "/etc/warikan-secrets/keys.json",
           "operator_credential_file": "/etc/warikan-secrets/operator-credential.json"}
    own["ops"] = {**values["config"]["ops"], "listen": "0.0.0.0:9187"}
    # The types too: 20 and 20.0 are equal to Python and not to the program.
    wanted = json.dumps({**values["config"], **own}, sort_keys=True)
    expect(json.dumps(said, sort_keys=True) == wanted, f"full: warikan.toml says {said}")
    container = documents["StatefulSet", "warikan"]["spec"]["template"]["spec"]["containers"][0]
    expect(container["image"] == f"{values['image']['repository']}@{values['image']['digest']}", "full: the image")
    expect({"name": "WARIKAN_WEBHOOKS__JITTER_PERCENT", "value": "10"} in container["env"], "full: the variables")
    expect("https://api.example.jp" in notes and "sample issuer" not in notes, "full: the notes")


def separate(chart):
    values = read(HERE / "cases" / "split.yaml")
    documents, notes = render(chart, values)
    looked_at("split", values, documents)
    expect(kinds(documents) == {
        "ConfigMap": 2, "Deployment": 7, "HorizontalPodAutoscaler": 4, "Ingress": 1, "Job": 1, "NetworkPolicy": 8,
        "PodDisruptionBudget": 5, "Service": 7, "ServiceAccount": 1}, f"split: {kinds(documents)}")
    hook = documents["Job", "warikan-migrate"]["metadata"]["annotations"]
    expect(hook["helm.sh/hook"] == "pre-install,pre-upgrade", f"split: the migration's hook {hook}")
    for component, (_, template) in workloads(documents).items():
        said = variables(template["spec"]["containers"][0])
        who = {name for name, text in said.items() if text.startswith("secret ")}
        own = {f"WARIKAN_DATABASE__PASSWORDS__{component.upper()}"}
        wanted = {"gateway": {"WARIKAN_REDIS__URL"},
                  "onboarding": own | {"WARIKAN_RABBITMQ__URL", "WARIKAN_REDIS__URL"},
                  "migrate": {f"WARIKAN_DATABASE__PASSWORDS__{one.upper()}" for one in SERVICES} | {"WARIKAN_DATABASE__OWNER_URL"},
                  }.get(component, own | {"WARIKAN_RABBITMQ__URL"})
        expect(who == wanted, f"split: {component} is given {sorted(who)}")
        files = [volume for volume in template["spec"]["volumes"] if volume["name"] == "secrets"]
        expect(bool(files) == (component != "migrate"), f"split: {component} and the key file")
        credential = "operator-credential.json" in json.dumps(files)
        expect(credential == (component == "onboarding"), f"split: {component} and the operator's credential")
    outwards(documents)
    expect("sandbox" in notes and "Secret warikan-operator" in notes, "split: the notes")


def outwards(documents):
    """Who may reach what: nothing but webhooks, revocation and, towards OCSP responders, verification leaves the platform."""
    to = {"dns": 53, "database": 5432, "rabbitmq": 5671, "redis": 6379, "services": "http", "public": 443}
    wanted = {
        "gateway": {"dns", "redis", "services"},
        "onboarding": {"dns", "database", "rabbitmq", "redis"},
        "verification": {"dns", "database", "rabbitmq", "services", "public"},
        "revocation": {"dns", "database", "rabbitmq", "services", "public"},
        "webhooks": {"dns", "database", "rabbitmq", "public"},
        "billing": {"dns", "database", "rabbitmq", "services"},
        "sandbox": {"dns", "database", "rabbitmq"},
        "migrate": {"dns", "database"},
    }
    for component, where in wanted.items():
        policy = documents["NetworkPolicy", f"warikan-{component}"]["spec"]
        expect(ports(policy["egress"]) == {to[one] for one in where}, f"split: {component} reaches {ports(policy['egress'])}")
        asked = [rule for rule in policy["ingress"] if {"port": "http", "protocol": "TCP"} in rule["ports"]]
        expect(len(asked) == (component != "migrate"), f"split: {component} is reached by {asked}")
        if component not in ("gateway", "migrate"):
            callers = {peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in asked[0]["from"]}
            others = {"revocation": {"verification", "billing"}, "verification": {"billing"}, "sandbox": {"verification", "revocation"}}.get(component, set())
            expect(callers == {"gateway"} | others, f"split: {component} is asked by {callers}")


def laid_over(base, more):
    merged = dict(base)
    for key, value in more.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = laid_over(merged[key], value) if both else value
    return merged


def refusals(chart):
    for case in read(HERE / "cases" / "refused.yaml"):
        values = case["values"]
        if "over" in case:
            values = laid_over(read(HERE / "cases" / f"{case['over']}.yaml"), values)
        try:
            render(chart, values)
        except helm.HelmError as error:
            expect(case["why"] in str(error), f"refused, but not for {case['why']}: {error}")
        else:
            failures.append(f"not refused: {json.dumps(case['values'])}")


def fields(path, struct):
    text = (ROOT / path).read_text(encoding="utf-8")
    body = re.search(rf"pub struct {struct} \{{(.*?)^\}}", text, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"^    pub (\w+):", body.group(1), re.MULTILINE)) if body else set()


def keys_of(schema, path):
    node = schema["properties"]["config"]
    for part in filter(None, path.split(".")):
        node = node["properties"][part]
        node = node.get("items", node)
    return set(node["properties"])


def same_keys():
    """A key that the program knows and the chart does not could never be set; the reverse would stop the start."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    for path, file, struct, own in TYPES:
        program, chart = fields(file, struct) - own, keys_of(schema, path)
        where = f"config.{path}".rstrip(".")
        expect(program, f"{file} has no struct {struct}")
        expect(program <= chart, f"values.schema.json: {where} lacks {sorted(program - chart)} of {file}")
        expect(chart <= program, f"values.schema.json: {where} has {sorted(chart - program)}, unknown to {file}")


with helm.Chart.load(CHART) as loaded:
    for part in (defaults, everything, separate, refusals):
        try:
            part(loaded)
        except (helm.HelmError, yaml.YAMLError, tomllib.TOMLDecodeError, KeyError) as error:
            failures.append(f"{part.__name__}: {type(error).__name__}: {error}")
try:
    same_keys()
except KeyError as error:
    failures.append(f"values.schema.json: config has no {error}")
for failure in failures:
    print(f"chart: {failure}", file=sys.stderr)
if failures:
    sys.exit(1)
print(f"chart: good in both shapes (Helm SDK {helm.helm_sdk_version()}, Kubernetes {' and '.join(KUBERNETES)})")
