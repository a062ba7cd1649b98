"""msgraph-sdk (kiota, httpx over HTTP/2) and azure-identity against the simulated Microsoft Graph."""

import ssl

import httpx
from azure.identity import ClientSecretCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphServiceClient
from msgraph.generated.groups.delta.delta_request_builder import DeltaRequestBuilder
from msgraph.generated.groups.get_by_ids.get_by_ids_post_request_body import GetByIdsPostRequestBody
from msgraph.generated.groups.groups_request_builder import GroupsRequestBuilder
from msgraph.generated.groups.item.members.members_request_builder import MembersRequestBuilder
from msgraph.generated.models.group import Group
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.reference_create import ReferenceCreate
from msgraph.generated.models.user import User
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph.graph_request_adapter import GraphRequestAdapter, options
from msgraph_core import GraphClientFactory
from msgraph_core.requests.batch_request_builder import BatchRequestBuilder
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem
from msgraph_core.tasks.page_iterator import PageIterator

from harness import check, main

FULL = "11111111-0000-4000-8000-000000000000"


def credential(simulators, secret=None):
    entra = simulators.told["entra"]
    application = entra["applications"][0]
    return ClientSecretCredential(
        entra["tenant_id"],
        application["client_id"],
        secret or application["client_secret"],
        authority=simulators.login,
        disable_instance_discovery=True,
        connection_verify=simulators.ca,
        retry_total=0,
    )


def connect(simulators, secret=None):
    """The SDK's own adapter and middleware; moved: the base URL, the authority, what to trust."""
    provider = AzureIdentityAuthenticationProvider(
        credential(simulators, secret),
        scopes=["https://graph.microsoft.com/.default"],
        allowed_hosts=["127.0.0.1"],
    )
    http = httpx.AsyncClient(verify=ssl.create_default_context(cafile=simulators.ca), http2=True, timeout=30)
    http = GraphClientFactory.create_with_default_middleware(client=http, options=options)
    adapter = GraphRequestAdapter(provider, http)
    adapter.base_url = f"{simulators.graph}/v1.0"
    return GraphServiceClient(request_adapter=adapter)


def new_group(name, **more):
    return Group(
        display_name=name,
        mail_nickname="".join(filter(str.isalnum, name)).lower(),
        mail_enabled=False,
        security_enabled=True,
        group_types=[],
        **more,
    )


def reference(simulators, id):
    return f"https://graph.microsoft.com/v1.0/directoryObjects/{id}"


def asking(parameters, **values):
    return RequestConfiguration(query_parameters=parameters(**values))


@check("azure-identity gets a token and the SDK lists groups")
async def lists(simulators):
    graph = connect(simulators)
    page = await graph.groups.get()
    assert len(page.value) == 100 and page.odata_next_link, page
    assert all(group.odata_type in (None, "#microsoft.graph.group") for group in page.value)


@check("a wrong secret is refused as Entra refuses it")
async def wrong_secret(simulators):
    from azure.core.exceptions import ClientAuthenticationError

    try:
        await connect(simulators, secret="wrong").groups.get()
    except ClientAuthenticationError as error:
        assert "AADSTS7000215" in str(error), error
    else:
        raise AssertionError("a wrong secret was taken")


@check("groups: a filter, a selection, a count with ConsistencyLevel")
async def filters(simulators):
    graph = connect(simulators)
    parameters = GroupsRequestBuilder.GroupsRequestBuilderGetQueryParameters
    page = await graph.groups.get(asking(parameters, filter="displayName eq 'Finance'", select=["id", "displayName"]))
    assert [group.display_name for group in page.value] == ["Finance", "Finance"]
    page = await graph.groups.get(asking(parameters, filter="displayName eq 'O''Brien & Söhne + #1'"))
    assert page.value == []
    how = asking(parameters, filter="startswith(displayName,'Many')", count=True, top=5, orderby=["displayName"])
    how.headers.add("ConsistencyLevel", "eventual")
    page = await graph.groups.get(how)
    assert page.odata_count == 250 and [group.display_name for group in page.value][0] == "Many 000", page


@check("members: PageIterator reads an exactly full last page and stops")
async def pages(simulators):
    graph = connect(simulators)
    found = []
    page = await graph.groups.by_group_id(FULL).members.get()
    iterator = PageIterator(page, graph.request_adapter)
    await iterator.iterate(lambda member: found.append(member) or True)
    assert len(found) == 200 and len({member.id for member in found}) == 200, len(found)
    assert all(isinstance(member, User) for member in found), {type(member) for member in found}


