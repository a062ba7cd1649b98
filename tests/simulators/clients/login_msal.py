"""msal against the simulated login endpoint: client secret, and certificate in both of its forms."""

import msal

from harness import ENTRA_CERTIFICATE, ENTRA_KEY, check, main

SCOPES = ["https://graph.microsoft.com/.default"]


def application(simulators, client_id, proof, tenant=None):
    tenant = tenant or simulators.told["entra"]["tenant_id"]
    return msal.ConfidentialClientApplication(
        client_id,
        client_credential=proof,
        authority=f"{simulators.login}/{tenant}",
        instance_discovery=False,
        verify=simulators.ca,
    )


def secret(simulators):
    return simulators.told["entra"]["applications"][0]


def certified(simulators):
    return simulators.told["entra"]["applications"][-1]["client_id"]


def works(simulators, answer):
    """The token opens Graph."""
    import urllib.request

    assert "access_token" in answer, answer
    assert answer["token_type"] == "Bearer" and 0 < answer["expires_in"] <= 3600, answer
    request = urllib.request.Request(
        f"{simulators.graph}/v1.0/groups?$top=1", headers={"Authorization": f"Bearer {answer['access_token']}"}
    )
    with urllib.request.urlopen(request, context=simulators.trust, timeout=30) as page:
        assert page.status == 200


@check("a client secret, the tenant by its ID and by its domain")
def by_secret(simulators):
    known = secret(simulators)
    for tenant in (simulators.told["entra"]["tenant_id"], simulators.told["entra"]["domain"]):
        asked = application(simulators, known["client_id"], known["client_secret"], tenant)
        works(simulators, asked.acquire_token_for_client(scopes=SCOPES))


@check("a second call is answered from msal's cache")
def cached(simulators):
    known = secret(simulators)
    asked = application(simulators, known["client_id"], known["client_secret"])
    first = asked.acquire_token_for_client(scopes=SCOPES)
    before = simulators.state()["entra"]["tokens_issued"]
    assert asked.acquire_token_for_client(scopes=SCOPES)["access_token"] == first["access_token"]
    assert simulators.state()["entra"]["tokens_issued"] == before


@check("a certificate: PS256 and the SHA-256 thumbprint")
def by_certificate(simulators):
    proof = {"private_key": ENTRA_KEY.read_text(), "public_certificate": ENTRA_CERTIFICATE.read_text()}
    asked = application(simulators, certified(simulators), proof)
    works(simulators, asked.acquire_token_for_client(scopes=SCOPES))


@check("a certificate: RS256 and the SHA-1 thumbprint, as older configurations have it")
def by_thumbprint(simulators):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    certificate = x509.load_pem_x509_certificate(ENTRA_CERTIFICATE.read_bytes())
    proof = {"private_key": ENTRA_KEY.read_text(), "thumbprint": certificate.fingerprint(hashes.SHA1()).hex().upper()}
    asked = application(simulators, certified(simulators), proof)
    works(simulators, asked.acquire_token_for_client(scopes=SCOPES))


@check("refusals: a wrong secret, an unknown application, a scope of another kind")
def refusals(simulators):
    known = secret(simulators)
    answer = application(simulators, known["client_id"], "wrong").acquire_token_for_client(scopes=SCOPES)
    assert answer["error"] == "invalid_client" and 7000215 in answer["error_codes"], answer
    answer = application(simulators, "00000000-0000-0000-0000-00000000dead", "x").acquire_token_for_client(scopes=SCOPES)
    assert answer["error"] == "unauthorized_client" and 700016 in answer["error_codes"], answer
    asked = application(simulators, known["client_id"], known["client_secret"])
    answer = asked.acquire_token_for_client(scopes=["https://graph.microsoft.com/Group.Read.All"])
    assert answer["error"] == "invalid_scope" and 1002012 in answer["error_codes"], answer
    answer = application(simulators, certified(simulators), "a-secret").acquire_token_for_client(scopes=SCOPES)
    assert answer["error"] == "invalid_client", answer


if __name__ == "__main__":
    main("msal")
