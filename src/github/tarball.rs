//! Many files by one request: the tarball of a commit, unpacked within bounds.
//!
//! An archive is not the tree: git's attributes (`export-ignore`, `export-subst`, `eol`) leave files out of it and
//! change others. So what comes out is proven by its sha, and what is not proven does not come out.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use futures::StreamExt;
use http::header::LOCATION;
use url::Url;

use super::app::Repo;
use super::error::GitHubError;
use super::transport::{Answer, Call, innermost};
use super::tree::is_content_of;
use crate::repo::{BlobSha, CommitSha, FilePath};

/// What a tarball may cost.
#[derive(Debug, Clone, Copy)]
pub struct TarballLimits {
    /// Bytes on the wire.
    pub compressed: usize,
    /// Bytes after decompression, of the whole archive.
    pub unpacked: u64,
    /// Bytes of one file; larger ones are left out.
    pub file: u64,
    /// Bytes of all files that are kept.
    pub kept: u64,
    /// Entries of the archive.
    pub entries: usize,
}

impl Default for TarballLimits {
    /// 64 MiB on the wire, 1 GiB unpacked, 1 MiB a file, 64 MiB kept, 200,000 entries.
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        let mib = MIB as u64;
        Self { compressed: 64 * MIB, unpacked: 1024 * mib, file: mib, kept: 64 * mib, entries: 200_000 }
    }
}

impl Repo {
    /// The content of the `wanted` files (path → sha of the content) at `commit`, by one API request. A file that is
    /// missing in the answer is larger than `limits.file`, or not in the archive as it is in the tree: read its blob.
    ///
    /// # Errors
    /// [`GitHubError::TooLarge`] where the archive breaks a bound: read the blobs one by one instead.
    pub async fn tarball(
        &self,
        commit: &CommitSha,
        wanted: BTreeMap<FilePath, BlobSha>,
        limits: TarballLimits,
    ) -> Result<BTreeMap<FilePath, Vec<u8>>, GitHubError> {
        let call = Call::get(self.path(&["tarball", commit.as_str()])).at_most(limits.compressed);
        let answer = self.github().call(&self.identity(), &call).await?;
        let archive = match answer.status {
            http::StatusCode::FOUND => self.download(&call, &answer, limits.compressed).await?,
            _ => answer.body.to_vec(),
        };
        let name = call.name();
        let unpacked = tokio::task::spawn_blocking(move || unpack(&archive, &wanted, limits)).await;
        match unpacked {
            Ok(Ok(files)) => Ok(files),
            Ok(Err(Broken::Bound(limit))) => Err(GitHubError::TooLarge { call: name, limit }),
            Ok(Err(Broken::Archive(error))) => {
                let reason = format!("the archive cannot be unpacked: {error}");
                Err(GitHubError::Retry { call: name, after: None, reason })
            }
            Err(_) => Err(GitHubError::retry(&call, "unpacking the archive was stopped")),
        }
    }

    /// Follows GitHub's link, which carries its own short-lived authorization: no token goes along.
    async fn download(&self, call: &Call, answer: &Answer, limit: usize) -> Result<Vec<u8>, GitHubError> {
        let github = self.github();
        let location = answer.header(LOCATION).and_then(|link| github.transport().base().join(link).ok());
        let secure = |url: &Url| url.scheme() == "https" || url.scheme() == github.transport().base().scheme();
        let Some(url) = location.filter(secure) else {
            return Err(GitHubError::permanent(call, "GitHub gives no usable link to the archive"));
        };
        let late = GitHubError::retry(call, "the archive did not arrive in time");
        let whole = receive(call, github.plain(), url, limit);
        tokio::time::timeout(github.timeouts().download, whole).await.unwrap_or(Err(late))
    }
}

async fn receive(call: &Call, client: &reqwest::Client, url: Url, limit: usize) -> Result<Vec<u8>, GitHubError> {
    let failed = |error: reqwest::Error| GitHubError::retry(call, innermost(&error));
    let response = client.get(url).send().await.map_err(failed)?;
    if response.status() != http::StatusCode::OK {
        return Err(GitHubError::retry(call, format!("the archive's link answers {}", response.status())));
    }
    let mut archive = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(failed)?;
        if archive.len() + chunk.len() > limit {
            return Err(GitHubError::TooLarge { call: call.name(), limit });
        }
        archive.extend_from_slice(&chunk);
    }
    Ok(archive)
}

#[derive(Debug)]
enum Broken {
    /// A bound, and which.
    Bound(usize),
    Archive(io::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Archive(error)
    }
}

