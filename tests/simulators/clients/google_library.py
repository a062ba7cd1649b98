"""google-api-python-client and google-auth against the simulated Directory API."""

import json

import google_auth_httplib2
import httplib2
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from harness import check, main, raises

SCOPES = [
    "https://www.googleapis.com/auth/admin.directory.group",
    "https://www.googleapis.com/auth/admin.directory.user.readonly",
]
ADMIN = "it-admin@larkspur.example"
FULL = "exactly-full@larkspur.example"


def credentials(simulators, subject=ADMIN, scopes=SCOPES):
    return service_account.Credentials.from_service_account_info(
        simulators.google_key(), scopes=scopes, subject=subject
    )


def transport(simulators):
    return httplib2.Http(ca_certs=simulators.ca, proxy_info=None, timeout=30)


def directory(simulators, **how):
    """The library as anybody would build it, from the simulator's own discovery document."""
    http = google_auth_httplib2.AuthorizedHttp(credentials(simulators, **how), http=transport(simulators))
    return build(
        "admin",
        "directory_v1",
        http=http,
        discoveryServiceUrl=f"{simulators.google}/discovery/v1/apis/{{api}}/{{apiVersion}}/rest",
        static_discovery=False,
        cache_discovery=False,
    )


def published(simulators):
    """The library with the discovery document that comes with it, Google's own, pointed at the simulator."""
    http = google_auth_httplib2.AuthorizedHttp(credentials(simulators), http=transport(simulators))
    return build(
        "admin",
        "directory_v1",
        http=http,
        client_options={"api_endpoint": simulators.google},
        cache_discovery=False,
    )


def reasons(error):
    return [entry["reason"] for entry in json.loads(error.content)["error"]["errors"]]


@check("a service account with a subject gets a token")
def token(simulators):
    import requests

    session = requests.Session()
    session.verify, session.trust_env = simulators.ca, False
    held = credentials(simulators)
    held.refresh(Request(session))
    assert held.valid and held.token, held


@check("a subject that does not exist is refused as Google refuses it")
def wrong_subject(simulators):
    error = raises(
        RefreshError,
        lambda: directory(simulators, subject="nobody@larkspur.example").groups().get(groupKey=FULL).execute(),
    )
    assert "invalid_grant" in str(error) and "Invalid email or User ID" in str(error), error


@check("a scope that was not delegated is refused as Google refuses it")
def wrong_scope(simulators):
    scopes = ["https://www.googleapis.com/auth/admin.directory.user"]
    error = raises(
        RefreshError, lambda: directory(simulators, scopes=scopes).users().list(customer="my_customer").execute()
    )
    assert "unauthorized_client" in str(error), error


@check("groups: list_next reads every page")
def groups_paged(simulators):
    groups = directory(simulators).groups()
    request, pages, found = groups.list(customer="my_customer", maxResults=200, orderBy="email"), 0, []
    while request is not None:
        page = request.execute()
        pages += 1
        found += [group["email"] for group in page.get("groups", [])]
        request = groups.list_next(request, page)
    held = [group["email"] for group in simulators.state()["google"]["tenant"]["groups"]]
    assert pages == 3 and len(set(found)) == len(found), (pages, len(found))
    assert sorted(found) == sorted(held)


@check("members: an exactly full last page ends the list")
def members_paged(simulators):
    members = directory(simulators).members()
    request, pages, found = members.list(groupKey=FULL, maxResults=200, roles="MEMBER"), 0, []
    while request is not None:
        page = request.execute()
        pages += 1
        found += page["members"]
        request = members.list_next(request, page)
    assert pages == 2 and len(found) == 400, (pages, len(found))
    outside = [member for member in found if member["email"].endswith("@elsewhere.example")]
    assert len(outside) == 200 and not any("status" in member for member in outside)


@check("users: a page of five hundred, a search, one user by address")
def users(simulators):
    users = directory(simulators).users()
    page = users.list(customer="my_customer", maxResults=500, orderBy="email", projection="basic").execute()
    assert len(page["users"]) == len(simulators.told["google"]["users"]) and "nextPageToken" not in page
    found = users.list(customer="my_customer", query="email:aisha.abara*").execute()["users"]
    assert [user["primaryEmail"] for user in found] == ["aisha.abara@larkspur.example"]
    one = users.get(userKey="aisha.abara@larkspur.example", viewType="admin_view").execute()
    assert one["id"] == found[0]["id"]


