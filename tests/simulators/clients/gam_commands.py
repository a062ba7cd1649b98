"""GAM 7, whole, against the simulated Directory API.

GAM has no setting for another base URL, but it builds every client from the discovery document that it fetches:
`gam_moved.py` has it fetched from the simulator, and from there on GAM goes where the document says, its batches
included. It signs its own bearer tokens with the service account's key (`enable_dasa`), so the account itself
holds the admin role.
"""

import csv
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from harness import HERE, Simulators, check, main, organisation

FULL = "exactly-full@larkspur.example"


class WithConfiguration(Simulators):
    """Simulators where the service account is an admin, and a folder of GAM's that points at them."""

    def __init__(self):
        told = organisation()
        account = told["google"]["service_accounts"][0]["client_email"]
        told["google"]["admins"].append(account)
        super().__init__(told)
        self.gam_folder = tempfile.TemporaryDirectory(prefix="groupcast-gam-")
        folder = pathlib.Path(self.gam_folder.name)
        for name in ("drive", "cache"):
            (folder / name).mkdir()
        (folder / "oauth2service.json").write_text(json.dumps(self.google_key()))
        (folder / "nobrowser.txt").write_text("")
        (folder / "gam.cfg").write_text(
            "[DEFAULT]\n"
            f"admin_email = {account}\n"
            "customer_id = C0larkspur\n"
            "domain = larkspur.example\n"
            "enable_dasa = true\n"
            "oauth2_txt = ''\n"
            f"cacerts_pem = {self.ca}\n"
            f"drive_dir = {folder / 'drive'}\n"
            f"cache_dir = {folder / 'cache'}\n"
            "no_update_check = true\n"
            "auto_batch_min = 0\n"
        )

    def __exit__(self, *how):
        super().__exit__(*how)
        self.gam_folder.cleanup()

    def gam(self, *command, code=0):
        """Runs one command; gives what GAM printed."""
        environment = dict(os.environ, GAMCFGDIR=self.gam_folder.name, SIMULATED_GOOGLE=self.google)
        done = subprocess.run(
            [sys.executable, HERE / "gam_moved.py", *command],
            env=environment,
            cwd=self.gam_folder.name,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def table(self, *command):
        return list(csv.DictReader(io.StringIO(self.gam(*command))))


@check("print groups: every page")
def print_groups(simulators):
    rows = simulators.table("print", "groups", "fields", "email,name,id,directmemberscount")
    held = simulators.state()["google"]["tenant"]["groups"]
    assert sorted(row["email"] for row in rows) == sorted(group["email"] for group in held), len(rows)
    assert {row["directMembersCount"] for row in rows if row["email"] == FULL} == {"400"}


@check("print group-members: external ones and an exactly full last page too")
def print_members(simulators):
    rows = simulators.table("print", "group-members", "group", FULL, "fields", "email,id,role,status,type")
    assert len(rows) == 400 and sum(row["status"] == "" for row in rows) == 200, len(rows)


@check("create, info, move and delete a group, with an alias")
def group_life(simulators):
    simulators.gam("create", "group", "choir@larkspur.example")
    simulators.gam("create", "alias", "voices@larkspur.example", "group", "choir@larkspur.example")
    assert simulators.google_group("choir@larkspur.example")["aliases"] == ["voices@larkspur.example"]
    told = simulators.gam("info", "group", "voices@larkspur.example", "basic")
    assert "choir@larkspur.example" in told and "voices@larkspur.example" in told, told
    simulators.gam("update", "group", "choir@larkspur.example", "email", "singers@larkspur.example")
    assert simulators.google_group("singers@larkspur.example") is not None
    simulators.gam("delete", "group", "singers@larkspur.example")
    assert simulators.google_group("singers@larkspur.example") is None


@check("update group add, sync and remove members: one by one and in batches")
def members(simulators):
    people = [user["primary_email"] for user in simulators.told["google"]["users"][1:71]]
    team = "team@larkspur.example"
    simulators.gam("create", "group", team)
    simulators.gam("update", "group", team, "add", "owner", people[0])
    simulators.gam("update", "group", team, "add", "member", ",".join(people[1:61]))
    emails = lambda: sorted(member["email"] for member in simulators.google_group(team)["members"])
    assert emails() == sorted(people[:61])
    assert any(request["in_batch"] for request in simulators.requests()), "GAM sent no batch"
    # Sync removes ten and adds ten.
    simulators.gam("update", "group", team, "sync", "member", ",".join(people[11:71]))
    assert emails() == sorted(people[:1] + people[11:71])
    simulators.gam("update", "group", team, "remove", ",".join(people[11:21]))
    assert emails() == sorted(people[:1] + people[21:71])
    roles = {member["email"]: member["role"] for member in simulators.google_group(team)["members"]}
    assert roles[people[0]] == "OWNER"


@check("a member twice, a person who is not there: told as GAM tells of Google's answers")
def refusals(simulators):
    people = [user["primary_email"] for user in simulators.told["google"]["users"]]
    # 50 is GAM's exit code for "action failed".
    simulators.gam("update", "group", FULL, "add", "member", people[0], code=50)
    simulators.gam("update", "group", FULL, "add", "member", "no-such@larkspur.example", code=50)
    simulators.gam("info", "group", "no-such@larkspur.example", "basic", code=50)


@check("print users and info user")
def users(simulators):
    rows = simulators.table("print", "users", "fields", "primaryEmail,suspended,name")
    assert len(rows) == len(simulators.told["google"]["users"])
    told = simulators.gam("info", "user", "aisha.abara@larkspur.example", "nogroups", "nolicenses", "noschemas", "quick")
    assert "aisha.abara@larkspur.example" in told


if __name__ == "__main__":
    main("GAM", WithConfiguration)