@check("members: of one type, by the SDK's cast, with $top and $select")
async def casts(simulators):
    graph = connect(simulators)
    found = []
    from msgraph.generated.groups.item.members.graph_user.graph_user_request_builder import GraphUserRequestBuilder

    parameters = GraphUserRequestBuilder.GraphUserRequestBuilderGetQueryParameters
    page = await graph.groups.by_group_id(FULL).members.graph_user.get(
        asking(parameters, top=150, select=["id", "userPrincipalName"])
    )
    iterator = PageIterator(page, graph.request_adapter)
    await iterator.iterate(lambda member: found.append(member.user_principal_name) or True)
    assert len(found) == 200 and all(found)
    top = MembersRequestBuilder.MembersRequestBuilderGetQueryParameters
    assert len((await graph.groups.by_group_id(FULL).members.get(asking(top, top=999))).value) == 200
    how = RequestConfiguration()
    how.headers.add("ConsistencyLevel", "eventual")
    assert await graph.groups.by_group_id(FULL).members.count.get(how) == 200


@check("a group: create, get, patch, delete; found by users")
async def group_life(simulators):
    graph = connect(simulators)
    person = simulators.told["entra"]["users"][0]
    made = new_group("Choir", description="Mondays")
    made.additional_data = {"members@odata.bind": [reference(simulators, person["id"])]}
    made = await graph.groups.post(made)
    assert made.id and made.group_types == [] and made.security_enabled and made.mail_enabled is False
    assert (await graph.groups.by_group_id(made.id).get()).display_name == "Choir"
    assert await graph.groups.by_group_id(made.id).patch(Group(display_name="Singers")) is None
    held = simulators.entra_group("Singers")
    assert held["id"] == made.id and [member["id"] for member in held["members"]] == [person["id"]], held
    owned = await graph.users.by_user_id(person["user_principal_name"]).member_of.get()
    assert made.id in [group.id for group in owned.value]
    await graph.groups.by_group_id(made.id).delete()
    assert simulators.entra_group("Singers") is None
    gone = await graph.directory.deleted_items.graph_group.get()
    assert made.id in [group.id for group in gone.value]
    await graph.directory.deleted_items.by_directory_object_id(made.id).restore.post()
    assert simulators.entra_group("Singers")["id"] == made.id


@check("an upsert by uniqueName: created once, then found")
async def upsert(simulators):
    graph = connect(simulators)
    how = RequestConfiguration()
    how.headers.add("Prefer", "create-if-missing")
    first = await graph.groups_with_unique_name("jumpcloud-0001").patch(new_group("Upserted"), how)
    second = await graph.groups_with_unique_name("jumpcloud-0001").patch(new_group("Upserted again"), how)
    assert first is not None and second is None, (first, second)
    found = await graph.groups_with_unique_name("jumpcloud-0001").get()
    assert found.id == first.id and found.display_name == "Upserted again" and found.unique_name == "jumpcloud-0001"


@check("members: twenty by one patch, one by $ref, removed by $ref")
async def members(simulators):
    graph = connect(simulators)
    made = await graph.groups.post(new_group("Cooks"))
    ids = [person["id"] for person in simulators.told["entra"]["users"][:21]]
    many = Group(additional_data={"members@odata.bind": [reference(simulators, id) for id in ids[:20]]})
    assert await graph.groups.by_group_id(made.id).patch(many) is None
    await graph.groups.by_group_id(made.id).members.ref.post(ReferenceCreate(odata_id=reference(simulators, ids[20])))
    assert sorted(member["id"] for member in simulators.entra_group("Cooks")["members"]) == sorted(ids)
    # The SDK's own way to remove: DELETE .../members/{id}/$ref.
    await graph.groups.by_group_id(made.id).members.by_directory_object_id(ids[0]).ref.delete()
    refs = await graph.groups.by_group_id(made.id).members.ref.get()
    assert len(refs.value) == 20 and not any(ids[0] in ref for ref in refs.value), refs.value
    assert ids[0] not in [member["id"] for member in simulators.entra_group("Cooks")["members"]]
    assert ids[0] in [user["id"] for user in simulators.state()["entra"]["tenant"]["users"]]


@check("errors: ODataError with code, message and request IDs")
async def errors(simulators):
    graph = connect(simulators)

    async def error_of(call):
        try:
            await call
        except ODataError as error:
            return error
        raise AssertionError("no ODataError was raised")

    id = simulators.entra_group("Cooks")["members"][0]["id"]
    group = simulators.entra_group("Cooks")["id"]
    again = ReferenceCreate(odata_id=reference(simulators, id))
    error = await error_of(graph.groups.by_group_id(group).members.ref.post(again))
    assert error.response_status_code == 400 and error.error.code == "Request_BadRequest", error
    assert "already exist" in error.error.message and error.error.inner_error.request_id, error
    missing = "99999999-9999-4999-8999-999999999999"
    error = await error_of(graph.groups.by_group_id(missing).get())
    assert (error.response_status_code, error.error.code) == (404, "Request_ResourceNotFound"), error
    parameters = GroupsRequestBuilder.GroupsRequestBuilderGetQueryParameters
    error = await error_of(graph.groups.get(asking(parameters, filter="endswith(displayName,'e')")))
    assert error.response_status_code == 400, error
    error = await error_of(graph.users.by_user_id(id).patch(User(display_name="Somebody else")))
    assert error.response_status_code == 403 and error.error.code == "Authorization_RequestDenied", error


