//! The hooks that registries send notifications to: as written → valid.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::secret_file;
use crate::notification::{Host, Kind, Sender};

/// A shorter secret is refused: many registries can only send it in the address, where it can be tried.
const SHORTEST_SECRET: usize = 16;
const LONGEST_NAME: usize = 64;

/// A hook that a registry sends its notifications to: `/hooks/registry/NAME`.
#[derive(Debug, Clone)]
pub struct RegistryHook {
    /// The last part of its path.
    pub name: String,
    /// What the sender shows.
    pub secret: SecretString,
    /// Who sends.
    pub sender: Sender,
}

/// A hook as written, under its name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHook {
    kind: Kind,
    secret: Option<SecretString>,
    secret_file: Option<PathBuf>,
    registry: Option<String>,
}

impl RawHook {
    /// # Errors
    /// What is wrong with it, with the setting's name.
    pub(super) fn validate(&self, name: &str) -> Result<RegistryHook, String> {
        let setting = format!("registry_hooks.{name}");
        let told = |mistake: &dyn std::fmt::Display| format!("{setting}: {mistake}");
        if !is_name(name) {
            return Err(told(&"a hook's name is 1 to 64 of a-z, 0-9, - and _, for it is a part of an address"));
        }
        let secret = self.secret(&setting)?;
        if secret.expose_secret().trim().len() < SHORTEST_SECRET {
            let mistake =
                format!("the secret has fewer than {SHORTEST_SECRET} characters; take one of `openssl rand -hex 32`");
            return Err(told(&mistake));
        }
        let registry = self.registry.as_deref().map(Host::parse).transpose();
        let registry = registry.map_err(|error| format!("{setting}.registry: {error}"))?;
        let sender = Sender::new(self.kind, registry).map_err(|error| told(&error))?;
        Ok(RegistryHook { name: name.to_owned(), secret, sender })
    }

    fn secret(&self, setting: &str) -> Result<SecretString, String> {
        match (&self.secret, &self.secret_file) {
            (Some(secret), None) => Ok(secret.clone()),
            (None, Some(path)) => secret_file(&format!("{setting}.secret_file"), path),
            (Some(_), Some(_)) | (None, None) => Err(format!("{setting}: set either secret or secret_file")),
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}