@check("a group: insert, get, patch, update, alias, delete")
def group_life(simulators):
    groups = directory(simulators).groups()
    made = groups.insert(body={"email": "choir@larkspur.example", "name": "Choir", "description": "Mondays"}).execute()
    assert made["id"] and made["etag"] and made["directMembersCount"] == "0", made
    assert groups.get(groupKey=made["id"]).execute()["email"] == "choir@larkspur.example"
    assert groups.patch(groupKey=made["id"], body={"name": "The choir"}).execute()["description"] == "Mondays"
    updated = groups.update(groupKey=made["id"], body={"email": "singers@larkspur.example", "name": "Singers"}).execute()
    assert updated["email"] == "singers@larkspur.example" and updated["id"] == made["id"], updated
    alias = groups.aliases().insert(groupKey=made["id"], body={"alias": "voices@larkspur.example"}).execute()
    assert alias["alias"] == "voices@larkspur.example", alias
    assert groups.get(groupKey="voices@larkspur.example").execute()["email"] == "singers@larkspur.example"
    listed = groups.aliases().list(groupKey=made["id"]).execute()["aliases"]
    assert "voices@larkspur.example" in [entry["alias"] for entry in listed], listed
    assert groups.aliases().delete(groupKey=made["id"], alias="voices@larkspur.example").execute() == ""
    held = simulators.google_group("singers@larkspur.example")
    assert held["name"] == "Singers" and "voices@larkspur.example" not in held["aliases"], held
    assert groups.delete(groupKey=made["id"]).execute() == ""
    assert simulators.google_group("singers@larkspur.example") is None


@check("a member: insert by address and by ID, get, patch, hasMember, delete")
def member_life(simulators):
    service = directory(simulators)
    service.groups().insert(body={"email": "cooks@larkspur.example"}).execute()
    members = service.members()
    assert "members" not in members.list(groupKey="cooks@larkspur.example").execute()
    first, second = simulators.told["google"]["users"][1:3]
    added = members.insert(
        groupKey="cooks@larkspur.example", body={"email": first["primary_email"], "role": "MEMBER"}
    ).execute()
    assert added["id"] == first["id"] and added["type"] == "USER" and added["status"] == "ACTIVE", added
    members.insert(groupKey="cooks@larkspur.example", body={"id": second["id"]}).execute()
    assert members.get(groupKey="cooks@larkspur.example", memberKey=second["id"]).execute()["role"] == "MEMBER"
    raised = members.patch(
        groupKey="cooks@larkspur.example", memberKey=first["primary_email"], body={"role": "MANAGER"}
    ).execute()
    assert raised["role"] == "MANAGER"
    ask = lambda key: members.hasMember(groupKey="cooks@larkspur.example", memberKey=key).execute()["isMember"]
    assert ask(first["primary_email"]) is True and ask(simulators.told["google"]["users"][5]["primary_email"]) is False
    assert members.delete(groupKey="cooks@larkspur.example", memberKey=second["primary_email"]).execute() == ""
    held = simulators.google_group("cooks@larkspur.example")["members"]
    assert [(member["id"], member["role"]) for member in held] == [(first["id"], "MANAGER")], held


@check("fields: partial answers, with the page mark; none at all after a write")
def partial(simulators):
    service = directory(simulators)
    page = service.groups().list(
        customer="my_customer", maxResults=3, fields="nextPageToken,groups(email,id)"
    ).execute()
    assert set(page) == {"nextPageToken", "groups"} and all(set(group) == {"email", "id"} for group in page["groups"])
    page = service.members().list(groupKey=FULL, maxResults=2, fields="members/email").execute()
    assert [set(member) for member in page["members"]] == [{"email"}, {"email"}], page
    error = raises(
        HttpError, lambda: service.groups().get(groupKey=FULL, fields="email,colour").execute()
    )
    assert error.resp.status == 400, error


