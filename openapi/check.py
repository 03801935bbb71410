"""Runs others' tools over the document and the server, and takes away what exceptions.yaml explains. Called by openapi/check."""

import fnmatch
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
DOCUMENT = HERE / "warikan.json"
TOOLS = pathlib.Path(sys.argv[1])
EXCEPTIONS = yaml.safe_load((HERE / "exceptions.yaml").read_text())

# One seed, few examples: the same requests in the same order, in two or three minutes.
SEED = 20261121
EXAMPLES = 6
CHAINS, STEPS = 40, 8
PHASES = "examples,coverage,fuzzing,stateful"
# No answer is judged by its speed; this is for a server that hangs.
PATIENCE = 120


class Explained:
    """The exceptions of one tool, and which of them were met."""

    def __init__(self, tool):
        self.rows = EXCEPTIONS.get(tool) or []
        self.met = [False] * len(self.rows)
        for row in self.rows:
            if not row.get("reason"):
                sys.exit(f"exceptions.yaml: a row of {tool} has no reason: {row}")

    def explains(self, rule, place):
        for index, row in enumerate(self.rows):
            places = row.get("at", ["*"])
            if row["rule"] == rule and any(fnmatch.fnmatchcase(place, one) for one in places):
                self.met[index] = True
                return True
        return False

    def unmet(self):
        return [row["rule"] for row, met in zip(self.rows, self.met) if not met]


def judged(tool, findings):
    """Prints what is not explained; how many that are."""
    explained = Explained(tool)
    left = [one for one in findings if not explained.explains(one[0], one[1])]
    for rule, place, message in left:
        print(f"{tool}: {rule} at {place}: {message}")
    for rule in explained.unmet():
        print(f"{tool}: exceptions.yaml explains {rule}, which is not found there any more; take the row out")
    print(f"{tool}: {len(findings)} findings, {len(findings) - len(left)} of them explained")
    return len(left) + len(explained.unmet())


def node(*arguments):
    environment = dict(os.environ, REDOCLY_TELEMETRY="off", REDOCLY_SUPPRESS_UPDATE_NOTICE="true", NO_COLOR="1")
    done = subprocess.run([str(one) for one in arguments], capture_output=True, text=True, env=environment, cwd=TOOLS / "node", check=False)
    try:
        return json.loads(done.stdout[done.stdout.index("{" if "redocly" in str(arguments[0]) else "[") :])
    except ValueError:
        sys.exit(f"{arguments[0]} said:\n{done.stdout}{done.stderr}")


def redocly():
    binary = TOOLS / "node/node_modules/.bin/redocly"
    told = node(binary, "lint", DOCUMENT, "--extends", "recommended-strict", "--format", "json", "--max-problems", "100000")
    findings = [
        (one["ruleId"], (one.get("location") or [{}])[0].get("pointer", ""), one["message"].replace("\n", " "))
        for one in told["problems"]
    ]
    return judged("redocly", findings)


def spectral():
    ruleset = TOOLS / "node/ruleset.yaml"
    ruleset.write_text('extends:\n  - ["spectral:oas", "all"]\n  - ["./node_modules/@stoplight/spectral-owasp-ruleset/dist/ruleset.js", "all"]\n')
    binary = TOOLS / "node/node_modules/.bin/spectral"
    told = node(binary, "lint", DOCUMENT, "--ruleset", ruleset, "--format", "json", "--quiet")
    findings = [(one["code"], "/".join(str(part) for part in one["path"]), one["message"]) for one in told]
    return judged("spectral", findings)


def call(url, body=None, headers=None, form=False):
    data = None
    if body is not None:
        data = body.encode() if form else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers or {})
    request.add_header("Content-Type", "application/x-www-form-urlencoded" if form else "application/json")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read() or b"null")


def program():
    """The program, as the tests build it; another where WARIKAN_CHECK_PROGRAM names one."""
    if named := os.environ.get("WARIKAN_CHECK_PROGRAM"):
        return pathlib.Path(named)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    binary = target / "debug/warikan"
    subprocess.run(["cargo", "test", "--workspace", "--locked", "--no-run", "--quiet"], cwd=ROOT, check=True)
    return binary


