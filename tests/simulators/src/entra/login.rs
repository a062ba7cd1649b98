//! The login endpoint's two addresses: tokens, and the document by which Microsoft's own client libraries
//! find the first. They read it before anything else, whatever they are told of the authority.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::json;

use super::reply::Reply;
use super::state::State;
use super::token;

/// Answers a request to the login endpoint; none where the path is not the endpoint's.
pub(super) fn answer(
    state: &mut State,
    request: &Request<Bytes>,
    origin: &str,
    now_ms: u64,
) -> Option<Reply> {
    let (tenant, rest) = request.uri().path().strip_prefix('/')?.split_once('/')?;
    let tenant = tenant.to_owned();
    match (rest, request.method()) {
        ("oauth2/v2.0/token", &Method::POST) => Some(token::issue(state, &tenant, request, origin, now_ms)),
        ("oauth2/v2.0/token", method) => {
            let message = format!("The endpoint only accepts POST requests. Received a {method} request.");
            let refusal = token::refuse(400, "invalid_request", 900_561, message);
            Some(token::refused(state, &refusal, now_ms))
        }
        ("v2.0/.well-known/openid-configuration", &Method::GET) => {
            Some(configuration(state, &tenant, origin, now_ms))
        }
        _ => None,
    }
}

/// The tenant's OpenID configuration: what is simulated of it, under the names that the vendor gives.
fn configuration(state: &mut State, tenant: &str, origin: &str, now_ms: u64) -> Reply {
    if !state.is_named(tenant) {
        return token::refused(state, &token::unknown_tenant(tenant, "invalid_tenant"), now_ms);
    }
    // The tenant's ID, by whichever name it was asked for.
    let base = format!("{origin}/{}", state.tenant_id);
    Reply::ok(json!({
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("{base}/v2.0"),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
        "end_session_endpoint": format!("{base}/oauth2/v2.0/logout"),
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
    }))
}
