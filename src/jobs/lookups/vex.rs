//! Holds what is known of an image against VEX statements: those attached to it, those of repositories, those of files.

use std::collections::BTreeSet;

use super::Lookups;
use super::advisories::AdvisorySources;
use super::attestations::Attested;
use crate::image::{Digest, ImageName, Tag};
use crate::jobs::JobError;
use crate::plan::Lookup;
use crate::policy::VexTrust;
use crate::registry::{Attestation, Carrier, Wanted};
use crate::vulnerability::{
    Assessment, Determination, Tied, VexDocument, VexImage, VexOrigin, VexStatement, apply_vex, attached_vex,
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

impl Lookups {
    /// Takes away what trusted statements say does not apply, and says when the support of what the image is made of
    /// ends.
    ///
    /// # Errors
    /// The database fails. A registry that does not answer is a gap: what it may say changes nothing.
    pub(crate) async fn complete(
        &self,
        (image, digest, tag): (&ImageName, &Digest, Option<&Tag>),
        determination: &mut Determination,
        sources: &AdvisorySources,
        choice: &VexChoice,
    ) -> Result<(), JobError> {
        let Determination::Known(assessment) = determination else { return Ok(()) };
        assessment.ends = self.support_ends(assessment.distribution.as_deref(), image, tag).await?;
        if assessment.findings.is_empty() {
            return Ok(());
        }
        let mut digests = BTreeSet::from([digest.clone()]);
        if let Lookup::Known(usual) = self.usual_of(image, digest).await? {
            digests.insert(usual);
        }
        let about = VexImage { name: image.clone(), digests };
        let mut documents = choice.files.clone();
        documents.extend(self.of_repositories(assessment, sources).await?);
        documents.extend(self.attached(&about, assessment).await?);
        let trusts = |statement: &VexStatement, origin: &VexOrigin| match origin {
            VexOrigin::File { .. } => true,
            VexOrigin::Attached | VexOrigin::Repository { .. } => {
                choice.trust.iter().any(|one| one.trusts(image, &statement.author, origin))
            }
        };
        apply_vex(assessment, &about, &documents, &trusts);
        Ok(())
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
        let rows = self.store.advisory_sources().await?;
        let names: BTreeSet<&str> = assessment
            .findings
            .iter()
            .flat_map(|finding| finding.advisories.iter().map(String::as_str).chain([finding.id.as_str()]))
            .collect();
        for repository in &sources.vex {
            let address = repository.address();
            let Some(row) = rows.iter().find(|row| row.vex_repository() == Some(address)) else { continue };
            let statements = self.store.vex_about(address, &names).await?;
            let origin = VexOrigin::Repository { address: address.to_owned(), as_of: row.synced_at };
            documents.push(VexDocument { origin, statements });
        }
        Ok(documents)
    }

    /// What is attached to the image's digests, looked for once in a while.
    async fn attached(&self, about: &VexImage, assessment: &mut Assessment) -> Result<Option<VexDocument>, JobError> {
        let mut statements = Vec::new();
        for digest in &about.digests {
            match self.attached_to(&about.name, digest).await? {
                Ok(found) => statements.extend(found),
                Err(reason) => assessment.gaps.push(format!("VEX statements that may be attached to it: {reason}")),
            }
        }
        Ok((!statements.is_empty()).then_some(VexDocument { origin: VexOrigin::Attached, statements }))
    }

    async fn attached_to(
        &self,
        image: &ImageName,
        digest: &Digest,
    ) -> Result<Result<Vec<VexStatement>, String>, JobError> {
        // The same content under another name has attachments of its own.
        let key = self.key(image);
        let since = self.clock.now().plus_ms(-LOOK_AGAIN_MS);
        let kept = self.store.attached_vex(&key, digest, since).await?;
        if let Some(statements) = kept.and_then(|body| serde_json::from_str(&body).ok()) {
            return Ok(Ok(statements));
        }
        let mut statements: Vec<VexStatement> = Vec::new();
        // All of them count, so none is the one that ends the search.
        let take = |one: &Attestation| {
            let tied = if one.carrier == Carrier::CosignTag { Tied::ByStatement } else { Tied::ByManifest };
            statements.extend(attached_vex(&one.body, digest, tied).into_iter().flatten());
            None::<()>
        };
        let of = Attested { image, index: None, digest };
        if let Lookup::Unavailable { reason, .. } = self.first_attestation(of, Wanted::VEX, take).await? {
            return Ok(Err(reason));
        }
        let body = serde_json::to_string(&statements).unwrap_or_default();
        self.store.save_attached_vex(&key, digest, &body).await?;
        Ok(Ok(statements))
    }
}