class Server:
    """The program on a port of its own, in a folder of its own, with a tenant at work."""

    def __init__(self, binary, folder):
        self.folder = pathlib.Path(folder)
        config = self.folder / "warikan.toml"
        # Limits are for floods; whoever sends thousands of requests on purpose is let through.
        config.write_text(
            "[limits]\ntoken_requests_per_minute = 0\nrefused_tokens_per_minute = 0\npublic_requests_per_minute = 0\n[webhooks]\nallow_loopback_http = true\n"
        )
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WARIKAN_")}
        self.log = open(self.folder / "serve.log", "w")
        self.process = subprocess.Popen(
            [binary, "serve", "--config", config, "--data-dir", self.folder / "data", "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment,
        )
        self.base = self.announced()

    def announced(self):
        for line in self.process.stdout:
            found = re.search(r"documentation\s+(http://[^/]+)/docs/", line)
            if found:
                return found.group(1)
        sys.exit(f"the program did not start:\n{(self.folder / 'serve.log').read_text()}")

    def ready(self):
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                call(f"{self.base}/health/ready")
                return
            except OSError:
                time.sleep(0.1)
        sys.exit(f"the program is not ready:\n{(self.folder / 'serve.log').read_text()}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        self.log.close()


def schemathesis():
    rows = EXCEPTIONS.get("schemathesis") or []
    with tempfile.TemporaryDirectory() as folder:
        server = Server(program(), folder)
        try:
            server.ready()
            served = call(f"{server.base}/openapi.json")
            if served != json.loads(DOCUMENT.read_text()):
                print("schemathesis: the program serves another document than the committed one")
                return 1
            config = pathlib.Path(folder) / "schemathesis.toml"
            config.write_text(configuration(rows))
            answered = pathlib.Path(folder) / "answered.json"
            environment = dict(
                os.environ,
                SCHEMATHESIS_HOOKS="schemathesis_hooks",
                PYTHONPATH=str(HERE),
                PYTHONDONTWRITEBYTECODE="1",
                PYTHONHASHSEED="0",
                WARIKAN_CHECK_BASE=server.base,
                WARIKAN_CHECK_ANSWERED=str(answered),
                WARIKAN_CHECK_CREDENTIAL=str(pathlib.Path(folder) / "data/operator-credential.json"),
                no_proxy="127.0.0.1",
                NO_PROXY="127.0.0.1",
            )
            command = [
                TOOLS / "venv/bin/schemathesis", "--no-color", "--config-file", config, "run", f"{server.base}/openapi.json",
                "--phases", PHASES, "--seed", str(SEED),
                "--generation-database", "none", "--request-timeout", str(PATIENCE),
                "--workers", "1", "--continue-on-failure", "--suppress-health-check", "all",
                *sys.argv[3:],
            ]
            done = subprocess.run([str(one) for one in command], cwd=folder, env=environment, check=False)
            if done.returncode:
                print((pathlib.Path(folder) / "serve.log").read_text()[-4000:])
            return done.returncode + unreached(json.loads(DOCUMENT.read_text()), json.loads(answered.read_text()))
        finally:
            server.stop()


def unreached(document, answered):
    """Every operation has to have been answered with success at least once; how many were not, and are not explained."""
    rows = EXCEPTIONS.get("unreached") or []
    explained = {name for row in rows if row.get("reason") for name in row["operations"]}
    # What depends on how soon something in the background is done may be reached or not.
    sometimes = {name for row in rows if row.get("sometimes") for name in row["operations"]}
    operations = {
        one["operationId"] for item in document["paths"].values() for one in item.values() if isinstance(one, dict) and "operationId" in one
    }
    reached = {name for name, statuses in answered.items() if any(200 <= status < 300 for status in statuses)}
    wrong = 0
    for name in sorted(operations - reached - explained):
        print(f"schemathesis: {name} was never answered with success, but {answered.get(name, 'never')}")
        wrong += 1
    for name in sorted((explained - sometimes) & reached | explained - operations):
        print(f"schemathesis: exceptions.yaml explains why {name} is not reached, and it is; take it out")
        wrong += 1
    print(f"schemathesis: {len(operations & reached)} of {len(operations)} operations were answered with success")
    return wrong


def configuration(rows):
    """schemathesis reads its exceptions from a file of its own, a block for each operation."""
    blocks = {None: []}
    for row in rows:
        if not row.get("reason"):
            sys.exit(f"exceptions.yaml: a row of schemathesis has no reason: {row}")
        lines = [f"checks.{check}.expected-statuses = {json.dumps(statuses)}" for check, statuses in row.get("checks", {}).items()]
        lines += [f"checks.{check}.enabled = false" for check in row.get("without", [])]
        for operation in row.get("operations", [None]):
            blocks.setdefault(operation, []).extend(lines)
    text = "\n".join([f"generation.max-examples = {EXAMPLES}", *blocks.pop(None)]) + "\n"
    # Chains of requests: more of them than of single requests, since there are many links.
    text += f"[phases.stateful]\nmax-steps = {STEPS}\ngeneration.max-examples = {CHAINS}\n"
    for operation, lines in blocks.items():
        text += "\n".join(["[[operations]]", f"include-operation-id = {json.dumps(operation)}", *lines]) + "\n"
    return text


def main():
    wrong = redocly() + spectral()
    if "document" not in sys.argv[2:]:
        wrong += schemathesis()
    if wrong:
        sys.exit("openapi: mend the document or the program; what has to stay goes into openapi/exceptions.yaml with its reason")
    print("openapi: sound")


if __name__ == "__main__":
    main()
