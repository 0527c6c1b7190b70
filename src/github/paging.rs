//! Lists that come in pages: `Link: <…>; rel="next"`.

use std::collections::HashSet;

use serde::de::DeserializeOwned;

use super::client::{GitHub, Identity, read_json};
use super::error::GitHubError;
use super::transport::{Answer, Call};

/// More pages than any list that Restow reads has; a hundred entries each.
const MAX_PAGES: usize = 1000;

impl GitHub {
    /// Reads all pages of a list; `entries` takes one page apart.
    ///
    /// # Errors
    /// As one call; and where the links lead in a circle or do not end.
    pub(super) async fn pages<P, T>(
        &self,
        identity: &Identity,
        first: Call,
        entries: fn(P) -> Vec<T>,
    ) -> Result<Vec<T>, GitHubError>
    where
        P: DeserializeOwned,
    {
        let mut all = Vec::new();
        let mut seen = HashSet::new();
        let mut call = first;
        for _ in 0..MAX_PAGES {
            let answer = self.call(identity, &call).await?;
            all.extend(entries(read_json(&call, &answer)?));
            let Some(link) = next_link(&answer) else { return Ok(all) };
            let next = self.transport().path_of(&link);
            let Some(next) = next.filter(|path| seen.insert(path.clone())) else {
                return Err(GitHubError::permanent(&call, "the link to the next page leads nowhere new"));
            };
            call = call.page(next);
        }
        Err(GitHubError::permanent(&call, format!("the list has more than {MAX_PAGES} pages")))
    }
}

/// The target of the link with `rel="next"`, as written. Source: RFC 8288; targets hold no `>`.
pub(super) fn next_link(answer: &Answer) -> Option<String> {
    let header = answer.header(http::header::LINK)?;
    header.split('<').skip(1).find_map(|link| {
        let (target, parameters) = link.split_once('>')?;
        let next = parameters.split([';', ',']).any(|parameter| {
            let parameter = parameter.trim().to_ascii_lowercase();
            parameter == "rel=\"next\"" || parameter == "rel=next"
        });
        next.then(|| target.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, expected: Option<&str>) {
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::LINK, header.parse().expect("a header"));
        let answer = Answer { status: http::StatusCode::OK, headers, body: bytes::Bytes::new() };
        assert_eq!(next_link(&answer).as_deref(), expected);
    }

    #[test]
    fn the_next_page_is_the_one_so_named() {
        check(r#"<https://a/x?page=2>; rel="next", <https://a/x?page=9>; rel="last""#, Some("https://a/x?page=2"));
        check(r#"<https://a/x?page=1>; rel="prev", </x?a=1,2&page=3>; rel="next""#, Some("/x?a=1,2&page=3"));
        check(r#"<https://a/x?page=1>; rel="first""#, None);
        check("", None);
    }
}