@check("errors: duplicate, notFound for group and member, invalid, required")
def errors(simulators):
    service = directory(simulators)
    members = service.members()
    known = simulators.told["google"]["users"][0]["primary_email"]
    error = raises(HttpError, lambda: members.insert(groupKey=FULL, body={"email": known}).execute())
    assert (error.resp.status, reasons(error)) == (409, ["duplicate"]), error
    assert error.reason == "Member already exists.", error.reason
    assert error.error_details[0]["reason"] == "duplicate", error.error_details
    error = raises(HttpError, lambda: service.groups().get(groupKey="no-such@larkspur.example").execute())
    assert (error.resp.status, error.reason) == (404, "Resource Not Found: groupKey"), error
    error = raises(HttpError, lambda: members.delete(groupKey=FULL, memberKey="no-such@larkspur.example").execute())
    assert (error.resp.status, error.reason) == (404, "Resource Not Found: memberKey"), error
    error = raises(HttpError, lambda: members.insert(groupKey=FULL, body={"role": "MEMBER"}).execute())
    assert (error.resp.status, reasons(error)) == (400, ["required"]), error
    error = raises(HttpError, lambda: service.groups().insert(body={"email": FULL}).execute())
    assert (error.resp.status, reasons(error)) == (409, ["duplicate"]), error


@check("a batch through BatchHttpRequest: each call has its own answer or error")
def batch(simulators):
    service = directory(simulators)
    service.groups().insert(body={"email": "batch@larkspur.example"}).execute()
    people = [user["primary_email"] for user in simulators.told["google"]["users"][1:41]]
    answers = {}

    def taken(name, answer, error):
        answers[name] = error or answer

    calls = service.new_batch_http_request(callback=taken)
    for address in people + [people[0], "no-such@larkspur.example"]:
        request = service.members().insert(groupKey="batch@larkspur.example", body={"email": address})
        calls.add(request, request_id=f"{len(answers)}:{len(calls._order)}:{address}")
    calls.add(service.groups().get(groupKey="batch@larkspur.example", fields="email"), request_id="get")
    calls.execute()
    assert len(answers) == 43, len(answers)
    failed = {name: error.resp.status for name, error in answers.items() if isinstance(error, HttpError)}
    assert sorted(failed.values()) == [404, 409], failed
    assert answers["get"] == {"email": "batch@larkspur.example"}
    held = [member["email"] for member in simulators.google_group("batch@larkspur.example")["members"]]
    assert sorted(held) == sorted(people)


@check("a batch of the library's own form: deletes, answers without a body")
def batch_deletes(simulators):
    service = directory(simulators)
    answers = []
    calls = service.new_batch_http_request(callback=lambda *taken: answers.append(taken))
    for member in simulators.google_group("batch@larkspur.example")["members"]:
        calls.add(service.members().delete(groupKey="batch@larkspur.example", memberKey=member["id"], fields=""))
    calls.execute()
    assert len(answers) == 40 and all(error is None for _, _, error in answers), answers
    assert simulators.google_group("batch@larkspur.example")["members"] == []


@check("Google's own discovery document: the same library, its endpoint moved")
def own_document(simulators):
    service = published(simulators)
    assert service.groups().get(groupKey=FULL).execute()["directMembersCount"] == "400"
    page = service.members().list(groupKey=FULL, maxResults=200).execute()
    assert len(page["members"]) == 200 and page["nextPageToken"]
    # The endpoint does not move the batch address: it has to be given.
    from googleapiclient.http import BatchHttpRequest

    answers = []
    calls = BatchHttpRequest(callback=lambda *taken: answers.append(taken), batch_uri=f"{simulators.google}/batch")
    calls.add(service.groups().get(groupKey=FULL))
    calls.add(service.groups().get(groupKey="no-such@larkspur.example"))
    calls.execute(http=service._http)
    assert len(answers) == 2 and answers[1][2].resp.status == 404, answers


@check("quota and server errors are retried by the library's own num_retries")
def retries(simulators):
    simulators.set_faults(
        [
            {
                "vendor": "google",
                "path": "/admin/directory/v1/groups/*",
                "times": 1,
                "fault": {
                    "answer": {
                        "status": 403,
                        "body": json.dumps(
                            {
                                "error": {
                                    "code": 403,
                                    "message": "User Rate Limit Exceeded",
                                    "errors": [{"domain": "usageLimits", "reason": "userRateLimitExceeded"}],
                                }
                            }
                        ),
                    }
                },
            },
        ]
    )
    try:
        assert directory(simulators).groups().get(groupKey=FULL).execute(num_retries=2)["email"] == FULL
    finally:
        simulators.set_faults([])


if __name__ == "__main__":
    main("google-api-python-client")