fn bound(limit: u64) -> Broken {
    Broken::Bound(usize::try_from(limit).unwrap_or(usize::MAX))
}

fn unpack(
    archive: &[u8],
    wanted: &BTreeMap<FilePath, BlobSha>,
    limits: TarballLimits,
) -> Result<BTreeMap<FilePath, Vec<u8>>, Broken> {
    let mut reader = MultiGzDecoder::new(archive).take(limits.unpacked);
    let mut files = BTreeMap::new();
    let result = read_entries(&mut reader, wanted, limits, &mut files);
    // Whatever error the cut caused, the bound is the reason.
    if reader.limit() == 0 {
        return Err(bound(limits.unpacked));
    }
    result.map(|()| files)
}

fn read_entries(
    reader: impl Read,
    wanted: &BTreeMap<FilePath, BlobSha>,
    limits: TarballLimits,
    files: &mut BTreeMap<FilePath, Vec<u8>>,
) -> Result<(), Broken> {
    let mut kept = 0_u64;
    for (count, entry) in tar::Archive::new(reader).entries()?.enumerate() {
        if count >= limits.entries {
            return Err(Broken::Bound(limits.entries));
        }
        let mut entry = entry?;
        let path = inside(&entry.path_bytes()).filter(|path| wanted.contains_key(path));
        let Some(path) = path.filter(|_| entry.header().entry_type().is_file() && entry.size() <= limits.file) else {
            continue;
        };
        kept = kept.saturating_add(entry.size());
        if kept > limits.kept {
            return Err(bound(limits.kept));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        if wanted.get(&path).is_some_and(|sha| is_content_of(sha, &content)) {
            files.insert(path, content);
        }
    }
    Ok(())
}

/// The path inside the repository: the archive wraps all in one folder of GitHub's naming.
fn inside(path: &[u8]) -> Option<FilePath> {
    let (_, path) = std::str::from_utf8(path).ok()?.split_once('/')?;
    FilePath::parse(path).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, *content).expect("an entry");
        }
        let tar = builder.into_inner().expect("an archive");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).expect("compressed");
        gzip.finish().expect("compressed")
    }

    /// `printf 'FROM a' | git hash-object --stdin`
    const FROM_A: &str = "654ce4ebcc3eb5bf00dd2e6305dd4a49f7ddb7d0";

    fn wanted(paths: &[&str]) -> BTreeMap<FilePath, BlobSha> {
        let sha = BlobSha::parse(FROM_A).expect("a sha");
        paths.iter().map(|path| (FilePath::parse(path).expect("a path"), sha.clone())).collect()
    }

    fn limits() -> TarballLimits {
        TarballLimits { compressed: 1 << 20, unpacked: 1 << 16, file: 1 << 10, kept: 1 << 10, entries: 4 }
    }

    #[test]
    fn only_the_wanted_and_proven_files_come_out() {
        let archive =
            archive(&[("acme-1a2b/Dockerfile", b"FROM a"), ("acme-1a2b/src/b", b"b"), ("acme-1a2b/c", b"$Id$")]);
        let files = unpack(&archive, &wanted(&["Dockerfile", "missing", "c"]), limits()).expect("files");
        let expected = FilePath::parse("Dockerfile").expect("a path");
        assert_eq!(files, BTreeMap::from([(expected, b"FROM a".to_vec())]));
    }

    #[test]
    fn a_bomb_is_stopped() {
        let zeros = vec![0_u8; 1 << 20];
        let bomb = archive(&[("x/big", &zeros), ("x/a", b"a")]);
        assert!(bomb.len() < 1 << 14, "it is small on the wire");
        assert!(matches!(unpack(&bomb, &wanted(&["a"]), limits()), Err(Broken::Bound(65536))));
    }

    #[test]
    fn bounds_on_count_and_size() {
        let many: Vec<(&str, &[u8])> = vec![("x/a", b""); 5];
        assert!(matches!(unpack(&archive(&many), &wanted(&["a"]), limits()), Err(Broken::Bound(4))));
        let content = [b'a'; 700];
        let two = archive(&[("x/a", &content), ("x/b", &content)]);
        assert!(matches!(unpack(&two, &wanted(&["a", "b"]), limits()), Err(Broken::Bound(1024))));
        let large = archive(&[("x/a", &[b'a'; 2000])]);
        assert!(unpack(&large, &wanted(&["a"]), limits()).expect("files").is_empty());
    }

    #[test]
    fn a_cut_archive_is_an_error() {
        let whole = archive(&[("x/a", b"a")]);
        assert!(matches!(unpack(&whole[..whole.len() / 2], &wanted(&["a"]), limits()), Err(Broken::Archive(_))));
    }
}
