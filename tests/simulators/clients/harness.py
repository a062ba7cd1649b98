"""What every script here shares: the simulators as a process, and one line a check.

A script is run by `run.py`, which hands it the program to start in GROUPCAST; each script starts simulators of
its own, so that none depends on what another left behind.
"""

import asyncio
import inspect
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import traceback
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
SIMULATORS = HERE.parent
SAMPLE = SIMULATORS / "organisations" / "sample.json"
# Published on purpose: they belong to the sample and to the simulators' own tests, and protect nothing.
GOOGLE_KEY = SIMULATORS / "tests" / "keys" / "google-throwaway-private.pem"
ENTRA_CERTIFICATE = SIMULATORS / "src" / "entra" / "tests" / "certificate.pem"
ENTRA_KEY = SIMULATORS / "src" / "entra" / "tests" / "key.pem"


def organisation():
    """The sample, with what paging needs: groups and members beyond a page, and exactly full last pages."""
    told = json.loads(SAMPLE.read_text())
    google, entra = told["google"], told["entra"]

    people = google["users"]
    for number in range(450):
        google["groups"].append(
            {"id": f"many{number:04}", "email": f"many-{number:03}@larkspur.example", "name": f"Many {number:03}"}
        )
    google["groups"].append(
        {
            "id": "exactlyfull",
            "email": "exactly-full@larkspur.example",
            "name": "Exactly full",
            # Two hundred to a page: the second page is full and the last.
            "members": [{"id": person["id"], "email": person["primary_email"]} for person in people[:200]]
            + [{"id": f"9{number:020}", "email": f"guest-{number}@elsewhere.example"} for number in range(200)],
        }
    )

    for number in range(250):
        entra["groups"].append(
            {
                "id": f"00000000-0000-4000-8000-{number:012}",
                "display_name": f"Many {number:03}",
                "mail_nickname": f"many{number:03}",
            }
        )
    entra["groups"].append(
        {
            "id": "11111111-0000-4000-8000-000000000000",
            "display_name": "Exactly full",
            "mail_nickname": "exactlyfull",
            # A hundred to a page.
            "members": [{"id": person["id"], "type": "user"} for person in entra["users"][:200]],
        }
    )
    entra["applications"].append(
        {
            "client_id": "8d5c6a0e-52c7-4b9c-9c69-0a5c1a6d4f10",
            "certificate_pem": ENTRA_CERTIFICATE.read_text(),
            "permissions": ["Group.ReadWrite.All", "User.Read.All"],
        }
    )
    return told


class Simulators:
    """`groupcast simulators`, running. Ends with the `with` block."""

    def __init__(self, told=None, faults=None):
        self.told = told if told is not None else organisation()
        self.folder = tempfile.TemporaryDirectory(prefix="groupcast-clients-")
        folder = pathlib.Path(self.folder.name)
        (folder / "organisation.json").write_text(json.dumps(self.told))
        command = [os.environ["GROUPCAST"], "simulators", "--json", "--organisation", folder / "organisation.json"]
        if faults is not None:
            (folder / "faults.json").write_text(json.dumps(faults))
            command += ["--faults", folder / "faults.json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the simulators did not start: exit code {self.process.wait()}")
        self.at = json.loads(line)
        self.google, self.graph, self.login = self.at["google"], self.at["graph"], self.at["login"]
        self.jumpcloud, self.ca = self.at["jumpcloud"], self.at["ca_file"]
        self.trust = ssl.create_default_context(cafile=self.ca)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.process.stdout.close()
        self.folder.cleanup()

    def _control(self, name, method="GET", body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.google}/_simulator/{name}", data=data, method=method)
        # Straight there, whatever proxy the environment names.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.trust)
        )
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)

    def state(self):
        return self._control("state")

    def requests(self):
        return self._control("requests")

    def forget_requests(self):
        self._control("requests", "DELETE")

    def set_faults(self, rules):
        self._control("faults", "PUT", rules)

    def google_group(self, address):
        """The group with this address as the simulator itself holds it, or None."""
        groups = self.state()["google"]["tenant"]["groups"]
        return next((group for group in groups if group["email"] == address), None)

    def entra_group(self, name):
        """The group with this display name as the simulator itself holds it, or None."""
        groups = self.state()["entra"]["tenant"]["groups"]
        return next((group for group in groups if group["display_name"] == name), None)

    def google_key(self):
        """A service account's key as Google's console would hand it out, with this simulator's token endpoint."""
        account = self.told["google"]["service_accounts"][0]
        return {
            "type": "service_account",
            "project_id": "larkspur-sandbox",
            "private_key_id": account["private_key_id"],
            "private_key": GOOGLE_KEY.read_text(),
            "client_email": account["client_email"],
            "client_id": account["client_id"],
            "token_uri": self.at["google_token"],
        }


CHECKS = []


def check(name):
    """Marks a function as a check. It is given the running simulators; it passes where it does not raise."""

    def marked(function):
        CHECKS.append((name, function))
        return function

    return marked


def main(label, simulators=Simulators):
    """Runs this script's checks in the order in which they are written, one line each."""
    # The machine's settings must not leak in: a proxy would be asked for an address on loopback, and requests
    # prefers these variables to the authority that it is given.
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            del os.environ[name]
    failed = 0
    with simulators() as running:
        for name, function in CHECKS:
            try:
                result = function(running)
                if inspect.isawaitable(result):
                    asyncio.run(result)
            except Exception:
                failed += 1
                print(f"FAILED  {label}: {name}", flush=True)
                traceback.print_exc()
            else:
                print(f"ok      {label}: {name}", flush=True)
    sys.exit(1 if failed else 0)


def raises(kind, function):
    """The error that `function` raises; anything else is a failure."""
    try:
        function()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")
