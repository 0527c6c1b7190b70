//! What is exploited: CISA's catalogue (KEV) and FIRST's prediction (EPSS); when support ends (endoflife.date); what
//! Debian's security team decided. As bytes: `vulnerability/` reads them.

use std::path::Path;

use reqwest::Client;
use url::Url;

use super::http::{AdvisoryError, Server};

/// Bytes of an answer; KEV has 1.3 MB, EPSS 2 MB.
const LIMIT: usize = 64 << 20;

/// Bytes of Debian's file; it has 60 MB.
const TRIAGE_LIMIT: u64 = 512 << 20;

/// Where each feed is; what has no address is not asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedAddresses {
    /// CISA's catalogue.
    pub kev: Option<Url>,
    /// FIRST's scores.
    pub epss: Option<Url>,
    /// When the support of products ends.
    pub ends: Option<Url>,
    /// What Debian's security team decided.
    pub triage: Option<Url>,
}

/// A feed's server, and where it is there.
type Feed = Option<(Server, Url)>;

/// The feeds.
#[derive(Debug, Clone)]
pub struct Feeds {
    kev: Feed,
    epss: Feed,
    ends: Feed,
    triage: Feed,
}

impl Feeds {
    /// CISA's catalogue.
    pub const KEV: &'static str = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json";
    /// FIRST's scores of today.
    pub const EPSS: &'static str = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz";
    /// endoflife.date's list of all products.
    pub const ENDS: &'static str = "https://endoflife.date/api/v1/products/full";
    /// Debian's security tracker.
    pub const TRIAGE: &'static str = "https://security-tracker.debian.org/tracker/data/json";

    /// Feeds at these addresses; asks nothing yet.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub fn new(addresses: FeedAddresses) -> Result<Self, AdvisoryError> {
        let at = |url: Option<Url>| url.map(|url| Server::new(url.clone()).map(|server| (server, url))).transpose();
        let FeedAddresses { kev, epss, ends, triage } = addresses;
        Ok(Self { kev: at(kev)?, epss: at(epss)?, ends: at(ends)?, triage: at(triage)? })
    }

    /// The catalogue, as JSON; `None` where it is not to be asked for.
    ///
    /// # Errors
    /// It is not told.
    pub async fn kev(&self) -> Result<Option<Vec<u8>>, AdvisoryError> {
        whole(self.kev.as_ref()).await
    }

    /// The scores, as packed CSV; `None` where they are not to be asked for.
    ///
    /// # Errors
    /// They are not told.
    pub async fn epss(&self) -> Result<Option<Vec<u8>>, AdvisoryError> {
        whole(self.epss.as_ref()).await
    }

    /// When the support of products ends, as JSON; `None` where it is not to be asked for.
    ///
    /// # Errors
    /// It is not told.
    pub async fn ends(&self) -> Result<Option<Vec<u8>>, AdvisoryError> {
        whole(self.ends.as_ref()).await
    }

    /// Brings what Debian's security team decided into `file`, as JSON; whether it is wanted.
    ///
    /// # Errors
    /// It is not told, or has more than 512 MiB.
    pub async fn triage(&self, file: &Path) -> Result<bool, AdvisoryError> {
        let Some((server, url)) = &self.triage else { return Ok(false) };
        server.download(url, (file, TRIAGE_LIMIT), |_, _| ()).await.map(|()| true)
    }
}

async fn whole(feed: Option<&(Server, Url)>) -> Result<Option<Vec<u8>>, AdvisoryError> {
    let Some((server, url)) = feed else { return Ok(None) };
    let http: &Client = &server.http;
    server.ask(|| http.get(url.clone()), LIMIT).await.map(Some)
}
