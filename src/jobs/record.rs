//! What is written into the audit.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{JobError, Services};
use crate::image::Reference;
use crate::plan::{Age, ChangeSet, Evidence, Hold, HoldCode, Update};
use crate::repo::PullNumber;
use crate::store::{AuditEntry, HeldRow, RepositoryRow};

/// Who does what Restow does.
const RESTOW: &str = "restow";

/// Records an act upon a change set: one entry for each distinct move.
pub(super) async fn of_set(
    services: &Services,
    row: &RepositoryRow,
    act: &str,
    set: &ChangeSet,
    pull: Option<PullNumber>,
) -> Result<(), JobError> {
    let mut entries: Vec<AuditEntry> = Vec::new();
    for update in &set.updates {
        let entry = AuditEntry {
            image: update.site.reference.image().to_string(),
            from: short(&update.site.reference),
            to: short(&update.to),
            rule: update.reason.clone(),
            evidence: evidence(update),
            result: update.kind.to_string(),
            ..blank(services, row, RESTOW, act, pull)
        };
        let same =
            |other: &&AuditEntry| (&other.image, &other.from, &other.to) == (&entry.image, &entry.from, &entry.to);
        if !entries.iter().any(|other| same(&other)) {
            entries.push(entry);
        }
    }
    services.store.record(&entries).await?;
    Ok(())
}

/// Holds that one audit takes of one plan.
const MOST_HOLDS: usize = 500;

/// Records what is held now and was not before.
pub(super) async fn of_holds<'a>(
    services: &Services,
    row: &RepositoryRow,
    holds: impl Iterator<Item = &'a Hold>,
) -> Result<(), JobError> {
    let mut now: BTreeMap<HeldRow, &Hold> = BTreeMap::new();
    for hold in holds.filter(|hold| !matches!(hold.code, HoldCode::Ignored | HoldCode::Disabled)).take(MOST_HOLDS) {
        now.entry(held(hold)).or_insert(hold);
    }
    let new = services.store.replace_holds(row.id, &now.keys().cloned().collect()).await?;
    let entries = now.iter().filter(|(held, _)| new.contains(held)).map(|(held, hold)| AuditEntry {
        image: held.image.clone(),
        from: short(&hold.site.reference),
        rule: hold.reason.clone(),
        result: held.code.clone(),
        ..blank(services, row, RESTOW, "hold", None)
    });
    services.store.record(&entries.collect::<Vec<_>>()).await?;
    Ok(())
}

/// What tells a hold from others: its reason may name the hour, which changes.
fn held(hold: &Hold) -> HeldRow {
    let code =
        serde_json::to_value(hold.code).ok().and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default();
    let target = match hold.code {
        HoldCode::Schedule | HoldCode::Limit | HoldCode::CoolDown | HoldCode::PutOff => {
            hold.reason.split([':', ' ']).take(3).collect::<Vec<_>>().join(" ")
        }
        _ => short(&hold.site.reference),
    };
    HeldRow { image: hold.site.reference.image().to_string(), code, target }
}

/// Records an act upon a pull request.
pub(super) async fn of_pull(
    services: &Services,
    row: &RepositoryRow,
    (actor, act): (Option<&str>, &str),
    pull: PullNumber,
    (image, rule, result): (&str, &str, &str),
) -> Result<(), JobError> {
    let entry = AuditEntry {
        image: image.to_owned(),
        rule: rule.to_owned(),
        result: result.to_owned(),
        ..blank(services, row, actor.unwrap_or(RESTOW), act, Some(pull))
    };
    services.store.record(&[entry]).await?;
    Ok(())
}

/// Records an act upon a pull request for each image that it moves, so that who asks for one image finds it.
pub(super) async fn of_moves(
    services: &Services,
    row: &RepositoryRow,
    (actor, act): (Option<&str>, &str),
    pull: PullNumber,
    (rule, result): (&str, &str),
) -> Result<(), JobError> {
    let known = services.store.published(row.id, pull).await?;
    if known.is_empty() {
        return of_pull(services, row, (actor, act), pull, ("", rule, result)).await;
    }
    let entries = known.into_iter().map(|published| AuditEntry {
        image: published.image,
        from: published.from,
        to: published.to,
        rule: rule.to_owned(),
        evidence: published.evidence,
        result: result.to_owned(),
        ..blank(services, row, actor.unwrap_or(RESTOW), act, Some(pull))
    });
    services.store.record(&entries.collect::<Vec<_>>()).await?;
    Ok(())
}

/// Records an act that is about the repository alone.
pub(super) async fn of_repository(
    services: &Services,
    row: &RepositoryRow,
    (actor, act): (Option<&str>, &str),
    (rule, result): (&str, &str),
) -> Result<(), JobError> {
    let entry = AuditEntry {
        rule: rule.to_owned(),
        result: result.to_owned(),
        ..blank(services, row, actor.unwrap_or(RESTOW), act, None)
    };
    services.store.record(&[entry]).await?;
    Ok(())
}

fn blank(services: &Services, row: &RepositoryRow, actor: &str, act: &str, pull: Option<PullNumber>) -> AuditEntry {
    AuditEntry {
        at: services.clock.now(),
        actor: actor.to_owned(),
        act: act.to_owned(),
        repo: row.id,
        repository: row.name.to_string(),
        image: String::new(),
        from: String::new(),
        to: String::new(),
        pull,
        rule: String::new(),
        evidence: Value::Null,
        result: String::new(),
    }
}

/// Tag and digest, without the name.
fn short(reference: &Reference) -> String {
    let tag = reference.tag().map(ToString::to_string).unwrap_or_default();
    reference.digest().map_or_else(|| tag.clone(), |digest| format!("{tag}@{digest}"))
}

fn evidence(update: &Update) -> Value {
    let of = |evidence: &Evidence| {
        let age = match evidence.age() {
            Age::Seen(at) => json!({ "seen": at.to_string() }),
            Age::Claimed(claim) => json!({ "claimed": claim.at.to_string(), "by": claim.source }),
            Age::AtLeastSince(at) => json!({ "at_least_since": at.to_string() }),
            Age::Unknown => Value::Null,
        };
        json!({ "digest": evidence.digest.to_string(), "age": age })
    };
    update.evidence.as_ref().map_or(Value::Null, of)
}
