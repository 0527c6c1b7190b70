//! Holds what is known of an image against VEX statements: those attached to it, those of repositories, those of files.

use std::collections::BTreeSet;

use super::Lookups;
use super::advisories::AdvisorySources;
use super::attestations::{Attested, Enough};
use super::part::Part;
use crate::image::{Digest, ImageName, Tag};
use crate::jobs::JobError;
use crate::plan::Lookup;
use crate::policy::VexTrust;
use crate::registry::{Attestation, Carrier, Wanted};
use crate::vulnerability::{
    Assessment, Determination, Tied, VexDocument, VexImage, VexOrigin, VexStatement, apply_vex, attached_vex,
    statements_about,
};

/// After how long it is looked again for what is attached, in milliseconds.
const LOOK_AGAIN_MS: i64 = 24 * 3_600_000;

/// Which statements count.
#[derive(Debug, Clone, Default)]
pub(crate) struct VexChoice {
    /// Whose, for which images.
    pub(crate) trust: Vec<VexTrust>,
    /// Documents that a person named: they count.
    pub(crate) files: Vec<VexDocument>,
}

/// How many digests registries may still be asked about for what is attached to them.
#[derive(Debug)]
pub(crate) struct Allowance(usize);

impl Allowance {
    /// No bound.
    pub(crate) fn unbounded() -> Self {
        Self(usize::MAX)
    }

    /// So many.
    pub(crate) fn of(digests: usize) -> Self {
        Self(digests)
    }

    fn take(&mut self) -> bool {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or_default();
        left.is_some()
    }
}

/// The VEX statements about what was found in an image.
pub(crate) struct Statements {
    /// The image that they are held against.
    pub(crate) about: VexImage,
    /// Where they stand.
    pub(crate) documents: Vec<VexDocument>,
    /// Which ones there are, in a text that changes when they do; `None` where that was not found out.
    pub(crate) print: Option<String>,
}

fn note(assessment: &mut Assessment, gap: String) {
    if !assessment.gaps.contains(&gap) {
        assessment.gaps.push(gap);
    }
}

fn not_attached(reason: &str) -> String {
    format!("VEX statements that may be attached to it: {reason}")
}

impl Lookups {
    /// Takes away what trusted statements say does not apply, and says when the support of what the image is made of
    /// ends. Tells which statements there are, as [`Lookups::statements`] does.
    ///
    /// # Errors
    /// The database fails. A registry that does not answer is a gap: what it may say changes nothing.
    pub(crate) async fn complete(
        &self,
        (part, tag): (&Part, Option<&Tag>),
        determination: &mut Determination,
        sources: &AdvisorySources,
        choice: &VexChoice,
    ) -> Result<Option<String>, JobError> {
        let image = &part.image;
        let assessment = match determination {
            Determination::Known(assessment) => assessment,
            Determination::Not(reason) => {
                reason.extend(self.what_ended(part, tag).await?);
                return Ok(None);
            }
        };
        assessment.ends = self.support_ends(assessment.distribution.as_deref(), image, tag).await?;
        let Statements { about, mut documents, print } =
            self.statements(part, assessment, sources, &mut Allowance::unbounded()).await?;
        documents.extend(choice.files.iter().cloned());
        let trusts = |statement: &VexStatement, origin: &VexOrigin| match origin {
            VexOrigin::File { .. } => true,
            VexOrigin::Attached | VexOrigin::Repository { .. } => {
                choice.trust.iter().any(|one| one.trusts(image, &statement.author, origin))
            }
        };
        apply_vex(assessment, &about, &documents, &trusts);
        Ok(print)
    }

    /// That the distribution of an image is past its end, where its packages are known: advisories may lack for that.
    async fn what_ended(&self, part: &Part, tag: Option<&Tag>) -> Result<Option<String>, JobError> {
        let Some(list) = self.kept_packages(part).await? else { return Ok(None) };
        let Some(distribution) = list.distribution.map(|one| one.name()) else { return Ok(None) };
        let ends = self.support_ends(Some(&distribution), &part.image, tag).await?;
        let ended = ends.into_iter().find(|end| end.ended && end.what == distribution);
        Ok(ended.map(|end| format!("; support of {} has ended", end.what)))
    }