def part(simulators, id, ask):
    """A request of a batch. A client that was used before makes its address absolute, which Graph refuses, so it
    is made relative here (msgraph-sdk-python, issue 1015)."""
    item = BatchRequestItem(ask, id=id)
    item.url = item.url.removeprefix(f"{simulators.graph}/v1.0")
    return item


@check("a batch through BatchRequestContent: twenty requests, bodies, an error")
async def batch(simulators):
    graph = connect(simulators)
    made = await graph.groups.post(new_group("Batch"))
    ids = [person["id"] for person in simulators.told["entra"]["users"][:18]]
    group = graph.groups.by_group_id(made.id)
    content = BatchRequestContent()

    def add(id, ask):
        content.add_request(id, part(simulators, id, ask))

    for number, id in enumerate(ids):
        reference_to = ReferenceCreate(odata_id=reference(simulators, id))
        add(str(number), group.members.ref.to_post_request_information(reference_to))
    again = ReferenceCreate(odata_id=reference(simulators, ids[0]))
    add("again", group.members.ref.to_post_request_information(again))
    add("get", graph.groups.by_group_id(FULL).to_get_request_information())
    answers = await BatchRequestBuilder(graph.request_adapter).post(content)
    statuses = answers.get_response_status_codes()
    wanted = {str(number): 204 for number in range(18)} | {"again": 400, "get": 200}
    assert statuses == wanted, statuses
    # No look at the bodies: this version of the SDK loses those that are JSON. The library for Node reads them.
    assert sorted(member["id"] for member in simulators.entra_group("Batch")["members"]) == sorted(ids)


@check("a batch with an absolute address is refused, as Graph refuses it")
async def absolute(simulators):
    from kiota_abstractions.api_error import APIError

    graph = connect(simulators)
    ask = graph.groups.by_group_id(FULL).to_get_request_information()
    item = BatchRequestItem(ask, id="1")
    item.url = f"{simulators.graph}/v1.0/groups/{FULL}"
    content = BatchRequestContent()
    content.add_request("1", item)
    try:
        await BatchRequestBuilder(graph.request_adapter).post(content)
    except APIError as error:
        assert error.response_status_code == 400, error
    else:
        raise AssertionError("an absolute address was taken")


@check("delta: every page, then only what changed")
async def delta(simulators):
    graph = connect(simulators)
    parameters = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters

    async def round(page):
        found = {}
        while True:
            for group in page.value:
                found.setdefault(group.id, []).append(group)
            if page.odata_delta_link:
                return found, page.odata_delta_link
            page = await graph.groups.delta.with_url(page.odata_next_link).get()

    page = await graph.groups.delta.get(asking(parameters, select=["displayName", "description", "members"]))
    found, link = await round(page)
    held = simulators.state()["entra"]["tenant"]["groups"]
    assert set(found) == {group["id"] for group in held}, len(found)
    told = [str(member["id"]) for group in found[FULL] for member in group.additional_data.get("members@delta", [])]
    assert len(told) == 200, len(told)

    cooks = simulators.entra_group("Cooks")
    gone = cooks["members"][0]["id"]
    await graph.groups.by_group_id(cooks["id"]).members.by_directory_object_id(gone).ref.delete()
    await graph.groups.by_group_id(FULL).delete()
    found, _ = await round(await graph.groups.delta.with_url(link).get())
    assert set(found) == {cooks["id"], FULL}, set(found)
    assert found[FULL][0].additional_data["@removed"], found[FULL][0].additional_data
    changed = found[cooks["id"]][0].additional_data["members@delta"]
    assert [(str(member["id"]), "@removed" in member) for member in changed] == [(gone, True)], changed


@check("users: a filter on two properties, many objects by their IDs")
async def users(simulators):
    graph = connect(simulators)
    person = simulators.told["entra"]["users"][3]
    parameters = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters
    ask = f"userPrincipalName eq '{person['user_principal_name']}' or mail eq '{person['mail']}'"
    page = await graph.users.get(asking(parameters, filter=ask, select=["id", "mail", "userPrincipalName"]))
    assert [user.id for user in page.value] == [person["id"]]
    body = GetByIdsPostRequestBody(ids=[person["id"], simulators.entra_group("Legal")["id"]], types=["user", "group"])
    found = await graph.directory_objects.get_by_ids.post(body)
    assert {type(one).__name__ for one in found.value} == {"User", "Group"}, found.value


@check("a throttled request is retried by the SDK after Retry-After")
async def throttled(simulators):
    simulators.set_faults(
        [
            {
                "vendor": "entra",
                "path": "/v1.0/groups/*",
                "times": 1,
                "fault": {
                    "answer": {
                        "status": 429,
                        "headers": [["retry-after", "1"]],
                        "body": '{"error":{"code":"TooManyRequests","message":"Too many requests"}}',
                    }
                },
            }
        ]
    )
    try:
        id = simulators.entra_group("Cooks")["id"]
        assert (await connect(simulators).groups.by_group_id(id).get()).display_name == "Cooks"
    finally:
        simulators.set_faults([])


if __name__ == "__main__":
    main("msgraph-sdk")
