"""Gives schemathesis something to ask about, and tells it what there is.

A tenant of the store beside the file's `default`, a first sync of both directories, and then the identifiers that came of
it, as dictionaries in the configuration: made-up names alone would only ever be answered with 404.
"""

import hashlib
import json
import os
import pathlib
import time
import urllib.error
import urllib.request

URL = os.environ["GROUPCAST_URL"]
HERE = pathlib.Path(__file__).parent


def ask(method, path, body=None):
    request = urllib.request.Request(URL + path, method=method)
    request.add_header("Authorization", f"Bearer {os.environ['GROUPCAST_TOKEN']}")
    data = None
    if body is not None:
        request.add_header("Content-Type", "application/json")
        data = json.dumps(body).encode()
    with urllib.request.urlopen(request, data=data, timeout=120) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def keep_component():
    """The program's own component, kept as anybody's would be."""
    component = pathlib.Path(os.environ["GROUPCAST_COMPONENT"]).read_bytes()
    digest = hashlib.sha256(component).hexdigest()
    request = urllib.request.Request(f"{URL}/plugins/{digest}", method="PUT", data=component)
    request.add_header("Authorization", f"Bearer {os.environ['GROUPCAST_TOKEN']}")
    request.add_header("Content-Type", "application/octet-stream")
    urllib.request.urlopen(request, timeout=120).close()
    ask("PUT", f"/plugins/{digest}/grants", {"tenant": "stored"})
    return digest


def prepare():
    ask("POST", "/tenants", {"name": "stored", "jumpcloud": {"api_key": {"stored": "jumpcloud"}}})
    ask("POST", "/tenants/stored/directories", {"name": "google", "vendor": "google", "section": {
        "directory": "5f0c", "admin": "admin@example.com", "domains": ["example.com"],
        "service_account_key": {"stored": "google"},
    }})
    digest = keep_component()
    ids = {"digest": [digest], "tenant": ["default", "stored"], "directory": ["google", "entra"], "job": [], "plan": [], "run": [], "group": []}
    for name in ids["directory"]:
        of = f"/tenants/default/directories/{name}"
        job = ask("POST", of + "/jobs", {"work": "sync"})
        until = time.monotonic() + 120
        while job["state"] != "ended":
            if time.monotonic() > until:
                raise SystemExit(f"a first sync of {name} did not end: {job}")
            time.sleep(0.3)
            job = ask("GET", f"/jobs/{job['id']}")
        ids["job"].append(job["id"])
        ids["plan"] += [plan["hash"] for plan in ask("GET", of + "/plans")["items"]]
        ids["group"] += [group["id"] for group in ask("GET", of + "/groups?limit=5")["items"]]
    ids["run"] = [run["id"] for run in ask("GET", "/runs")["items"]]
    return ids


def configuration(ids):
    text = [(HERE / "schemathesis.toml").read_text()]
    for name, values in ids.items():
        if values:
            text.append(f"[dictionaries.{name}]\nvalues = {json.dumps(sorted(set(values)))}\n")
    for name, values in ids.items():
        if values:
            text.append(f"[parameters.{name}]\ndictionary = \"{name}\"\nprobability = 0.7\n")
    return "\n".join(text)


try:
    found = prepare()
except urllib.error.HTTPError as error:
    raise SystemExit(f"{error.url}: {error.code} {error.read().decode()}") from error
pathlib.Path(os.environ["GROUPCAST_CONFIG_OUT"]).write_text(configuration(found))