    /// The VEX statements about what was found, from those who publish some.
    ///
    /// # Errors
    /// The database fails. A registry that does not answer is a gap.
    pub(crate) async fn statements(
        &self,
        part: &Part,
        assessment: &mut Assessment,
        sources: &AdvisorySources,
        allowance: &mut Allowance,
    ) -> Result<Statements, JobError> {
        let mut about = VexImage { name: part.image.clone(), digests: BTreeSet::from([part.digest.clone()]) };
        if assessment.findings.is_empty() {
            return Ok(Statements { about, documents: Vec::new(), print: Some(String::new()) });
        }
        let gaps = assessment.gaps.clone();
        match self.digest_of_part(part).await? {
            Lookup::Known(own) => drop(about.digests.insert(own)),
            Lookup::Unavailable { reason, .. } => note(assessment, not_attached(&reason)),
        }
        let mut documents = self.of_repositories(assessment, sources).await?;
        documents.extend(self.attached(&about, assessment, allowance).await?);
        let all_answered = assessment.gaps == gaps;
        let print = all_answered.then(|| statements_about(assessment, &about, &documents));
        Ok(Statements { about, documents, print })
    }

    /// What mirrored repositories say of the findings.
    async fn of_repositories(
        &self,
        assessment: &Assessment,
        sources: &AdvisorySources,
    ) -> Result<Vec<VexDocument>, JobError> {
        let mut documents = Vec::new();
        if sources.vex.is_empty() {
            return Ok(documents);
        }
        let rows = self.brought.advisory_sources().await?;
        let names: BTreeSet<&str> = assessment
            .findings
            .iter()
            .flat_map(|finding| finding.advisories.iter().map(String::as_str).chain([finding.id.as_str()]))
            .collect();
        for repository in &sources.vex {
            let address = repository.address();
            let Some(row) = rows.iter().find(|row| row.vex_repository() == Some(address)) else { continue };
            let statements = self.brought.vex_about(address, &names).await?;
            let origin = VexOrigin::Repository { address: address.to_owned(), as_of: row.synced_at };
            documents.push(VexDocument { origin, statements });
        }
        Ok(documents)
    }

    /// What is attached to the image's digests, looked for once in a while.
    async fn attached(
        &self,
        about: &VexImage,
        assessment: &mut Assessment,
        allowance: &mut Allowance,
    ) -> Result<Option<VexDocument>, JobError> {
        let mut statements = Vec::new();
        for digest in &about.digests {
            match self.attached_to(&about.name, digest, allowance).await? {
                Ok(found) => statements.extend(found),
                Err(reason) => note(assessment, not_attached(&reason)),
            }
        }
        Ok((!statements.is_empty()).then_some(VexDocument { origin: VexOrigin::Attached, statements }))
    }

    async fn attached_to(
        &self,
        image: &ImageName,
        digest: &Digest,
        allowance: &mut Allowance,
    ) -> Result<Result<Vec<VexStatement>, String>, JobError> {
        // The same content under another name has attachments of its own.
        let key = self.key(image);
        let since = self.clock.now().plus_ms(-LOOK_AGAIN_MS);
        let kept = self.store.attached_vex(&key, digest, since).await?;
        if let Some(statements) = kept.and_then(|body| serde_json::from_str(&body).ok()) {
            return Ok(Ok(statements));
        }
        let what = format!("vex {digest}");
        if let Some(Lookup::<()>::Unavailable { reason, .. }) = self.failed_before(&key, &what) {
            return Ok(Err(reason));
        }
        if !allowance.take() {
            return Ok(Err("it is looked for later".to_owned()));
        }
        let about = digest.clone();
        let judge = move |one: &Attestation| {
            let tied = if one.carrier == Carrier::CosignTag { Tied::ByStatement } else { Tied::ByManifest };
            attached_vex(&one.body, &about, tied)
        };
        let of = Attested { image, index: None, digest };
        let statements: Vec<VexStatement> = match self.attestations(of, (Wanted::VEX, Enough::All), judge).await? {
            Lookup::Known(found) => found.into_iter().flatten().collect(),
            Lookup::Unavailable { reason, may_pass } => {
                self.remember_failure(&key, &what, (&reason, may_pass));
                return Ok(Err(reason));
            }
        };
        let body = serde_json::to_string(&statements).unwrap_or_default();
        self.store.save_attached_vex(&key, digest, &body).await?;
        Ok(Ok(statements))
    }
}
