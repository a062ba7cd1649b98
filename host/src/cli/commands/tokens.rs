//! `token`: API tokens, made on the store itself by whoever has the machine.

use secrecy::ExposeSecret as _;

use crate::cli::arguments::{RoleArgument, TokenCommand};
use crate::cli::documents::TokensDocument;
use crate::cli::exit::Exit;
use crate::cli::problem::Problem;
use crate::cli::render::text::shown;
use crate::cli::session::Session;
use crate::service::Principal;
use crate::service::identity::TokensError;
use crate::store::service::{Role, TokenRecord};

impl From<TokensError> for Problem {
    fn from(error: TokensError) -> Self {
        match error {
            TokensError::Store(_) => Self::failed(error.to_string()),
            _ => Self::refused(error.to_string()),
        }
    }
}

/// `token create|list|revoke`.
pub async fn tokens(session: &mut Session<'_>, command: &TokenCommand) -> Result<Exit, Problem> {
    let tokens = session.surroundings.tokens(&session.shared.config).await?;
    let user = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
    let who = Principal::command_line(&user);
    let (token, listed) = match command {
        TokenCommand::Create {
            name,
            role,
            tenant,
            days,
        } => {
            let role = match role {
                RoleArgument::Viewer => Role::Viewer,
                RoleArgument::Operator => Role::Operator,
                RoleArgument::Admin => Role::Admin,
            };
            let expires = days.map(|days| chrono::Utc::now() + chrono::Duration::days(i64::from(days)));
            let (record, token) = tokens
                .create(&who, name, tenant.as_deref(), role, expires)
                .await?;
            if !session.shared.json {
                // The token alone on standard output, for whoever pipes it.
                session.text(&format!("{}\n", token.expose_secret()))?;
                let told = format!(
                    "Made {} for {}. The line above is the token; it is shown this once.\n",
                    record.id,
                    shown(&record.name)
                );
                session.errors.write_all(told.as_bytes())?;
            }
            (Some(token.expose_secret().to_owned()), vec![record])
        }
        TokenCommand::List { tenant } => (None, tokens.list(tenant.as_deref()).await?),
        TokenCommand::Revoke { id } => {
            tokens.revoke(&who, id).await?;
            if !session.shared.json {
                session.text(&format!("Revoked {}.\n", shown(id)))?;
            }
            (None, tokens.list(None).await?)
        }
    };
    if session.shared.json {
        session.document(&TokensDocument {
            format: "groupcast/tokens/1",
            token,
            tokens: listed,
        })?;
    } else if matches!(command, TokenCommand::List { .. }) {
        if listed.is_empty() {
            session
                .errors
                .write_all(b"There is no token; `groupcast token create` makes one.\n")?;
        }
        let text: String = listed.iter().map(line).collect();
        session.text(&text)?;
    }
    Ok(Exit::Done)
}

fn line(token: &TokenRecord) -> String {
    let role = match token.role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Admin => "admin",
    };
    let of = token.tenant.as_deref().unwrap_or("whole host");
    let now = chrono::Utc::now();
    let state = match (token.revoked_at, token.expires_at) {
        (Some(at), _) => format!("revoked {}", at.format("%Y-%m-%d")),
        (None, Some(at)) if at <= now => format!("expired {}", at.format("%Y-%m-%d")),
        (None, Some(at)) => format!("until {}", at.format("%Y-%m-%d")),
        (None, None) => "until revoked".to_owned(),
    };
    format!(
        "{}  {role:8}  {:12}  {state:18}  {}\n",
        token.id,
        shown(of),
        shown(&token.name)
    )
}
