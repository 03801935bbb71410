"""Holds compose.yaml against the compose specification, and deploy/Containerfile against what compose.yaml and the chart run.

What each process would be given is kept in rendered/compose.json, as check.py does for the chart; `--write` renews it.
"""

import json
import re
import sys
from pathlib import Path

import compose_spec
import dockerfile
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WRITE = "--write" in sys.argv[1:]
PARTS = ["gateway", "onboarding", "verification", "revocation", "webhooks", "billing", "sandbox"]
PROGRAMS = {"warikan"} | {f"warikan-{part}" for part in PARTS}
# Who may reach what lies outside, as in the chart.
OUTSIDE = {"gateway": "front", "revocation": "outside", "webhooks": "outside"}
# What compose would read from .env.
ENVIRONMENT = {"POSTGRES_PASSWORD": "owners", "SERVICES_PASSWORD": "services", "RABBITMQ_PASSWORD": "brokers"}

failures = []


def expect(holds, what):
    if not holds:
        failures.append(what)


def interpolated(text):
    """`${NAME:?why}` as compose reads it; every secret has to be demanded in this way."""
    def one(found):
        name, why = found.group(1), found.group(2)
        expect(name in ENVIRONMENT, f"compose.yaml: ${{{name}}} is unknown here")
        expect(why, f"compose.yaml: ${{{name}}} does not say what to do where it is missing")
        return ENVIRONMENT.get(name, "")
    return re.sub(r"\$\{(\w+):\?([^}]*)\}", one, text)


def compose():
    # Comments are not interpolated, and hold a command line.
    text = "\n".join(line for line in (ROOT / "compose.yaml").read_text(encoding="utf-8").splitlines()
                     if not line.lstrip().startswith("#"))
    said = yaml.safe_load(interpolated(text))
    expect("${" not in json.dumps(said), "compose.yaml: a variable that is not demanded with :?")
    parsed = compose_spec.PyCompose.from_yaml(yaml.safe_dump(said))
    parsed.validate()
    parsed.to_spec()
    return said


def image():
    stages = []
    for command in dockerfile.parse_file(str(ROOT / "deploy" / "Containerfile")):
        if command.cmd.upper() == "FROM":
            stages.append([])
        stages[-1].append(command)
    build, last = stages
    said = {command.cmd.upper(): command.value for command in last}
    expect(said["USER"] == ("65532:65532",), f"Containerfile: runs as {said.get('USER')}")
    expect(said["ENTRYPOINT"] == ("/usr/local/bin/warikan",), "Containerfile: the entrypoint")
    expect(set(said["EXPOSE"]) == {"8787", "9187"}, f"Containerfile: exposes {said['EXPOSE']}")
    for stage in stages:
        base = stage[0].value[0]
        expect(":" in base and not base.endswith(":latest"), f"Containerfile: {base} is no version")
    runs = " ".join(" ".join(command.value) for command in build if command.cmd.upper() == "RUN")
    expect("--profile dist --locked" in runs and "--features processes --bins" in runs, "Containerfile: another build")
    built = set(re.search(r"for program in ([\w\s\\-]+);", runs).group(1).replace("\\", " ").split())
    expect(built == PROGRAMS, f"Containerfile: holds {sorted(built)}")
    expect(any(command.cmd.upper() == "COPY" and command.value == ("/out/bin/", "/usr/local/bin/") for command in last),
           "Containerfile: the programs are not copied")


def hardened(name, service):
    for key, wanted in {"user": "65532:65532", "read_only": True, "cap_drop": ["ALL"],
                        "security_opt": ["no-new-privileges:true"]}.items():
        expect(service.get(key) == wanted, f"compose.yaml: {name}.{key} is {service.get(key)}")


def kept(said):
    services = said["services"]
    config = (ROOT / said["configs"]["warikan"]["file"]).read_text(encoding="utf-8")
    ours = {name: service for name, service in services.items() if service["image"].startswith("warikan:")}
    expect(set(ours) == {*PARTS, "migrate", "prepare"}, f"compose.yaml: {sorted(ours)}")
    processes = {}
    for name, service in ours.items():
        hardened(name, service)
        beyond = set(service["networks"]) - {"inner"}
        expect(beyond == {OUTSIDE[name]} if name in OUTSIDE else not beyond, f"compose.yaml: {name} is on {beyond}")
        expect(("ports" in service) == (name == "gateway"), f"compose.yaml: the ports of {name}")
        if name == "prepare":
            continue
        processes[name] = {
            "command": service["entrypoint"] + service["command"],
            "variables": service["environment"],
            "ports": {} if name == "migrate" else {"http": 8787, "ops": 9187},
            "mounts": sorted(["/tmp", "/var/lib/warikan", *(one["target"] for one in service["configs"]),
                              *(volume.split(":")[1] for volume in service["volumes"])]),
            "config": config,
        }
        waits = service["depends_on"]
        expect("rabbitmq" not in waits and "redis" not in waits, f"compose.yaml: {name} waits for {sorted(waits)}")
    owner = [name for name, process in processes.items() if "WARIKAN_DATABASE__OWNER_URL" in process["variables"]]
    expect(owner == ["migrate"], f"compose.yaml: the owner's address is with {owner}")
    [published] = services["gateway"]["ports"]
    expect(published.startswith("127.0.0.1:") and published.endswith(":8787"), f"compose.yaml: publishes {published}")
    reached = {name: 8787 for name in PARTS}
    text = json.dumps({"processes": processes, "reached": reached}, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    file = HERE / "rendered" / "compose.json"
    if WRITE:
        file.write_text(text, encoding="utf-8")
    expect(file.is_file() and file.read_text(encoding="utf-8") == text,
           "rendered/compose.json is not what compose.yaml says; run deploy/helm/check --write and commit it")


def refusals():
    """What the specification does not have must not pass, or the check would check nothing."""
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    for why, one, other in [("an unknown key", "read_only: true", "read_onyl: true"),
                            ("a condition that is none", "service_healthy", "service_hearty"),
                            ("a port that is none", '"127.0.0.1:8787:8787"', '"127.0.0.1:8787:87870"')]:
        expect(one in text, f"compose.yaml: no {one} to spoil")
        try:
            compose_spec.PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(interpolated(text.replace(one, other)))))
        except Exception:  # noqa: BLE001, whatever the parser throws
            continue
        failures.append(f"not refused: compose.yaml with {why}")


for part in (image, lambda: kept(compose()), refusals):
    try:
        part()
    except Exception as error:  # noqa: BLE001, the parsers have exceptions of their own
        failures.append(f"{type(error).__name__}: {error}")
for failure in failures:
    print(f"images: {failure}", file=sys.stderr)
if failures:
    sys.exit(1)
print("images: compose.yaml and Containerfile good")
