//! Bringing a large file: it goes on where it broke, and is what the server's checksum says.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use reqwest::header::{ETAG, HeaderMap, HeaderValue, IF_RANGE, RANGE};
use reqwest::{RequestBuilder, StatusCode};
use url::Url;

use super::http::{AdvisoryError, Failure, SECOND_TRY, Server};

/// How long a whole download may take.
const LONGEST: Duration = Duration::from_secs(2 * 3600);
/// How often a broken download is gone on with.
const MOST_RESUMES: usize = 20;

impl Server {
    /// Brings what is at `url` into `file`, which is made; a broken download goes on where it broke. `progress` is told
    /// of the bytes that are there and, where it is known, of all.
    ///
    /// # Errors
    /// It is not there, has more than `limit` bytes, or is not what the server's checksum says.
    pub(super) async fn download(
        &self,
        url: &Url,
        (file, limit): (&Path, u64),
        progress: impl Fn(u64, Option<u64>),
    ) -> Result<(), AdvisoryError> {
        match tokio::time::timeout(LONGEST, self.download_whole(url, (file, limit), progress)).await {
            Ok(done) => done,
            Err(_) => Err(self.failed("it took longer than two hours to send a file")),
        }
    }

    async fn download_whole(
        &self,
        url: &Url,
        (file, limit): (&Path, u64),
        progress: impl Fn(u64, Option<u64>),
    ) -> Result<(), AdvisoryError> {
        let mut download = Download::new(file).map_err(|error| self.failed(&error.to_string()))?;
        for _ in 0..MOST_RESUMES {
            let had = download.has;
            match self.go_on(url, (&mut download, limit), &progress).await {
                Ok(()) => return download.check().map_err(|reason| self.failed(&reason)),
                // Who sent nothing is not asked again at once.
                Err(Failure::Passing(_)) if download.has == had => tokio::time::sleep(SECOND_TRY).await,
                Err(Failure::Passing(_)) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        self.go_on(url, (&mut download, limit), &progress).await?;
        download.check().map_err(|reason| self.failed(&reason))
    }

    async fn go_on(
        &self,
        url: &Url,
        (download, limit): (&mut Download, u64),
        progress: &impl Fn(u64, Option<u64>),
    ) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::Lasting(self.failed(&error.to_string()));
        let mut answer = self.send(download.rest(self.http.get(url.clone()))).await?;
        if answer.status() == StatusCode::OK {
            download.begin(answer.headers(), answer.content_length()).map_err(failed)?;
        }
        while let Some(chunk) = self.chunk(&mut answer).await? {
            download.add(&chunk).map_err(failed)?;
            if download.has > limit {
                return Err(Failure::Lasting(self.failed("its file is larger than Restow reads")));
            }
            progress(download.has, download.length);
        }
        match download.length.is_some_and(|length| download.has < length) {
            true => Err(Failure::Passing(self.failed("its file ended early"))),
            false => Ok(()),
        }
    }
}

/// What is there of a file.
struct Download {
    file: File,
    has: u64,
    length: Option<u64>,
    /// Which content the bytes are of.
    tag: Option<String>,
    expected: Option<Vec<u8>>,
    hash: Md5,
}

impl Download {
    fn new(path: &Path) -> std::io::Result<Self> {
        let file = File::create(path)?;
        Ok(Self { file, has: 0, length: None, tag: None, expected: None, hash: Md5::new() })
    }

    /// Asks for what is missing, of the same content only.
    fn rest(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.tag {
            Some(tag) if self.has > 0 => request.header(RANGE, format!("bytes={}-", self.has)).header(IF_RANGE, tag),
            _ => request,
        }
    }

    /// A whole content begins.
    fn begin(&mut self, headers: &HeaderMap, length: Option<u64>) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        // A weak tag does not tell that the bytes are the same.
        self.tag = headers.get(ETAG).and_then(text).filter(|tag| !tag.starts_with("W/"));
        let hashes: Vec<String> = headers.get_all("x-goog-hash").iter().filter_map(text).collect();
        let md5 = hashes.iter().flat_map(|line| line.split(',')).find_map(|one| one.trim().strip_prefix("md5="));
        self.expected = md5.and_then(|md5| STANDARD.decode(md5).ok());
        (self.has, self.length, self.hash) = (0, length, Md5::new());
        Ok(())
    }

    fn add(&mut self, chunk: &[u8]) -> std::io::Result<()> {
        self.hash.update(chunk);
        self.has += chunk.len() as u64;
        self.file.write_all(chunk)
    }

    fn check(self) -> Result<(), String> {
        let found = self.hash.finalize();
        match self.expected {
            Some(expected) if expected != found.as_slice() => Err("its file is not what its checksum says".to_owned()),
            _ => Ok(()),
        }
    }
}
