"""Holds the chart against Helm, Kubernetes' schemas and the program's own configuration types.

Every failure is collected and printed; the exit code is 0 only where there is none.
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
# The chart's oldest Kubernetes, and the newest whose schemas are at hand.
KUBERNETES = ("1.29.0", "1.37.0")
# Where the keys of `config` come from: path in the schema, file, struct; and the keys that the chart sets itself.
TYPES = [
    ("", "services/standalone/src/config.rs", "Config", {"data_dir", "listen", "production", "keys_file", "topology", "gateway"}),
    ("limits", "services/standalone/src/config.rs", "LimitsConfig", {"redis_url"}),
    ("ops", "services/standalone/src/config.rs", "Ops", set()),
    ("sandbox", "services/standalone/src/config.rs", "SandboxConfig", set()),
    # Secrets come from the environment and not from values.
    ("database", "shared/runtime/src/database/config.rs", "DatabaseConfig", {"owner_url", "password", "passwords"}),
    ("rabbitmq", "shared/messaging/src/rabbitmq/config.rs", "RabbitMqConfig", {"url", "subscriptions"}),
    ("verification", "services/verification/src/config.rs", "Config", set()),
    ("revocation", "services/revocation/src/config.rs", "Config", set()),
    ("revocation.sources", "services/revocation/src/config.rs", "Source", set()),
    ("webhooks", "services/webhooks/src/config.rs", "Config", set()),
    ("billing", "services/billing/src/config.rs", "Config", set()),
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
    """The manifests by kind, and the notes. The schema is asked first, as an installation does."""
    chart.validate_schema(values)
    files = chart.render(values, name="warikan", namespace="identity")
    documents = {}
    for path, text in files.items():
        if path.endswith(".yaml"):
            for document in filter(None, yaml.safe_load_all(text)):
                documents[document["kind"]] = document
    notes = "".join(text for path, text in files.items() if path.endswith("NOTES.txt"))
    return documents, notes


def lint(name, values):
    report = helm.lint(CHART, values, strict=True)
    for message in report["messages"]:
        # Informations (an icon is recommended) are no findings.
        expect(message["severity"] < 2, f"{name}: helm lint: {message}")
    expect(not report["errors"], f"{name}: helm lint: {report['errors']}")


def kubernetes_accepts(name, documents):
    for kind, document in documents.items():
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                where = "/".join(str(part) for part in error.path)
                failures.append(f"{name}: {kind}, Kubernetes {version}: {where}: {error.message}")


def is_hardened(name, documents):
    stateful = documents["StatefulSet"]["spec"]
    pod = stateful["template"]["spec"]
    container = pod["containers"][0]
    security = container["securityContext"]
    expect(stateful["replicas"] == 1, f"{name}: more than one replica")
    expect(pod["securityContext"]["runAsNonRoot"] is True, f"{name}: may run as root")
    expect(pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, f"{name}: seccomp")
    expect(pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch", f"{name}: the key file's mode")
    expect(security["readOnlyRootFilesystem"] is True, f"{name}: the root file system can be written")
    expect(security["allowPrivilegeEscalation"] is False, f"{name}: privileges may grow")
    expect(security["capabilities"] == {"drop": ["ALL"]}, f"{name}: capabilities")
    expect(pod["automountServiceAccountToken"] is False, f"{name}: a token is mounted")
    expect(pod["enableServiceLinks"] is False, f"{name}: service variables would be read as configuration")
    expect(pod["terminationGracePeriodSeconds"] > 30, f"{name}: no time to finish")
    probes = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
    wanted = {"startup": "/health/live", "liveness": "/health/live", "readiness": "/health/ready"}
    expect(probes == wanted, f"{name}: probes {probes}")
    expect(documents["Service"]["spec"]["selector"].items() <= stateful["template"]["metadata"]["labels"].items(),
           f"{name}: the service does not select the pod")


def configuration(documents):
    return tomllib.loads(documents["ConfigMap"]["data"]["warikan.toml"])


def defaults(chart):
    documents, notes = render(chart, {})
    lint("defaults", {})
    kubernetes_accepts("defaults", documents)
    is_hardened("defaults", documents)
    kinds = {"ConfigMap", "NetworkPolicy", "Service", "ServiceAccount", "StatefulSet"}
    expect(set(documents) == kinds, f"defaults: {sorted(documents)}")
    said = configuration(documents)
    expect(said["listen"] == "0.0.0.0:8787" and said["data_dir"] == "/var/lib/warikan", f"defaults: {said}")
    expect(said["sandbox"] == {"enabled": False}, "defaults: the sandbox is served")
    egress = documents["NetworkPolicy"]["spec"]["egress"]
    ports = {port["port"] for rule in egress for port in rule["ports"]}
    expect(ports == {53, 443}, f"defaults: ports {ports} are open outwards")
    expect("169.254.0.0/16" in egress[1]["to"][0]["ipBlock"]["except"], "defaults: metadata services can be reached")
    for words in ("operator-credential.json", "status_unavailable", "sample issuer"):
        expect(words in notes, f"defaults: the notes do not say {words}")


def everything(chart):
    values = read(HERE / "cases" / "full.yaml")
    documents, notes = render(chart, values)
    lint("full", values)
    kubernetes_accepts("full", documents)
    is_hardened("full", documents)
    kinds = {"ConfigMap", "Ingress", "NetworkPolicy", "Service", "StatefulSet"}
    expect(set(documents) == kinds, f"full: {sorted(documents)}")
    said = configuration(documents)
    own = {"data_dir": "/var/lib/warikan", "listen": "0.0.0.0:8787", "production": {"anchors": "/etc/warikan-anchors"}}
    # The types too: 20 and 20.0 are equal to Python and not to the program.
    wanted = json.dumps({**values["config"], **own}, sort_keys=True)
    expect(json.dumps(said, sort_keys=True) == wanted, f"full: warikan.toml says {said}")
    container = documents["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]
    expect(container["image"] == f"{values['image']['repository']}@{values['image']['digest']}", "full: the image")
    expect({"name": "WARIKAN_WEBHOOKS__JITTER_PERCENT", "value": "10"} in container["env"], "full: the variables")
    expect("https://api.example.jp" in notes and "sample issuer" not in notes, "full: the notes")


def refusals(chart):
    for case in read(HERE / "cases" / "refused.yaml"):
        try:
            render(chart, case["values"])
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
    for part in (defaults, everything, refusals):
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
print(f"chart: good (Helm SDK {helm.helm_sdk_version()}, Kubernetes {' and '.join(KUBERNETES)})")
