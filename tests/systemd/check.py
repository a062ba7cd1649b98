"""On the machine that `boot` made: installs the unit as its own comments say, does a sync with somebody else's component,
and asks the kernel what the unit promises. Standard library alone."""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import threading
import time
import urllib.error
import urllib.request

PROGRAM = "/usr/local/bin/groupcast"
CONFIGURATION = pathlib.Path("/etc/groupcast/groupcast.toml")
API = "http://127.0.0.1:8420/api/v1"
PATIENCE = 120
SCHED_IDLE = 5
# What the unit's filter answers to Landlock's three calls: with arguments that do nothing, so that any other error is as
# good as none.
LANDLOCK = """
$! = 0; syscall(444, 0, 0, 1);  die "landlock_create_ruleset is forbidden\\n" if $! == 1;
$! = 0; syscall(445, -1, 0, 0, 0);  die "landlock_add_rule is forbidden\\n" if $! == 1;
$! = 0; syscall(446, -1, 0);  die "landlock_restrict_self is forbidden\\n" if $! == 1;
"""


def run(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"{shlex.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def until(what, found):
    begun = time.monotonic()
    while not (value := found()):
        if time.monotonic() - begun > PATIENCE:
            raise SystemExit(f"not within {PATIENCE} s: {what}")
        time.sleep(0.05)
    return value


def require(holds, what):
    if not holds:
        raise SystemExit(f"groupcast.service: {what}")
    print(f"  as it should be: {what}" if holds is True else f"  as it should be: {what} ({holds})")


def journal():
    return run("journalctl", "--no-pager", "--output=cat", "--unit=groupcast")


def shown(field):
    return run("systemctl", "show", "--value", f"--property={field}", "groupcast")


def status_of(process):
    """/proc/PROCESS/status; empty when the process is gone."""
    try:
        lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def threads(process, name):
    for thread in pathlib.Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if (thread / "comm").read_text().strip() == name:
                yield int(thread.name)


class Looking(threading.Thread):
    """Looks for the process of a component's run while it lives."""

    def __init__(self, parent):
        super().__init__(daemon=True)
        self.parent, self.seen, self.over = parent, [], False

    def run(self):
        while not self.over:
            for entry in os.listdir("/proc"):
                if not entry.isdigit():
                    continue
                with contextlib.suppress(OSError):
                    status = status_of(entry)
                    words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes()
                    if status.get("PPid") == self.parent and words.endswith(b"plugin\0run\0"):
                        status["cores"] = len(os.sched_getaffinity(int(entry)))
                        status["policy"] = os.sched_getscheduler(int(entry))
                        status["oom"] = pathlib.Path(f"/proc/{entry}/oom_score_adj").read_text().strip()
                        self.seen.append(status)
            time.sleep(0.002)


class Api:
    def __init__(self, token):
        self.token = token

    def ask(self, method, path, body=None, kind="application/json", version=None):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(API + path, method=method, data=data)
        request.add_header("Authorization", f"Bearer {self.token}")
        if data is not None:
            request.add_header("Content-Type", kind)
        if version:
            request.add_header("If-Match", version)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                self.version = answer.headers.get("ETag")
                text = answer.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def change(self, method, at, path, body):
        self.ask("GET", at)
        return self.ask(method, path, body, version=self.version)

    def work(self, directory, body):
        job = self.ask("POST", directory + "/jobs", body)["id"]
        return until(f"job {body} ends", lambda: (told := self.ask("GET", f"/jobs/{job}"))["state"] == "ended" and told)


def simulators():
    """Where the simulated vendors are. They run beside the service, as vendors do."""
    process = subprocess.Popen([PROGRAM, "simulators", "--json"], stdout=subprocess.PIPE, text=True)
    return process, json.loads(process.stdout.readline())


def install(vendors):
    """What an administrator does by the unit's comments."""
    unit = pathlib.Path("/etc/systemd/system/groupcast.service").read_text()
    ca = pathlib.Path("/etc/groupcast/ca.pem")
    ca.write_text(pathlib.Path(vendors["ca_file"]).read_text())
    key = re.search(r"^# +\[secrets\] (key = .*)$", unit, re.MULTILINE)[1]
    paths = "\n".join(re.findall(r"^#   ((?:store|plugins)[.].*)$", unit, re.MULTILINE))
    CONFIGURATION.write_text(f"""
{paths}
[network]
ca_file = "{ca}"
allow_networks = ["127.0.0.0/8"]
[secrets]
{key}
[telemetry]
listen = "127.0.0.1:9464"
log_level = "info,groupcast::plugin=debug"
[service]
""")
    # Before the program, under the very filter.
    probe = pathlib.Path("/etc/groupcast/landlock.pl")
    probe.write_text(LANDLOCK)
    addition = pathlib.Path("/etc/systemd/system/groupcast.service.d/landlock.conf")
    addition.parent.mkdir()
    addition.write_text(f"[Service]\nExecStartPre=/usr/bin/perl {probe}\n")
    # The command itself, as it stands there.
    run("bash", "-o", "pipefail", "-c", re.search(r"^# Made once: (.*)$", unit, re.MULTILINE)[1])
    for path in (ca, CONFIGURATION, probe):
        path.chmod(0o644)


def make_tenant(api, vendors):
    folder = pathlib.Path(vendors["ca_file"]).parent
    written = (folder / "groupcast.toml").read_text()
    google = written[written.index("[google]"):written.index("[entra]")]
    section = dict(re.findall(r'^(directory|base_url|token_url|admin|customer_id) = "([^"]*)"', google, re.MULTILINE))
    source = {"base_url": vendors["jumpcloud"], "api_key": {"stored": "jumpcloud"}}
    api.ask("POST", "/tenants", {"name": "acme", "jumpcloud": source})
    for name, file in (("jumpcloud", "jumpcloud-api-key"), ("google", "google-service-account.json")):
        api.ask("PUT", f"/tenants/acme/secrets/{name}", {"value": (folder / file).read_text()})
    section |= {"service_account_key": {"stored": "google"}, "managed": False}
    api.ask("POST", "/tenants/acme/directories", {"name": "google", "vendor": "google", "section": section})
    directory = "/tenants/acme/directories/google"
    api.change("PUT", directory, f"{directory}/management", {"managed": True, "acknowledge": True})
    return directory


def grant_component(api):
    """The built-in one with a custom section that nobody reads: somebody else's, that does the same."""
    component = pathlib.Path("/etc/groupcast/groupcast.wasm").read_bytes() + bytes([0, 3, 1, ord("x"), 0])
    digest = hashlib.sha256(component).hexdigest()
    api.ask("PUT", f"/plugins/{digest}", component, kind="application/octet-stream")
    api.ask("PUT", f"/plugins/{digest}/grants", {"tenant": "acme"})
    api.change("PATCH", "/tenants/acme", "/tenants/acme", {"plugin": digest})


def check():
    until("systemd answers", lambda: subprocess.run(["systemctl", "is-active", "--quiet", "multi-user.target"]).returncode == 0)
    process, vendors = simulators()
    install(vendors)
    begun = time.monotonic()
    started = subprocess.run(["systemctl", "enable", "--now", "groupcast"], capture_output=True, text=True)
    if started.returncode != 0:
        raise SystemExit(f"it does not start: {started.stderr}\n{journal()}")
    require(True, "Landlock's calls are allowed")
    require(True, f"it told that it is ready after {time.monotonic() - begun:.1f} s")
    try:
        working()
        sync(vendors)
        ending()
    except SystemExit:
        print(journal()[-6000:])
        raise
    process.kill()


def working():
    main = shown("MainPID")
    with urllib.request.urlopen("http://127.0.0.1:9464/readyz", timeout=PATIENCE) as answer:
        require(answer.status == 200, "it answers /readyz")
    status = status_of(main)
    require(status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1", "system calls are filtered")
    require(int(status["CapBnd"], 16) == 0 and int(status["CapEff"], 16) == 0, "it has no capability")
    owner = int(status["Uid"].split()[0])
    require(61184 <= owner <= 65519, f"its user is made for it: {owner}")
    ledger = pathlib.Path("/var/lib/groupcast/groupcast.db").stat()
    require(ledger.st_uid == owner and ledger.st_mode & 0o777 == 0o600, "the ledger is its own")
    require(any(pathlib.Path("/var/cache/private/groupcast").rglob("*")), "what is compiled is in its cache")
    require(shown("WatchdogUSec") == "2min" and shown("WatchdogTimestampMonotonic") != "0", "the watchdog is fed")


def sync(vendors):
    main = shown("MainPID")
    token = run(PROGRAM, "--config", str(CONFIGURATION), "token", "create", "--name", "test", "--role", "admin")
    api = Api(token)
    directory = make_tenant(api, vendors)
    grant_component(api)
    looking = Looking(main)
    looking.start()
    plan = api.work(directory, {"work": "plan"})
    require(plan["end"]["result"] in ("done", "changes-pending", "pending") and "plan" in plan, "it plans")
    api.ask("POST", f"{directory}/plans/{plan['plan']}/approvals", {})
    applied = api.work(directory, {"work": "apply", "plan": plan["plan"]})
    looking.over = True
    looking.join()
    require(applied["end"]["result"] in ("done", "changes-pending", "pending"), f"it applies: {applied['end']}")
    slow = list(threads(main, "groupcast-slow"))
    require(slow != [] and all(os.sched_getscheduler(thread) == SCHED_IDLE for thread in slow),
            f"the {len(slow)} threads of the slow lane have the lowest priority")
    confined = [status for status in looking.seen if status["policy"] == SCHED_IDLE and status["oom"] == "1000"]
    require(confined != [], "the process of a component's run has the lowest priority, and goes first without memory")
    half = max(len(os.sched_getaffinity(int(main))) // 2, 1)
    require(any(status["cores"] == half for status in confined), f"it has {half} of the cores")
    require(all(status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1" for status in confined),
            "its system calls are filtered")
    told = journal()
    require("is shut off from files and network" in told and "not shut off" not in told, "Landlock keeps it from files and network")
    require("could not be lowered" not in told and "could not be kept to half" not in told and "could not be bounded" not in told,
            "nothing of what it gives up is told to have failed")


def ending():
    begun = time.monotonic()
    run("systemctl", "stop", "groupcast")
    require(shown("Result") == "success" and shown("ExecMainStatus") == "0" and shown("ExecMainCode") == "1",
            f"a stop ends it by itself, after {time.monotonic() - begun:.1f} s")
    require(run("systemctl", "show", "--value", "--property=NRestarts", "groupcast") == "0", "it was never started again")


check()
print("groupcast.service: works under systemd as it stands")
