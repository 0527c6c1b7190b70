//! Which credential is shown to a registry, for whom: the settings' first, then those of Docker's file.

use std::collections::HashMap;

use super::cloud::Clouds;
use super::docker_config::DockerConfig;
use super::error::RegistryError;
use super::settings::{Credential, Secret};
use crate::repo::Moment;

/// All credentials that the operator configured.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    by_host: HashMap<String, Vec<Credential>>,
    docker_config: Option<DockerConfig>,
    clouds: Option<Clouds>,
}

impl Credentials {
    /// # Errors
    /// Where two credentials of one registry serve the same owner.
    pub(super) fn new(
        credentials: Vec<Credential>,
        docker_config: Option<DockerConfig>,
    ) -> Result<Self, RegistryError> {
        let mut by_host: HashMap<String, Vec<Credential>> = HashMap::new();
        for mut credential in credentials {
            let host = usual_host(&credential.host);
            if let Secret::Cloud(provider) = &credential.secret
                && !provider.serves(&host)
            {
                let reason = "its credential's provider has no such registry; no credential of a cloud goes elsewhere";
                return Err(RegistryError::invalid(&host, reason));
            }
            for owner in &mut credential.owners {
                owner.make_ascii_lowercase();
            }
            credential.owners.sort();
            let others = by_host.entry(host.clone()).or_default();
            if let Some(twice) = others.iter().find_map(|other| shared_owner(other, &credential)) {
                let reason = format!("two credentials are configured for this registry{twice}; keep one");
                return Err(RegistryError::invalid(&host, reason));
            }
            others.push(credential);
        }
        Ok(Self { by_host, docker_config, clouds: None })
    }

    /// The same with clouds that give what a credential only promises.
    pub(super) fn with_clouds(self, clouds: Clouds) -> Self {
        Self { clouds: Some(clouds), ..self }
    }

    /// What is shown to a registry for the repositories of `owner`: what is limited to the owner, else what serves
    /// all, else what Docker's file has.
    pub(super) async fn of(
        &self,
        host: &str,
        owner: Option<&str>,
        now: Moment,
    ) -> Result<Option<Credential>, RegistryError> {
        match (self.configured(host, owner), &self.docker_config) {
            (Some(credential), _) => self.given(credential, host, now).await.map(Some),
            (None, Some(config)) => config.credential(host, now).await,
            (None, None) => Ok(None),
        }
    }

    async fn given(&self, credential: &Credential, host: &str, now: Moment) -> Result<Credential, RegistryError> {
        match (&credential.secret, &self.clouds) {
            (Secret::Cloud(provider), Some(clouds)) => clouds.credential(provider, host, now).await,
            (Secret::Cloud(_), None) => Err(RegistryError::unauthorized(host, "no cloud gives credentials here")),
            (Secret::Password(_) | Secret::IdentityToken(_), _) => Ok(credential.clone()),
        }
    }

    fn configured(&self, host: &str, owner: Option<&str>) -> Option<&Credential> {
        let of_host = self.by_host.get(host)?;
        let owner = owner.map(str::to_ascii_lowercase);
        let limited = of_host.iter().find(|one| owner.as_ref().is_some_and(|owner| one.owners.contains(owner)));
        limited.or_else(|| of_host.iter().find(|one| one.owners.is_empty()))
    }

    /// Who shares what is read from a registry for `owner`: nobody named where everybody does.
    pub(super) fn audience(&self, host: &str, owner: Option<&str>) -> Option<String> {
        let owners = &self.configured(host, owner)?.owners;
        (!owners.is_empty()).then(|| owners.join(","))
    }

    /// Whether there is a credential, as far as is known without asking a helper.
    pub(super) fn knows(&self, host: &str, owner: Option<&str>) -> bool {
        self.configured(host, owner).is_some() || self.docker_config.as_ref().is_some_and(|config| config.knows(host))
    }

    /// Asks a helper or a cloud anew next time: what it gave was refused.
    pub(super) async fn refused(&self, host: &str) {
        if let Some(config) = &self.docker_config {
            config.refused(host).await;
        }
        if let Some(clouds) = &self.clouds {
            clouds.refused(host).await;
        }
    }
}

/// The name that images give a registry, of the several that people know.
pub(super) fn usual_host(host: &str) -> String {
    match host.to_ascii_lowercase().as_str() {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => "docker.io".to_owned(),
        host => host.to_owned(),
    }
}

/// For whom two credentials would both serve.
fn shared_owner(one: &Credential, other: &Credential) -> Option<String> {
    if one.owners.is_empty() && other.owners.is_empty() {
        return Some(String::new());
    }
    one.owners.iter().find(|owner| other.owners.contains(owner)).map(|owner| format!(" and the owner {owner}"))
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn credential(host: &str, owners: &[&str], user: &str) -> Credential {
        Credential {
            host: host.to_owned(),
            owners: owners.iter().map(|owner| (*owner).to_owned()).collect(),
            user: user.to_owned(),
            secret: Secret::Password(SecretString::from("hunter2")),
        }
    }

    #[track_caller]
    fn check(all: &[Credential], owner: Option<&str>, user: Option<&str>, audience: Option<&str>) {
        let credentials = Credentials::new(all.to_vec(), None).expect("credentials");
        let found = credentials.configured("r.corp", owner).map(|credential| credential.user.as_str());
        assert_eq!(found, user, "{owner:?}");
        assert_eq!(credentials.audience("r.corp", owner).as_deref(), audience, "{owner:?}");
    }

    #[test]
    fn an_owner_reads_with_its_own() {
        let all = [credential("r.corp", &["Globex", "acme"], "theirs"), credential("r.corp", &[], "everybody")];
        check(&all, Some("ACME"), Some("theirs"), Some("acme,globex"));
        check(&all, Some("initech"), Some("everybody"), None);
        check(&all, None, Some("everybody"), None);
        check(&all[..1], Some("initech"), None, None);
        check(&all[..1], None, None, None);
    }

    #[test]
    fn two_for_one_reader_are_a_mistake() {
        let error = |all: Vec<Credential>| Credentials::new(all, None).expect_err("two").to_string();
        let both = vec![credential("docker.io", &[], "a"), credential("index.docker.io", &[], "b")];
        assert_eq!(error(both), "docker.io: two credentials are configured for this registry; keep one");
        let both = vec![credential("r.corp", &["acme"], "a"), credential("r.corp", &["x", "ACME"], "b")];
        assert_eq!(
            error(both),
            "r.corp: two credentials are configured for this registry and the owner acme; keep one"
        );
    }
}
