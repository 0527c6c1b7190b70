//! What is exploited: CISA's catalogue (KEV) and FIRST's prediction (EPSS), and when support ends (endoflife.date), as
//! bytes; `vulnerability/` reads them.

use reqwest::Client;
use url::Url;

use super::http::{AdvisoryError, Server};

/// Bytes of an answer; KEV has 1.3 MB, EPSS 2 MB.
const LIMIT: usize = 64 << 20;

/// Where the two are.
#[derive(Debug, Clone)]
pub struct Feeds {
    kev: Option<(Server, Url)>,
    epss: Option<(Server, Url)>,
    ends: Option<(Server, Url)>,
}

impl Feeds {
    /// CISA's catalogue.
    pub const KEV: &'static str = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json";
    /// FIRST's scores of today.
    pub const EPSS: &'static str = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz";

    /// endoflife.date's list of all products.
    pub const ENDS: &'static str = "https://endoflife.date/api/v1/products/full";

    /// Feeds at these addresses; what has none is not asked.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub fn new(kev: Option<Url>, epss: Option<Url>) -> Result<Self, AdvisoryError> {
        let at = |url: Option<Url>| url.map(|url| Server::new(url.clone()).map(|server| (server, url))).transpose();
        Ok(Self { kev: at(kev)?, epss: at(epss)?, ends: None })
    }

    /// The same with when the support of products ends.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub fn with_ends(self, url: Option<Url>) -> Result<Self, AdvisoryError> {
        let ends = url.map(|url| Server::new(url.clone()).map(|server| (server, url))).transpose()?;
        Ok(Self { ends, ..self })
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
}

async fn whole(feed: Option<&(Server, Url)>) -> Result<Option<Vec<u8>>, AdvisoryError> {
    let Some((server, url)) = feed else { return Ok(None) };
    let http: &Client = &server.http;
    server.ask(|| http.get(url.clone()), LIMIT).await.map(Some)
}
