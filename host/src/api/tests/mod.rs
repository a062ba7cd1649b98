//! The API from outside: whole requests through all guards, over a real store.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::oidc::Provider;
use super::{Web, application};
use crate::config::Config;
use crate::plugin::{Plugin, PluginEngine, RunLimits};
use crate::run::Groupcast;
use crate::schedule::{EmbeddedEngine, EngineLimits, JobControl, JobEnd, Runner};
use crate::service::identity::{Identity, Tokens};
use crate::service::{EventHub, Principal, Service};
use crate::store::service::{JobRecord, Role};
use crate::store::{RunEnd, RunResult, SqliteStore, Store};

mod guards;
mod listener;
mod matrix;
mod operations;
mod plugins;
mod provider;
mod put_aside;
mod sign_in;
mod work;

/// Does nothing, at once.
struct Idle;

#[async_trait]
impl Runner for Idle {
    async fn run(&self, _: &JobRecord, _: JobControl) -> JobEnd {
        JobEnd {
            end: RunEnd::new(RunResult::Done, "nothing to do"),
            runs: Vec::new(),
            plan: None,
            trouble: None,
        }
    }
}

/// A host's API over a store of its own.
struct Rig {
    web: Web,
    router: Router,
    tokens: Tokens,
    store: Arc<dyn Store>,
    folder: tempfile::TempDir,
}

/// An answer that was read whole.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What is left of a cookie that was set: `name=value`.
    fn cookie(&self, name: &str) -> Option<String> {
        let of = self.headers.get_all(header::SET_COOKIE).iter();
        let mut of = of.map(|value| value.to_str().unwrap().split(';').next().unwrap().to_owned());
        of.find(|cookie| cookie.starts_with(&format!("{name}=")))
    }
}

async fn component() -> (Arc<PluginEngine>, Arc<Plugin>) {
    static COMPILED: OnceCell<(Arc<PluginEngine>, Arc<Plugin>)> = OnceCell::const_new();
    COMPILED
        .get_or_init(|| async {
            let engine = PluginEngine::new(1, &RunLimits::default()).unwrap();
            let plugin = Plugin::embedded(&engine).unwrap();
            (Arc::new(engine), Arc::new(plugin))
        })
        .await
        .clone()
}

impl Rig {
    async fn new() -> Self {
        Self::with("", None).await
    }

    /// With more lines of `[service]`, and an identity provider where there is one.
    async fn with(service: &str, provider: Option<Provider>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("[service]\n{service}\n");
        let config = Config::from_bytes(&folder.path().join("groupcast.toml"), text.as_bytes()).unwrap();
        let section = config.service.clone().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config.store_path).await.unwrap());
        let (engine, plugin) = component().await;
        let events = Arc::new(EventHub::default());
        let groupcast = Groupcast::with_plugin(Vec::new(), store.clone(), engine, plugin, events.clone());
        let schedule = EmbeddedEngine::new(Arc::new(Idle), store.clone(), EngineLimits::default(), None);
        let service = Arc::new(Service::new(
            config,
            Arc::new(groupcast),
            Arc::new(schedule),
            events,
        ));
        let identity = Arc::new(Identity::new(store.clone(), &section));
        let web = Web::new(
            &section,
            section.listen,
            service,
            identity,
            provider,
            CancellationToken::new(),
        );
        Self {
            router: application(&web, Router::new()),
            tokens: Tokens::new(store.clone(), Vec::new()),
            web,
            store,
            folder,
        }
    }

    async fn token(&self, tenant: Option<&str>, role: Role) -> String {
        let who = Principal::command_line("root");
        let made = self
            .tokens
            .create(&who, "test", tenant, role, None)
            .await
            .unwrap();
        made.1.expose_secret().to_owned()
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    /// By token, with a JSON body where there is one, and more headers.
    async fn ask(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "127.0.0.1:8420")
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        self.ask(token, Method::GET, path, None, &[]).await
    }

    async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.ask(token, Method::POST, path, Some(body), &[]).await
    }

    /// Makes a tenant with a Google directory.
    async fn tenant(&self, name: &str) {
        let admin = self.token(None, Role::Admin).await;
        let body = json!({ "name": name, "jumpcloud": { "api_key": { "stored": "jumpcloud" } } });
        let made = self.post(&admin, "/api/v1/tenants", &body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        let body = json!({ "name": "google", "vendor": "google", "section": {
            "directory": "5f0c", "admin": "admin@example.com", "domains": ["example.com"],
            "service_account_key": { "stored": "google" },
        } });
        let made = self
            .post(&admin, &format!("/api/v1/tenants/{name}/directories"), &body)
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    }
}
